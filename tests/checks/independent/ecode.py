#!/usr/bin/env python3
"""An independent implementation of suntap's eCode scheme, written from its documentation, with the Python package `cryptography`.

    ecode.py --check    recompute every entry of tests/vectors/ecode.json and compare
    ecode.py --make     generate that file
"""

import base64
import json
import pathlib
import random
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

FILE = pathlib.Path(__file__).parent.parent.parent / "vectors" / "ecode.json"


def kdf(key: bytes, label: bytes, context: bytes, bits: int) -> bytes:
    """NIST SP 800-108, counter mode, PRF CMAC-AES-128."""
    out = b""
    for i in range(1, bits // 128 + 1):
        prf = CMAC(AES(key))
        prf.update(i.to_bytes(4, "big") + label + b"\x00" + context + bits.to_bytes(4, "big"))
        out += prf.finalize()
    return out


def siv(key: bytes, tag_id: int, epoch: int) -> AESSIV:
    context = tag_id.to_bytes(8, "big") + epoch.to_bytes(4, "big")
    return AESSIV(kdf(key, b"suntap ecode v1", context, 256))


def entry(secret: bytes, ecode: bytes, tag_id: int, uid: bytes, epoch: int, meta: bytes, file: bytes) -> dict:
    data = b"\x01" + tag_id.to_bytes(8, "big") + uid + epoch.to_bytes(4, "big")
    inner = siv(ecode, tag_id, epoch).encrypt(meta + file, [data])
    outer = siv(secret, tag_id, epoch).encrypt(inner, [data])

    def derived(purpose: int) -> str:
        context = bytes([purpose]) + ecode + uid + epoch.to_bytes(4, "big")
        return kdf(secret, b"suntap ecode derive v1", context, 128).hex()

    return {
        "secret": secret.hex(),
        "ecode": ecode.hex(),
        "text": base64.b32encode(ecode).decode().rstrip("=").lower(),
        "tag_id": tag_id,
        "uid": uid.hex(),
        "epoch": epoch,
        "meta_key": meta.hex(),
        "file_key": file.hex(),
        "sealed": outer.hex(),
        "derived_meta_key": derived(1),
        "derived_file_key": derived(2),
    }


def again(old: dict) -> dict:
    """Recomputes an entry from its inputs."""
    b = {name: bytes.fromhex(old[name]) for name in ("secret", "ecode", "uid", "meta_key", "file_key", "sealed")}
    data = b"\x01" + old["tag_id"].to_bytes(8, "big") + b["uid"] + old["epoch"].to_bytes(4, "big")
    inner = siv(b["secret"], old["tag_id"], old["epoch"]).decrypt(b["sealed"], [data])
    keys = siv(b["ecode"], old["tag_id"], old["epoch"]).decrypt(inner, [data])
    assert keys == b["meta_key"] + b["file_key"]
    return entry(b["secret"], b["ecode"], old["tag_id"], b["uid"], old["epoch"], b["meta_key"], b["file_key"])


def make() -> list:
    rng = random.Random("suntap ecode v1")
    entries = [entry(bytes(16), bytes(16), 0, bytes(7), 0, bytes(16), bytes(16))]
    for tag_id, epoch in [(1, 0), (2**32, 1), (2**53 - 1, 2**32 - 1)] + [(rng.getrandbits(48), rng.randrange(3)) for _ in range(12)]:
        r = rng.randbytes
        entries.append(entry(r(16), r(16), tag_id, b"\x04" + r(6), epoch, r(16), r(16)))
    return entries


def main() -> int:
    if sys.argv[1:] == ["--make"]:
        # `source` is the path that this program had when the file was generated. It stays, so that the file does not change.
        FILE.write_text(json.dumps({"source": "tests/independent/ecode.py", "ecode": make()}, indent=1) + "\n")
        return 0
    if sys.argv[1:] != ["--check"]:
        print(__doc__, file=sys.stderr)
        return 2
    entries = json.loads(FILE.read_text())["ecode"]
    try:
        wrong = [old["text"] for old in entries if again(old) != old]
    except (InvalidTag, AssertionError) as error:
        wrong = [repr(error)]
    print(f"ecode: {len(entries)} entries, {len(wrong)} wrong {wrong or ''}")
    return 1 if wrong or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
