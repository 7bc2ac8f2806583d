"""Tests of the coroutines."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import suntap

TEMPLATE = "https://tag.example/t?e={picc:uid,ctr}&c={mac}"
KEYS: Any = {"meta_read_key": "01" * 16, "file_read_key": "02" * 16}
VERIFIER = suntap.Verifier(TEMPLATE, **KEYS)


def taps(count: int) -> list[str]:
    tag = suntap.EmulatedTag(TEMPLATE, uid="04DE5F1EACC040", **KEYS)
    return [tag.tap() for _ in range(count)]


class SlowStore:
    """An async store that gives way before and after the atomic step."""

    def __init__(self) -> None:
        self.memory = suntap.MemoryStore()
        self.times: list[int | None] = []

    async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
        await asyncio.sleep(0.001)
        self.times.append(at)
        advance = self.memory.advance(counter_id, ctr, at)
        await asyncio.sleep(0.001)
        return advance


async def code(url: str, store: suntap.AsyncStore | suntap.Store) -> str:
    try:
        return f"fresh {(await VERIFIER.admit_async(url, store, at=9)).ctr}"
    except suntap.Refused as refusal:
        return refusal.code


def test_of_many_tasks_exactly_one_is_accepted(tmp_path: Path) -> None:
    async def race(store: suntap.AsyncStore) -> None:
        for number, url in enumerate(taps(3), start=1):
            results = sorted(await asyncio.gather(*(code(url, store) for _ in range(20))))
            assert results == [f"fresh {number}"] + ["replayed"] * 19

    asyncio.run(race(SlowStore()))
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        asyncio.run(race(suntap.ThreadedStore(store)))


def test_a_store_that_blocks_is_accepted_too() -> None:
    url, store = taps(1)[0], suntap.MemoryStore()
    assert asyncio.run(code(url, store)) == "fresh 1"
    assert asyncio.run(code(url, store)) == "replayed"


def test_the_mark_has_the_time() -> None:
    store = SlowStore()
    fresh = asyncio.run(VERIFIER.admit_async(taps(1)[0], store, at=12345))
    assert fresh.mark == suntap.Mark(1, 12345, 1) and store.times == [12345]


def test_a_verified_tap_is_committed() -> None:
    async def commit() -> None:
        store, tap = SlowStore(), VERIFIER.verify(taps(1)[0])
        assert (await tap.commit_async(store)).uid == tap.uid
        with pytest.raises(suntap.Replayed):
            await tap.commit_async(store)

    asyncio.run(commit())


def test_a_forged_tap_does_not_reach_the_store() -> None:
    store = SlowStore()
    assert asyncio.run(code(taps(1)[0][:-1] + "Z", store)) == "malformed"
    assert asyncio.run(code(taps(1)[0][:-16] + "0" * 16, store)) == "not_authentic"
    assert store.times == []


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
        await asyncio.sleep(0)
        raise self.error


@pytest.mark.parametrize("error", [OSError("disk full"), TimeoutError(), suntap.NotAuthentic("odd")])
def test_an_error_of_the_store_is_the_cause(error: Exception) -> None:
    with pytest.raises(suntap.StoreFailed) as caught:
        asyncio.run(VERIFIER.admit_async(taps(1)[0], Failing(error)))
    assert caught.value.__cause__ is error


def test_an_answer_of_another_type_refuses_the_tap() -> None:
    class Wrong:
        async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Any:
            return True

    with pytest.raises(suntap.StoreFailed) as caught:
        asyncio.run(VERIFIER.admit_async(taps(1)[0], Wrong()))
    assert isinstance(caught.value.__cause__, TypeError)


def test_admit_rejects_an_async_store() -> None:
    store: Any = SlowStore()
    with pytest.raises(suntap.StoreFailed) as caught:
        VERIFIER.admit(taps(1)[0], store)
    assert "use admit_async" in str(caught.value.__cause__)
    assert store.times == []


def test_a_cancelled_tap_is_not_accepted() -> None:
    class Endless:
        async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
            await asyncio.Event().wait()
            raise AssertionError

    async def cancel() -> None:
        task = asyncio.create_task(VERIFIER.admit_async(taps(1)[0], Endless()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
