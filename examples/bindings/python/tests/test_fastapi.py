"""Tests of the web service in examples/, through its test client."""

import importlib.util
import logging
from pathlib import Path
from types import ModuleType

import pytest
import suntap
from fastapi.testclient import TestClient


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "fastapi_app", Path(__file__).parents[1] / "examples" / "fastapi_app.py"
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


example = load()


def tag() -> suntap.EmulatedTag:
    emulated: suntap.EmulatedTag = example.demo_tag()
    return emulated


def path(url: str) -> str:
    return url.removeprefix("http://127.0.0.1:8000")


def service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setenv("SUNTAP_TEMPLATE", example.DEMO_TEMPLATE)
    monkeypatch.setenv("SUNTAP_META_READ_KEY", example.DEMO_META_READ_KEY)
    monkeypatch.setenv("SUNTAP_MASTER_KEY", example.DEMO_MASTER_KEY)
    monkeypatch.setenv("SUNTAP_DATABASE", str(folder / "counters.sqlite"))
    return TestClient(example.from_environment())


def test_a_tap_is_accepted_once_also_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, emulated = service(tmp_path, monkeypatch), tag()
    first, second = path(emulated.tap()), path(emulated.tap())
    accepted = client.post(first)
    assert (accepted.status_code, accepted.headers["cache-control"]) == (200, "no-store")
    assert "Genuine tag 04DE5F1EACC040, accepted taps: 1." in accepted.text
    assert client.post(first).status_code == 403
    assert "accepted taps: 2." in client.post(second).text
    assert service(tmp_path, monkeypatch).post(second).status_code == 403


def test_every_refusal_looks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, url = service(tmp_path, monkeypatch), path(tag().tap())
    assert client.post(url).status_code == 200
    with caplog.at_level(logging.WARNING, logger="taps"):
        replayed = client.post(url)
        answers = [
            client.post(forged)
            for forged in (url[:-16] + "0" * 16, "/t", "/t?e=1", url + "&utm=1", url.replace("/t", "/%74"))
        ]
    assert replayed.status_code == 403 and replayed.text == example.REFUSAL
    for answer in answers:
        headers = (dict(answer.headers), dict(replayed.headers))
        assert (answer.status_code, answer.text, headers[0]) == (403, replayed.text, headers[1])
    codes = [record.getMessage().split(": ")[1] for record in caplog.records]
    assert codes == ["replayed", "not_authentic", "malformed", "malformed", "malformed", "malformed"]
    assert not any(key in caplog.text for key in (example.DEMO_META_READ_KEY, example.DEMO_MASTER_KEY))


def test_get_and_head_do_not_spend_a_tap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client, url = service(tmp_path, monkeypatch), path(tag().tap())
    assert client.get(url, headers={"Sec-Purpose": "prefetch"}).text == example.ASK
    client.head(url)
    assert client.post(url).status_code == 200


def test_a_store_that_fails_is_a_refusal() -> None:
    class Failing:
        async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
            raise OSError("disk full")

    verifier = suntap.Verifier(
        example.DEMO_TEMPLATE, meta_read_key=example.DEMO_META_READ_KEY, master_key=example.DEMO_MASTER_KEY
    )
    answer = TestClient(example.create_app(verifier, Failing())).post(path(tag().tap()))
    assert (answer.status_code, answer.text) == (403, example.REFUSAL)


def test_the_demo_prints_taps_that_work(capsys: pytest.CaptureFixture[str]) -> None:
    client = TestClient(example.demo())
    urls = capsys.readouterr().out.split("\n")[1:3]
    assert [client.post(path(url)).status_code for url in urls + urls] == [200, 200, 403, 403]
