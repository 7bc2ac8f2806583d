"""Tests of the diagnosis."""

from threading import Event, Thread
from typing import Any

import pytest
import suntap

TEMPLATE = "https://shop.example/t?p={picc:uid,ctr}&c={mac}"
META, FILE, MASTER = "51" * 16, "52" * 16, "53" * 16
UID = "04A39493CC8680"


def tap(**changes: Any) -> str:
    keys = {"meta_read_key": META, "file_read_key": FILE}
    return suntap.EmulatedTag(TEMPLATE, uid=UID, **{**keys, **changes}).tap()


def codes(diagnosis: suntap.Diagnosis) -> list[str]:
    return [finding.code for finding in diagnosis.findings]


def test_a_healthy_tap_has_no_faults() -> None:
    diagnosis = suntap.diagnose(tap(), TEMPLATE, meta_read_key=META, file_read_key=FILE, uid=UID)
    assert (diagnosis.verdict, diagnosis.is_healthy, diagnosis.findings) == ("healthy", True, [])
    assert (diagnosis.template, diagnosis.scheme, diagnosis.uid, diagnosis.ctr) == (TEMPLATE, "aes", UID, 1)
    assert (diagnosis.meta_key, diagnosis.file_key) == ('the key "meta_read_key"', 'the key "file_read_key"')
    assert diagnosis.is_proven and diagnosis.is_complete and diagnosis.tried > 0


def test_only_the_url_is_needed() -> None:
    url = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3"
    diagnosis = suntap.diagnose(url)
    assert (diagnosis.verdict, codes(diagnosis)[0]) == ("explained", "new-chip")
    assert diagnosis.template == "https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}"
    assert not diagnosis.is_healthy and not diagnosis.is_proven


@pytest.mark.parametrize(
    ("url", "assumed", "code"),
    [
        (tap(), {"meta_read_key": FILE, "file_read_key": META}, "keys-swapped"),
        (tap(file_read_key=None, master_key=MASTER), {"meta_read_key": META, "master_key": MASTER}, "derived-key"),
        (
            tap(file_read_key=None, master_key=MASTER, suffix=b"my door"),
            {"meta_read_key": META, "keys": {"mine": MASTER}, "suffixes": [b"my door"]},
            "derived-key",
        ),
        (tap(), {"meta_read_key": META, "file_read_key": FILE, "scheme": "lrp"}, "mode"),
        (tap(), {"meta_read_key": META, "file_read_key": FILE, "uid": "04000000000000"}, "other-tag"),
        (tap(), {"meta_read_key": META, "file_read_key": FILE, "stored_ctr": 1}, "counter-behind"),
        (tap(), {"meta_read_key": META, "file_read_key": FILE, "second_url": tap()}, "counter-stuck"),
        (tap(), {"meta_read_key": META, "file_read_key": MASTER}, "file-key"),
    ],
)
def test_a_mistake_is_found(url: str, assumed: Any, code: str) -> None:
    diagnosis = suntap.diagnose(url, TEMPLATE, **assumed)
    assert codes(diagnosis)[0] == code
    finding = diagnosis.findings[0]
    assert finding.is_fault and str(finding) == finding.text and len(finding.text) > 20
    shown = f"{finding.text} {diagnosis.meta_key} {diagnosis.file_key} {diagnosis!r} {finding!r}"
    assert not any(key in shown for key in (META, FILE, MASTER))


def test_a_remark_is_no_fault() -> None:
    emulated = suntap.EmulatedTag(TEMPLATE, uid=UID, meta_read_key=META, file_read_key=FILE)
    first, second = emulated.tap(), emulated.tap()
    diagnosis = suntap.diagnose(first, TEMPLATE, meta_read_key=META, file_read_key=FILE, second_url=second)
    assert [(finding.code, finding.is_fault) for finding in diagnosis.findings] == [("counter-running", False)]
    assert diagnosis.is_healthy


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"template": "https://shop.example/{"}, suntap.InvalidTemplate),
        ({"file_read_key": "00"}, suntap.InvalidKey),
        ({"keys": {"mine": b"short"}}, suntap.InvalidKey),
        ({"file_read_key": FILE, "keys": {"file_read_key": META}}, suntap.InvalidArgument),
        ({"keys": {META: "name"}}, suntap.InvalidArgument),
        ({"uid": "04"}, suntap.InvalidArgument),
        ({"stored_ctr": -1}, suntap.InvalidArgument),
        ({"template": TEMPLATE, "scheme": "des"}, suntap.InvalidArgument),
        ({"keys": [META]}, TypeError),
        ({"suffixes": b"no list"}, TypeError),
    ],
)
def test_invalid_arguments_are_rejected(arguments: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        suntap.diagnose(tap(), **arguments)
    assert META not in str(caught.value)


def test_other_threads_run_during_a_search() -> None:
    """Without the release of the GIL, the other thread could not count during the search."""
    keys = {f"key {number}": bytes([number]) * 16 for number in range(1, 40)}
    started, done, ticks = Event(), Event(), 0

    def search() -> None:
        started.set()
        suntap.diagnose(tap(), TEMPLATE, meta_read_key=META, keys=keys, scheme="lrp")
        done.set()

    thread = Thread(target=search)
    thread.start()
    started.wait()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks > 10
