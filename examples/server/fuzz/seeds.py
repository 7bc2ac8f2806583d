#!/usr/bin/env python3
"""Writes what the fuzzer begins with, into corpus/import: the lines of the documentation and of tests, and the files of other services."""

import hashlib
import pathlib
import re

here = pathlib.Path(__file__).resolve().parent
folder = here / "corpus/import"
folder.mkdir(parents=True, exist_ok=True)
target = (here / "fuzz_targets/import.rs").read_text()
planted = re.search(r'const PLANTED: &str = "(.*)"', target)[1]

LINES, IXKIO, ETRNL, SDM_BACKEND, BOLTCARD = range(5)
SHORT_KEYS, NO_RULES, FILLED = 1 << 1, 1 << 2, 1 << 5
WITH_BATCH, WITH_TEMPLATE = 1 << 5, 1 << 6


def seed(form, flags, text):
    # Once more with the planted key in place of the first key that is the value of a field.
    for text in {text, re.sub(r'(?<=":")[0-9A-Fa-f]{32}(?=")', planted, text, count=1)}:
        data = bytes([form, flags]) + text.encode()
        (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def tag(fields):
    return '{"tag":{"organisation":1,' + fields + "}}\n"


sample = (here / "../sample.ndjson").read_text()
seed(LINES, 0, sample)
seed(LINES, FILLED, sample)
for line in sample.splitlines():
    seed(LINES, FILLED, line)

# One tag with each source of keys.
layout = '"layout":{"template":"https://t.example.com/d?e={picc:uid,ctr}&c={mac}"}'
signing = '"layout":{"mode":"ecdsa","template":"https://t.example.com/s?u=[[{uid}&n={ctr}&s={sig}"}'
public = "036B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
for number, keys in enumerate(
    [
        '{"plain":{"meta":"A0A1A2A3A4A5A6A7A8A9AAABACADAEAF","file":"B0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF"}},"counter":{"ctr":61,"at":"2023-07-09T09:23:53.672Z","taps":12}',
        '{"derived":{"an10922":{"meta":"m","master":"m","suffix":"0102","epoch":1}}}',
        '{"derived":{"boltcard":{"issuer":"i","version":1}}}',
        '{"derived":{"sdmBackend":{"master":"sdm-backend"}}}',
        '{"derived":{"eCode":{"epoch":5}}}',
        '{"sealed":{"sealed":"' + "00" * 64 + '"}}',
    ]
):
    seed(LINES, FILLED | NO_RULES, tag(f'"number":{number},"uid":"04AABBCC11224{number}",{layout},"keys":{keys}'))
seed(LINES, FILLED | NO_RULES, tag(f'"number":9,"uid":"04AABBCC112249",{signing},"keys":{{"signing":{{"public":"{public}"}}}}'))
# Keys in a wrong place: an error must not show them.
for keys in ['"KEY"', '{"plain":"KEY"}', '{"file":"KEY"}', '{"plain":{"file":"KEYKEY"}}', '{"plain":{"key":"KEY"}}', '{"signing":{"meta":"KEY"}}']:
    seed(LINES, FILLED, tag('"number":8,"keys":' + keys.replace("KEY", planted)))
seed(LINES, FILLED, '{"apiKey":"' + planted + '"}')
seed(LINES, FILLED, tag('"xuid":"q8w3sbcz","state":"inactive"') + tag('"number":1001,"redirect":{"url":"https://shop.example/m?t={token}"}'))
seed(LINES, FILLED, '{"tagGroup":{"organisation":1,"path":"Shop/Shoes","twoTaps":true,"layout":{"template":"https://t.example/{:xuid}?u={uid}&n={ctr}&e={mac}"}}}')

for source in here.glob("../tests/server/**/*.rs"):
    for line in re.findall(r'r#"(\{"(?:organisation|apiKey|token|folder|tagGroup|batch|tag)".*?)"#', source.read_text()):
        seed(LINES, FILLED | SHORT_KEYS, line)

moving = {file.name: file.read_text() for file in here.glob("../tests/moving/*")}
seed(LINES, 0, moving["ixkio-groups.ndjson"])
for flags in [NO_RULES, NO_RULES | WITH_TEMPLATE, NO_RULES | WITH_BATCH]:
    seed(IXKIO, flags, moving["ixkio.csv"])
# The last line of the conversion is refused.
seed(IXKIO, NO_RULES | WITH_TEMPLATE, moving["ixkio.csv"].strip() + "\n" + moving["ixkio.csv"].strip().splitlines()[-1])
seed(ETRNL, 0, moving["etrnl.json"])
for route in range(3):
    seed(SDM_BACKEND, route << 6, moving["sdm-backend.env"] + "\0" + moving["sdm-backend.csv"])
seed(BOLTCARD, 0, moving["boltcard-settings.csv"] + "\0" + moving["boltcard-cards.csv"])
seed(BOLTCARD, WITH_BATCH, moving["boltcard-settings.csv"] + "\0" + moving["boltcard-cards.csv"])
