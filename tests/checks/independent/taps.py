#!/usr/bin/env python3
"""An independent implementation of taps, written from NXP's documents. It uses AES and CMAC from the Python package `cryptography`, and no
code of suntap.

    taps.py N [SEED]    suntap verifies N taps of this program, and this program verifies N taps of suntap's emulator

It covers combinations of mirrors, MAC windows, file data, the tamper status, both modes, and taps with one character changed. Only this
program generates taps of NTAG 22x DNA, because suntap has no emulator for it. Then it does the same with N taps that are signed with ECDSA.
"""

import json
import random
import re
import subprocess
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

TEMPLATES = [
    "https://a.example/t?p={picc:uid,ctr}&c={mac}",
    "https://a.example/t?p={picc:ctr}&c={mac}",
    "https://a.example/t?p=[[{picc:uid,ctr}&c={mac}",
    "https://a.example/t?u={uid}&n={ctr}&c={mac}",
    "https://a.example/t?[[u={uid}&n={ctr}&c={mac}",
    "https://a.example/t?n={ctr}&c={mac}",
    "https://a.example/t?p={picc:uid,ctr}&e=[[{enc:32}&c={mac}",
    "https://a.example/t?p={picc:uid,ctr}&t=[[{enc:96}{mac}",
    "https://a.example/t?u=[[{uid}&n={ctr}&e={enc:64}&c={mac}&q=0",
    "https://a.example/t?p={picc:uid}&c={mac}",
    "https://a.example/t?u=[[{uid}&c={mac}",
    "https://a.example/t?s=[[{tt}&u={uid}&n={ctr}&c={mac}",
    "https://a.example/t?p={picc:uid,ctr}&s={tt}&c={mac}",
]
NTAG_22X = [
    "https://a.example/t?m={uid}x{ctr}x{mac}",
    "https://a.example/t?s={tt}&m={uid}x{ctr}x{mac}",
]
SIGNED = [
    "https://a.example/t?m=[[{uid}&c={ctr}&s={sig}",
    "https://a.example/t?v=[[EE&e={picc:uid,ctr}&s={sig}",
    "https://a.example/t?p=[[{picc:ctr}{sig}&q=0",
    "https://a.example/t?[[n={ctr}&s={sig}",
    "https://a.example/[[{picc:uid}/{sig}",
    "[[https://a.example/t?p={picc:uid,ctr}&e={enc:32}&s={sig}",
]
# The order of the group of P-256.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ELEMENT = re.compile(r"\[\[|\{([a-z]+)(?::([a-z0-9,]+))?\}")
LENGTHS = {"uid": 14, "ctr": 6, "mac": 16, "tt": 2, "sig": 128}


def encrypt(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).encryptor().update(block)


def decrypt(key: bytes, block: bytes) -> bytes:
    return Cipher(AES(key), ECB()).decryptor().update(block)


def xor(a: bytes, b: bytes) -> bytes:
    return bytes(x ^ y for x, y in zip(a, b))


class Lrp:
    """AN12304, sections 2 and 3."""

    def __init__(self, key: bytes, index: int = 0):
        secret, self.plaintexts = encrypt(key, b"\x55" * 16), []
        for _ in range(16):
            self.plaintexts.append(encrypt(secret, b"\xaa" * 16))
            secret = encrypt(secret, b"\x55" * 16)
        secret = encrypt(key, b"\xaa" * 16)
        for _ in range(index):
            secret = encrypt(secret, b"\x55" * 16)
        self.updated = encrypt(secret, b"\xaa" * 16)

    def eval(self, data: bytes) -> bytes:
        state = self.updated
        for digit in data.hex():
            state = encrypt(state, self.plaintexts[int(digit, 16)])
        return encrypt(state, bytes(16))

    def blocks(self, counter: bytes, data: bytes, cipher) -> bytes:
        number, out = int.from_bytes(counter, "big"), b""
        for at in range(0, len(data), 16):
            key = self.eval(number.to_bytes(len(counter), "big"))
            out += cipher(key, data[at : at + 16])
            number = (number + 1) % (1 << (8 * len(counter)))
        return out

    def cmac(self, message: bytes) -> bytes:
        def double(block: bytes) -> bytes:
            number = int.from_bytes(block, "big") << 1
            return ((number & ((1 << 128) - 1)) ^ (0x87 if number >> 128 else 0)).to_bytes(16, "big")

        k1 = double(self.eval(bytes(16)))
        blocks = [message[at : at + 16] for at in range(0, len(message), 16)] or [b""]
        last = blocks.pop()
        last = xor(last, k1) if len(last) == 16 else xor((last + b"\x80").ljust(16, b"\0"), double(k1))
        state = bytes(16)
        for block in blocks + [last]:
            state = self.eval(xor(state, block))
        return state


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


class Tag:
    def __init__(self, rng: random.Random, ntag_22x: bool = False, signs: bool = False):
        self.ntag_22x, self.private_key = ntag_22x, None
        self.template, self.lrp = rng.choice(NTAG_22X if ntag_22x else TEMPLATES), not ntag_22x and rng.random() < 0.3
        if signs:
            self.template, self.lrp, self.secret = rng.choice(SIGNED), False, rng.randrange(1, ORDER)
            self.private_key, form = ec.derive_private_key(self.secret, ec.SECP256R1()), rng.choice(["Compressed", "Uncompressed"])
            public_key = self.private_key.public_key().public_bytes(Encoding.X962, getattr(PublicFormat, form + "Point"))
            self.public_key = public_key.hex()
        self.meta, self.file = rng.randbytes(16), rng.randbytes(16)
        self.uid, self.ctr = b"\x04" + rng.randbytes(6), rng.randrange(1, 1 << 24)
        self.tt = rng.choice(["CC", "OC", "OO", "II"])
        if ntag_22x:
            self.tt = "".join(rng.choice("COI0") for _ in range(2)) + rng.randbytes(4).hex().upper()
        held = re.search(r"\{picc:([a-z,]+)\}", self.template)
        self.held = held.group(1).split(",") if held else []
        self.has_uid = "uid" in self.held or "{uid}" in self.template
        self.has_ctr = "ctr" in self.held or "{ctr}" in self.template

    def fields(self) -> bytes:
        return (self.uid if self.has_uid else b"") + (self.ctr.to_bytes(3, "little") if self.has_ctr else b"")

    def session(self, label: str) -> bytes:
        if self.lrp:
            vector = (bytes.fromhex("00010080") + self.fields()).ljust(14, b"\0") + b"\x1e\xe1"
            return Lrp(self.file).cmac(vector)
        return cmac(self.file, (bytes.fromhex(label + "00010080") + self.fields()).ljust(16, b"\0"))

    def suncmac(self) -> str:
        """NT2H2331Sx: a CMAC with the key itself, over the UID, the counter (big endian), and the status with each character as a nibble."""
        message = self.uid + self.ctr.to_bytes(3, "big")
        if "{tt}" in self.template:
            message += bytes([{"C": 3, "O": 15, "I": 9, "0": 0}[self.tt[0]] << 4 | {"C": 3, "O": 15, "I": 9, "0": 0}[self.tt[1]]])
            message += bytes.fromhex(self.tt[2:])
        return cmac(self.file, message)[1::2].hex().upper()

    def mac(self, window: bytes) -> str:
        if self.ntag_22x:
            return self.suncmac()
        key = self.session("3CC3")
        whole = Lrp(key).cmac(window) if self.lrp else cmac(key, window)
        return whole[1::2].hex().upper()

    def sign(self, rng: random.Random, window: bytes) -> str:
        """Returns r and s. About half of the signatures have a high s, because (r, n - s) is also a signature."""
        r, s = utils.decode_dss_signature(self.private_key.sign(window, ec.ECDSA(SHA256())))
        return f"{r:064X}{rng.choice([s, ORDER - s]):064X}"

    def is_signed(self, window: bytes, digits: str) -> bool:
        signature = utils.encode_dss_signature(int(digits[:64], 16), int(digits[64:], 16))
        try:
            self.private_key.public_key().verify(signature, window, ec.ECDSA(SHA256()))
        except InvalidSignature:
            return False
        return True

    def file_data(self, data: bytes, encrypting: bool) -> bytes:
        key, ctr = self.session("C33C"), self.ctr.to_bytes(3, "little")
        if self.lrp:
            return Lrp(key, 1).blocks(ctr + bytes(3), data, encrypt if encrypting else decrypt)
        cipher = Cipher(AES(key), CBC(encrypt(key, ctr.ljust(16, b"\0"))))
        return (cipher.encryptor() if encrypting else cipher.decryptor()).update(data)

    def picc_data(self, rng: random.Random) -> bytes:
        tag = (0x87 if "uid" in self.held else 0) | (0x40 if "ctr" in self.held else 0)
        plain = bytes([tag]) + self.fields()
        plain += rng.randbytes(16 - len(plain))
        if self.lrp:
            rand = rng.randbytes(8)
            return rand + Lrp(self.meta).blocks(rand, plain, encrypt)
        return encrypt(self.meta, plain)

    def url(self, rng: random.Random) -> str:
        """Returns the URL that the tag writes. `covered` gets the positions of the characters that the MAC or the keys cover."""
        url, window, at, covered, self.data = "", None, 0, [], b""
        for found in ELEMENT.finditer(self.template):
            start = len(url)
            url += self.template[at : found.start()]
            if window is not None:
                covered += range(start, len(url))
            at, name = found.end(), found.group(1)
            if name is None:
                window = len(url)
                continue
            if name == "picc":
                text = self.picc_data(rng).hex().upper()
            elif name == "enc":
                self.data = rng.randbytes(int(found.group(2)) // 2)
                text = self.file_data(self.data, True).hex().upper()
            elif name == "uid":
                text = self.uid.hex().upper()
            elif name == "ctr":
                text = f"{self.ctr:06X}"
            elif name == "tt":
                text = self.tt
            else:
                signed = b"" if window is None else url[window:].encode()
                text = self.sign(rng, signed) if name == "sig" else self.mac(signed)
                window = None
            # A status outside the MAC window is not authenticated, except for NTAG 22x.
            if name != "tt" or window is not None or self.ntag_22x:
                covered += range(len(url), len(url) + len(text))
            url += text
        self.covered = covered
        return url + self.template[at:]

    def job(self, emulated: bool = False) -> dict:
        mode = "suncmac" if self.ntag_22x else "lrp" if self.lrp else "ecdsa" if self.private_key else "aes"
        keys = {"meta_key": self.meta.hex()} if self.held else {}
        if self.private_key:
            keys |= {"private_key": f"{self.secret:064x}"} if emulated else {"public_key": self.public_key}
        if emulated or not self.private_key:
            keys |= {"file_key": self.file.hex()}
        return {"template": self.template, "mode": mode} | keys

    def check(self, url: str, text: str) -> None:
        """Verifies a tap, and asserts that it has the UID, counter, status and file data that the tag was given."""
        values, window, at = {}, None, 0
        for found in ELEMENT.finditer(self.template):
            static = self.template[:0] + self.template[self.rest(found) : found.start()]
            assert url[at : at + len(static)] == static, "static text"
            at, name = at + len(static), found.group(1)
            if name is None:
                window = at
                continue
            length = {"picc": 48 if self.lrp else 32, "enc": int(found.group(2) or 0) if name == "enc" else 0}.get(name) or LENGTHS[name]
            if name == "mac":
                assert url[at : at + 16] == self.mac(b"" if window is None else url[window:at].encode()), "SDMMAC"
                window = None
            if name == "sig":
                assert self.is_signed(url[window:at].encode(), url[at : at + 128]), "signature"
                window = None
            values[name] = url[at : at + length]
            at += length
        assert url[at:] == self.template[self.rest(None) :], "text after the last mirror"
        if "picc" in values:
            data = bytes.fromhex(values["picc"])
            plain = Lrp(self.meta).blocks(data[:8], data[8:], decrypt) if self.lrp else decrypt(self.meta, data)
            tag = (0x87 if "uid" in self.held else 0) | (0x40 if "ctr" in self.held else 0)
            wanted = bytes([tag]) + self.fields()
            assert plain[: len(wanted)] == wanted, "PICCData"
        assert values.get("uid", self.uid.hex().upper()) == self.uid.hex().upper(), "UID"
        assert values.get("ctr", f"{self.ctr:06X}") == f"{self.ctr:06X}", "SDMReadCtr"
        assert values.get("tt", "CC") == "CC", "status of a closed seal"
        if "enc" in values:
            plain = self.file_data(bytes.fromhex(values["enc"]), False)
            assert plain == text.encode().ljust(len(plain), b"0"), "file data"

    def rest(self, found) -> int:
        """Returns where the static text before an element starts in the template; for `None`, the text after the last element."""
        ends = [0] + [other.end() for other in ELEMENT.finditer(self.template) if found is None or other.end() <= found.start()]
        return ends[-1]


def suntap(subcommand: str, jobs: list) -> list:
    command = ["cargo", "run", "-q", "-p", "suntap-cli", "--", subcommand, "--batch", "-"]
    text = "".join(json.dumps(job) + "\n" for job in jobs)
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(jobs), f"{subcommand}: {done.stderr}"
    return lines


def check_suntap_verifier(rng: random.Random, count: int, signs: bool = False) -> dict:
    jobs, wanted = [], []
    for number in range(count):
        tag = Tag(rng, signs=True) if signs else Tag(rng, rng.random() < 0.1)
        url, changed = tag.url(rng), rng.random() < 0.3
        if changed:
            at = rng.choice(tag.covered)
            others = [c for c in "0123456789ABCDEF" if c != url[at].upper()]
            url = url[:at] + rng.choice(others) + url[at + 1 :]
        jobs.append({"id": number, "url": url} | tag.job())
        wanted.append((tag, changed))
    verdicts: dict = {}
    for line, (tag, changed) in zip(suntap("verify", jobs), wanted):
        answer = json.loads(line)
        verdict = answer["verdict"]
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        if changed:
            assert verdict in ("not_authentic", "malformed"), (jobs[answer["id"]], answer)
            continue
        assert verdict == "verified", (jobs[answer["id"]], answer)
        assert answer["uid"] == (tag.uid.hex() if tag.has_uid else None), answer
        assert answer["ctr"] == (tag.ctr if tag.has_ctr else None), answer
        if "{tt}" in tag.template and not tag.ntag_22x:
            assert answer["tt"] == tag.tt and answer["tt_authenticated"] == ("[[{tt}" in tag.template), answer
        # A public key decrypts nothing.
        assert answer["file_data"] == (tag.data.hex() if tag.data and not signs else None), answer
    return verdicts


def check_suntap_emulator(rng: random.Random, count: int, signs: bool = False) -> None:
    jobs, tags = [], []
    for _ in range(count):
        tag = Tag(rng, signs=signs)
        enc = re.search(r"\{enc:(\d+)\}", tag.template)
        text = "".join(rng.choice("abcXYZ-_.~ 019") for _ in range(rng.randrange(int(enc.group(1)) // 2 + 1))) if enc else ""
        jobs.append(tag.job(emulated=True) | {"uid": tag.uid.hex(), "ctr": tag.ctr - 1, "file_data": text})
        tags.append((tag, text))
    for url, (tag, text) in zip(suntap("emulate", jobs), tags):
        tag.check(url, text)


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    count, seed = int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "suntap"
    for kind, signs in [("taps", False), ("signed taps", True)]:
        rng = random.Random(seed + kind if signs else seed)
        verdicts = check_suntap_verifier(rng, count, signs)
        check_suntap_emulator(rng, count, signs)
        assert min(verdicts.get(verdict, 0) for verdict in ("verified", "not_authentic")) > count // 10, verdicts
        print(f"{kind}: suntap verified {count} of this program with the expected results {verdicts}; this program verified {count} of suntap's emulator")
    return 0


if __name__ == "__main__":
    sys.exit(main())
