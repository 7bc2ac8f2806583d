"""Searches the memory of the process, and all texts, for keys."""

import base64
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
import suntap

# The keys are known only in a masked form, so that the search itself makes no copy of them.
SCAN = """
import gc, os, sys, suntap

MASK = bytes(byte ^ 0x5A for byte in range(256))
masked = [os.urandom(16) for _ in range(3)]


def found():
    counts = [0] * len(masked)
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for area in list(maps):
            fields = area.split()
            # A temporary copy stays on the stack until other calls overwrite it.
            if "w" not in fields[1] or fields[-1] == "[stack]":
                continue
            start, end = (int(address, 16) for address in fields[0].split("-"))
            for offset in range(start, end, 65536):
                memory.seek(offset)
                block = bytearray(memory.read(min(65536 + 15, end - offset)))
                hidden = block.translate(MASK)
                block[:] = bytes(len(block))
                for number, key in enumerate(masked):
                    counts[number] += hidden.count(key)
    return counts


template, scheme = "https://tag.example/t?e={picc}&c={mac}", sys.argv[1]
meta, file, master = (bytearray(key).translate(MASK) for key in masked)
made = [
    suntap.Verifier(template, meta_read_key=meta, file_read_key=file, scheme=scheme),
    suntap.Verifier(template, meta_read_key=meta, master_key=master, scheme=scheme),
    suntap.EmulatedTag(template, uid="04DE5F1EACC040", meta_read_key=meta, file_read_key=file, scheme=scheme),
]
url = made[2].tap()
made[0].admit(url, suntap.MemoryStore())
suntap.diagnose(url, meta_read_key=meta, file_read_key=file, master_key=master, keys={"other": file}, scheme=scheme)
try:
    suntap.Verifier(template, meta_read_key=meta, file_read_key=file, scheme="des")
except suntap.InvalidArgument:
    pass
for key in (meta, file, master):
    key[:] = bytes(16)
print(all(found()))
made.clear()
gc.collect()
print(found())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory through /proc")
@pytest.mark.parametrize("scheme", ["aes", "lrp"])
def test_a_freed_verifier_leaves_no_key_on_the_heap(scheme: str) -> None:
    scan = subprocess.run([sys.executable, "-c", SCAN, scheme], capture_output=True, text=True, check=False)
    assert (scan.stdout, scan.stderr) == ("True\n[0, 0, 0]\n", "")


META, FILE = bytes(range(0x91, 0xA1)), bytes(range(0xB1, 0xC1))
TEMPLATE = "https://tag.example/t?e={picc}&c={mac}"
KEYS: dict[str, Any] = {"meta_read_key": META, "file_read_key": FILE}
UID = "04DE5F1EACC040"


def assert_hidden(text: str) -> None:
    """Fails if the text has six consecutive bytes of a key, in any form."""
    text = text.lower()
    for key in (META, FILE):
        for start in range(len(key) - 5):
            run = key[start : start + 6]
            forms = [
                run.hex(),
                run.hex(" "),
                run.hex(":"),
                str(list(run)),
                repr(run)[2:-1],
                base64.b64encode(run).decode(),
            ]
            for form in forms:
                assert form.strip("[]").lower() not in text, f"{form} in {text}"


def shown(error: BaseException) -> str:
    return "".join([str(error), repr(error), repr(error.args), *traceback.format_exception_only(error)])


@pytest.mark.parametrize(
    "wrong", [FILE.hex(), FILE.hex().upper(), FILE.hex()[1:], FILE.hex() + "0", FILE.hex(":"), FILE[1:]]
)
def test_no_error_shows_a_key(wrong: Any) -> None:
    text = wrong if isinstance(wrong, str) else wrong.hex()
    calls: list[Callable[[], object]] = [
        lambda: suntap.Verifier(text, **KEYS),
        lambda: suntap.Verifier("https://tag.example/{" + text + "}", **KEYS),
        lambda: suntap.Verifier(TEMPLATE + "&k={:" + text + "}{:" + text + "}", **KEYS),
        lambda: suntap.Verifier(TEMPLATE, scheme=text, **KEYS),  # type: ignore[arg-type]
        lambda: suntap.Verifier(TEMPLATE, meta_read_key=wrong[2:], file_read_key=FILE),
        lambda: suntap.Verifier(TEMPLATE, meta_read_key=META, master_key=FILE, suffix=META + FILE),
        lambda: suntap.Verifier(TEMPLATE, meta_read_key=[*FILE], file_read_key=FILE),  # type: ignore[arg-type]
        lambda: suntap.EmulatedTag(TEMPLATE, uid=text, **KEYS),
        lambda: suntap.EmulatedTag(text, uid=UID, **KEYS),
        lambda: suntap.diagnose("https://tag.example/", text),
        lambda: suntap.diagnose("https://tag.example/", uid=text),
        lambda: suntap.diagnose("https://tag.example/", keys={text: FILE[1:]}),
        lambda: suntap.Verifier(TEMPLATE, **KEYS).admit(text, suntap.MemoryStore()),
        lambda: suntap.Verifier(TEMPLATE, **KEYS).verify("https://tag.example/t?e=" + text + "&c=00"),
    ]
    for call in calls:
        with pytest.raises(Exception) as raised:  # noqa: PT011
            call()
        assert_hidden(shown(raised.value))


def test_no_object_shows_a_key() -> None:
    tag, verifier, store = (
        suntap.EmulatedTag(TEMPLATE, uid=UID, **KEYS),
        suntap.Verifier(TEMPLATE, **KEYS),
        suntap.MemoryStore(),
    )
    url = tag.tap()
    things: list[Any] = [tag, verifier, store, verifier.admit(url, store), verifier.verify(url)]
    planted: list[dict[str, Any]] = [
        KEYS,
        {"keys": {"one": META, "other": FILE}},
        {"meta_read_key": FILE, "file_read_key": META},
    ]
    for keys in planted:
        diagnosis = suntap.diagnose(url, TEMPLATE, **keys)
        things += [diagnosis, *diagnosis.findings, diagnosis.meta_key, diagnosis.file_key]
        things += [getattr(finding, name) for finding in diagnosis.findings for name in dir(finding) if name[0] != "_"]
    for thing in things:
        assert_hidden(f"{thing} {thing!r} {getattr(thing, '__dict__', '')}")
    for refused in (url, url[:-1] + ("1" if url[-1] == "0" else "0")):
        with pytest.raises(suntap.SuntapError) as raised:
            verifier.admit(refused, store)
        assert_hidden(shown(raised.value))
