"""Runs all cases that the bindings share."""

from importlib.metadata import version
from typing import Any

import pytest
import suntap


def verifier(given: dict[str, Any]) -> suntap.Verifier:
    derived: Any = {} if given["suffix"] is None else {"suffix": bytes.fromhex(given["suffix"])}
    return suntap.Verifier(
        given["template"],
        scheme=given["scheme"],
        meta_read_key=given["metaReadKey"],
        file_read_key=given["fileReadKey"],
        master_key=given["masterKey"],
        **derived,
    )


def test_version_and_codes_come_from_the_shared_crate(cases: dict[str, Any]) -> None:
    assert suntap.__version__ == version("suntap") == cases["version"]
    classes = {
        kind for kind in vars(suntap).values() if isinstance(kind, type) and issubclass(kind, suntap.SuntapError)
    }
    coded = {kind.code: [kind.number, kind.text] for kind in classes - {suntap.SuntapError, suntap.Refused}}
    assert coded == {code: value for code, value in cases["codes"].items() if code != "fresh"}


def test_case_of_invalid_settings(invalid_settings: dict[str, Any]) -> None:
    with pytest.raises(suntap.SuntapError) as caught:
        verifier(invalid_settings)
    assert caught.value.code == invalid_settings["code"]
    assert isinstance(caught.value, ValueError)
    assert "0000" not in f"{caught.value} {caught.value!r}"


def test_case_of_a_tap(tap_case: dict[str, Any]) -> None:
    engine, store = verifier(tap_case), suntap.MemoryStore()
    if tap_case["code"] == "fresh":
        fresh = engine.admit(tap_case["url"], store)
        assert (fresh.uid, fresh.ctr, fresh.seal) == (tap_case["uid"], tap_case["ctr"], tap_case["seal"])
        with pytest.raises(suntap.Replayed) as replay:
            engine.admit(tap_case["url"], store)
        assert (replay.value.ctr, replay.value.stored) == (tap_case["ctr"], fresh.mark)
        return
    with pytest.raises(suntap.Refused) as refusal:
        engine.admit(tap_case["url"], store)
    assert refusal.value.code == tap_case["code"]
    with pytest.raises(suntap.Refused) as refusal:
        engine.verify(tap_case["url"])
    assert refusal.value.code == tap_case["code"]
    assert repr(store) == "MemoryStore(0 tags)"
