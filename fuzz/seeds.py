#!/usr/bin/env python3
"""Writes what the fuzzer begins with: texts of tests/vectors and tests/golden, each into corpus/<target>/ of its own."""

import hashlib
import json
import pathlib
import re

here = pathlib.Path(__file__).resolve().parent
vectors = json.loads((here / "../tests/vectors/sun-vectors.json").read_text())


def seed(target, data):
    folder = here / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    data = data if isinstance(data, bytes) else data.encode()
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


for number, tap in enumerate(vectors["taps"]):
    seed("parse_tap", tap["url"])
    seed("parse_tap", "/" + tap["url"].split("/", 3)[-1])
    seed("parse_template", tap["template"])
    # Each takes the doctor a while.
    if number % 20 == 0:
        seed("diagnose", tap["url"])
for tap in json.loads((here / "../tests/vectors/xdna-vectors.json").read_text())["taps"]:
    seed("diagnose", tap["url"])
    # A changed character, so that no text verifies.
    seed("diagnose", tap["url"].replace("88990", "88991").replace("=EE&", "=EF&"))
for mirror in vectors["ntag22x_suncmac"]:
    seed("parse_tap", "https://a.b/?m=" + mirror["mirror_ascii"])

sources = [*here.glob("../tests/it/**/*.rs"), *here.glob("../tests/kit/src/*.rs")]
for source in sources:
    for template in re.findall(r'"([a-z]+://[^"\s]*\{[^"\s]*)"', source.read_text()):
        seed("parse_template", template)

# A URL of each layout that `parse_tap` knows, in both modes: the fuzzer does not guess a host.
DIGITS = {"uid": 14, "ctr": 6, "mac": 16, "tt": 2}


def written(template, picc):
    def element(match):
        name, _, pin = match[1].partition(":")
        if not name:
            return "q8"
        if name == "enc":
            return "A1" * (int(re.match(r"\d*", pin)[0] or 64) // 2)
        return ("C" if name == "tt" else "1") * DIGITS.get(name, picc)

    return re.sub(r"\{([^}]*)\}", element, template.replace("[[", ""))


known = (here / "fuzz_targets/parse_tap.rs").read_text() + (here / "../tests/kit/src/line.rs").read_text()
for template in re.findall(r'"([a-z]+://[^"\s]*\{[^"\s]*)"', known):
    for picc in [32, 48]:
        url = written(template, picc)
        head = re.match(r"[a-z]+://[^/?]*", url)[0]
        seed("parse_tap", url)
        seed("parse_tap", url[len(head):])
seed("parse_tap", "https://a.b/?m=" + "1" * 14 + "x" + "1" * 6 + "x" + "CC11223344" + "x" + "1" * 16)

for request in (here / "../tests/golden/ixkio").glob("*.http"):
    for query in re.findall(r"^GET /v1/t\?(.*)$", request.read_text(), re.M):
        seed("dialect_ixkio", query)
for request in (here / "../tests/golden/etrnl").glob("*.http"):
    for part in request.read_text().split("\n### "):
        key = re.search(r"^API-Key: (.*)$", part, re.M)
        body = re.search(r"^(\{.*\})\n---$", part, re.M | re.S)
        if key and body:
            seed("dialect_etrnl", key[1] + "\n" + body[1])

# AN12196 Rev 1.8 Table 19 behind a head, with its NDEF file (Tables 15 and 16); and the tag of section 5.4.
settings = bytes.fromhex("0040EEEE000100" "C1F121200000430000430000")
url = b"choose.url.com/ntag424?e=" + b"0" * 32 + b"&c=" + b"0" * 16
ndef = bytes.fromhex("0051D1014D5504") + url
seed("settings", bytes([len(settings)]) + settings + ndef)
settings = bytes.fromhex("0040EEEE000100D1FE001F00004400004400002000006A0000")
url = b"my424dna.com/?picc_data=" + b"0" * 32 + b"&enc=" + b"0" * 32 + b"&cmac=" + b"0" * 16
file = bytes([0, len(url) + 5, 0xD1, 1, len(url) + 1, 0x55, 2]) + url
seed("settings", bytes([len(settings)]) + settings + file)
