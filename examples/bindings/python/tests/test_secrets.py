"""Searches the memory of the process for keys."""

import subprocess
import sys

import pytest

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
