"""Tests of the verifier, its taps and its exceptions."""

import gc
import pickle
from threading import Thread
from types import MappingProxyType
from typing import Any

import pytest
import suntap

TEMPLATE = "https://tag.example/t?e={picc:uid,ctr}&c={mac}"
META, FILE, MASTER = "0123456789ABCDEF0123456789ABCDEF", "00112233445566778899AABBCCDDEEFF", "A0" * 16
KEYS: Any = {"meta_read_key": META, "file_read_key": FILE}
UID = "04DE5F1EACC040"


def tag(**changes: Any) -> suntap.EmulatedTag:
    return suntap.EmulatedTag(TEMPLATE, **{"uid": UID, **KEYS, **changes})


def test_a_tap_is_accepted_once() -> None:
    verifier, store, emulated = suntap.Verifier(TEMPLATE, **KEYS), suntap.MemoryStore(), tag()
    first, second = emulated.tap(), emulated.tap()
    fresh = verifier.admit(first, store, at=1_763_802_000_123)
    assert (fresh.uid, fresh.ctr, fresh.seal, fresh.captured, fresh.file_data) == (UID, 1, None, {}, None)
    assert (fresh.previous, fresh.mark) == (None, suntap.Mark(ctr=1, at=1_763_802_000_123, taps=1))
    later = verifier.admit(second, store)
    assert (later.previous, later.mark) == (fresh.mark, suntap.Mark(ctr=2, at=None, taps=2))
    assert later.counter_id == fresh.counter_id and len(fresh.counter_id) == 16
    with pytest.raises(suntap.Replayed) as older:
        verifier.admit(first, store)
    assert (older.value.ctr, older.value.stored) == (1, later.mark)
    assert str(older.value) == "replayed tap: its counter is 1, and counter 2 was already accepted"


def test_verify_does_not_advance_and_commit_does() -> None:
    verifier, store, url = suntap.Verifier(TEMPLATE, **KEYS), suntap.MemoryStore(), tag().tap()
    tap = verifier.verify(url)
    assert (tap.uid, tap.ctr) == (UID, 1)
    assert verifier.verify(url).counter_id == tap.counter_id
    assert tap.commit(store, at=5).mark == suntap.Mark(ctr=1, at=5, taps=1)
    with pytest.raises(suntap.Replayed):
        tap.commit(store)
    with pytest.raises(suntap.Replayed):
        verifier.admit(url, store)


def test_a_tap_outlives_its_verifier() -> None:
    tap = suntap.Verifier(TEMPLATE, **KEYS).verify(tag().tap())
    gc.collect()
    assert tap.commit(suntap.MemoryStore()).uid == UID


@pytest.mark.parametrize("key", [FILE, FILE.lower(), bytes.fromhex(FILE), bytearray.fromhex(FILE)])
def test_a_key_is_digits_or_bytes(key: str | bytes | bytearray) -> None:
    verifier = suntap.Verifier(TEMPLATE, meta_read_key=META, file_read_key=key)
    assert verifier.admit(tag().tap(), suntap.MemoryStore()).uid == UID


@pytest.mark.parametrize(
    "key", ["", "0" * 31, "g" * 32, "0" * 31 + "\udc80", "０" * 32, b"", bytes(15), bytes(17), bytearray(3)]
)
def test_invalid_keys_are_rejected(key: Any) -> None:
    for name in ("meta_read_key", "file_read_key"):
        with pytest.raises(suntap.InvalidKey, match=f"^{name}: ") as caught:
            suntap.Verifier(TEMPLATE, **{**KEYS, name: key})
        assert caught.value.__cause__ is None and caught.value.__context__ is None
    with pytest.raises(suntap.InvalidKey, match="^master_key: "):
        suntap.Verifier(TEMPLATE, meta_read_key=META, master_key=key)


def test_derived_keys_depend_on_suffix_and_epoch() -> None:
    def verifier(**changes: Any) -> suntap.Verifier:
        return suntap.Verifier(
            TEMPLATE, meta_read_key=META, **{"master_key": MASTER, "suffix": b"door", "epoch": 2, **changes}
        )

    url = suntap.EmulatedTag(TEMPLATE, uid=UID, meta_read_key=META, master_key=MASTER, suffix=b"door", epoch=2).tap()
    assert verifier().admit(url, suntap.MemoryStore()).uid == UID
    for changes in ({"suffix": b"gate"}, {"epoch": 1}, {"master_key": FILE}, {"suffix": b""}):
        with pytest.raises(suntap.NotAuthentic):
            verifier(**changes).admit(url, suntap.MemoryStore())


@pytest.mark.parametrize(
    "arguments",
    [
        {"meta_read_key": META},
        {**KEYS, "master_key": MASTER},
        {**KEYS, "suffix": b"door"},
        {**KEYS, "epoch": 1},
        {"meta_read_key": META, "master_key": MASTER, "epoch": -1},
        {"meta_read_key": META, "master_key": MASTER, "epoch": 2**32},
        {**KEYS, "scheme": "des"},
    ],
)
def test_invalid_arguments_are_rejected(arguments: Any) -> None:
    with pytest.raises(suntap.InvalidArgument):
        suntap.Verifier(TEMPLATE, **arguments)
    with pytest.raises(suntap.InvalidArgument):
        suntap.EmulatedTag(TEMPLATE, uid=UID, **arguments)


def test_wrong_types_raise_type_errors() -> None:
    make: Any = suntap.Verifier
    for arguments in (
        {"file_read_key": 5},
        {"file_read_key": FILE, "meta_read_key": [0] * 16},
        {"master_key": MASTER, "suffix": "x"},
    ):
        with pytest.raises(TypeError):
            make(TEMPLATE, **arguments)
    admit: Any = suntap.Verifier(TEMPLATE, **KEYS).admit
    for url in (None, 5, b"https://tag.example"):
        with pytest.raises(TypeError):
            admit(url, suntap.MemoryStore())


@pytest.mark.parametrize("at", [-1, 2**64, -(2**70)])
def test_an_invalid_time_is_rejected_before_the_store_is_called(at: int) -> None:
    verifier, store, url = suntap.Verifier(TEMPLATE, **KEYS), suntap.MemoryStore(), tag().tap()
    with pytest.raises(suntap.InvalidArgument):
        verifier.admit(url, store, at)
    with pytest.raises(suntap.InvalidArgument):
        _ = verifier.admit_async(url, store, at)
    assert verifier.admit(url, store).ctr == 1


@pytest.mark.parametrize(
    "url", ["", "x", "https://tag.example/t", "https://tag.example/t?e=\udcff&c=\udcff", "/t?e=é", "\0" * 300]
)
def test_unusual_text_is_malformed(url: str) -> None:
    with pytest.raises(suntap.Malformed):
        suntap.Verifier(TEMPLATE, **KEYS).admit(url, suntap.MemoryStore())


def test_path_and_query_are_accepted() -> None:
    verifier, store, url = suntap.Verifier(TEMPLATE, **KEYS), suntap.MemoryStore(), tag().tap()
    assert verifier.admit(url.removeprefix("https://tag.example"), store).uid == UID
    with pytest.raises(suntap.Replayed):
        verifier.admit(url, store)


def test_every_changed_character_is_refused() -> None:
    verifier, url = suntap.Verifier(TEMPLATE, **KEYS), tag().tap()
    for place, old in enumerate(url):
        changed = url[:place] + ("1" if old == "0" else "0") + url[place + 1 :]
        with pytest.raises((suntap.Malformed, suntap.NotAuthentic)):
            verifier.admit(changed, suntap.MemoryStore())


def test_captures_file_data_and_seal() -> None:
    template = "https://tag.example/{:code}?e=[[{picc:uid,ctr}&d={enc:32,tt@14}&c={mac}"
    captured = MappingProxyType({"code": "shop-7"})
    emulated = suntap.EmulatedTag(template, uid=UID, file_data="hello", captured=captured, **KEYS)
    verifier, store = suntap.Verifier(template, **KEYS), suntap.MemoryStore()
    fresh = verifier.admit(emulated.tap(), store)
    assert (fresh.captured, fresh.file_data, fresh.seal) == ({"code": "shop-7"}, b"hello000000000CC", "closed")
    emulated.open_seal()
    assert verifier.verify(emulated.tap()).seal == "open"
    emulated.close_seal()
    assert verifier.admit(emulated.tap(), store).seal == "openedBefore"


@pytest.mark.parametrize("scheme", ["aes", "lrp"])
def test_one_verifier_serves_many_threads(scheme: Any) -> None:
    template = "https://tag.example/t?e={picc}&c={mac}"
    verifier, store = suntap.Verifier(template, scheme=scheme, **KEYS), suntap.MemoryStore()
    emulated = suntap.EmulatedTag(template, uid=UID, scheme=scheme, **KEYS)
    urls = [emulated.tap() for _ in range(50)]
    accepted: list[int] = []

    def admit_all() -> None:
        for url in urls:
            try:
                accepted.append(verifier.admit(url, store).ctr)
            except suntap.Replayed:
                pass

    threads = [Thread(target=admit_all) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == len(set(accepted)) and max(accepted) == 50


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
        raise self.error


def test_an_error_of_the_store_is_the_cause() -> None:
    error = OSError("disk full")
    with pytest.raises(suntap.StoreFailed, match="^the counter store failed$") as caught:
        suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), Failing(error))
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_an_interrupt_in_the_store_is_not_hidden(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), Failing(error))
    assert caught.value is error


MARK = suntap.Mark(1, None, 1)


class Answering:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Any:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        MARK,
        (None, MARK),
        suntap.Advanced(None, None),  # type: ignore[arg-type]
        suntap.Advanced(MARK, suntap.Mark(2**24, None, 1)),
        suntap.Advanced(None, suntap.Mark(-1, None, 1)),
        suntap.Advanced(None, suntap.Mark(1, -1, 1)),
        suntap.Advanced(None, suntap.Mark(1, None, 2**32)),
        suntap.Advanced(None, suntap.Mark(2, None, 1)),
        suntap.Stale(suntap.Mark(0, None, 1)),
        suntap.Stale(None),  # type: ignore[arg-type]
        suntap.Stale("1"),  # type: ignore[arg-type]
    ],
)
def test_an_invalid_answer_of_the_store_refuses_the_tap(answer: object) -> None:
    with pytest.raises(suntap.StoreFailed) as caught:
        suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), Answering(answer))
    assert isinstance(caught.value.__cause__, (TypeError, ValueError, OverflowError, AttributeError))


def test_an_advance_over_a_greater_counter_is_a_replay() -> None:
    previous = suntap.Mark(7, 5, 3)
    with pytest.raises(suntap.Replayed) as caught:
        suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), Answering(suntap.Advanced(previous, MARK)))
    assert (caught.value.ctr, caught.value.stored) == (1, previous)


def test_a_store_without_advance_refuses_the_tap() -> None:
    store: Any = object()
    with pytest.raises(suntap.StoreFailed) as caught:
        suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), store)
    assert isinstance(caught.value.__cause__, AttributeError)


def test_no_representation_shows_a_key_or_a_tap() -> None:
    verifier, emulated, store = suntap.Verifier(TEMPLATE, **KEYS), tag(), suntap.MemoryStore()
    url = emulated.tap()
    verified, fresh = verifier.verify(url), verifier.admit(url, store)
    with pytest.raises(suntap.Replayed) as replay:
        verifier.admit(url, store)
    diagnosis = suntap.diagnose(url, TEMPLATE, **KEYS)
    shown = " ".join(map(repr, (verifier, emulated, verified, fresh, replay.value, diagnosis, diagnosis.findings)))
    assert "Verifier('https://tag.example/t?e={picc:uid,ctr}&c={mac}', scheme='aes')" in shown
    assert f"VerifiedTap(uid='{UID}', ctr=1)" in shown and f"FreshTap(uid='{UID}', ctr=1)" in shown
    for secret in (META, FILE, url[-16:], str(bytes.fromhex(META))):
        assert secret.lower() not in shown.lower()


def test_verdicts_cannot_be_created_or_changed() -> None:
    kinds: tuple[Any, ...] = (suntap.FreshTap, suntap.VerifiedTap)
    for kind in kinds:
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            type("Other", (kind,), {})
    fresh: Any = suntap.Verifier(TEMPLATE, **KEYS).admit(tag().tap(), suntap.MemoryStore())
    with pytest.raises(AttributeError):
        fresh.uid = "04000000000000"
    with pytest.raises(TypeError):
        pickle.dumps(fresh)


def test_exceptions_can_be_pickled() -> None:
    errors = [suntap.Replayed("copy", 3, MARK), suntap.NotAuthentic("tap is not authentic"), suntap.StoreFailed()]
    for error in errors:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert str(suntap.StoreFailed()) == suntap.StoreFailed.text


def test_the_emulated_tag_stops_at_its_last_counter() -> None:
    emulated = tag(ctr=0xFFFFFE)
    assert suntap.Verifier(TEMPLATE, **KEYS).admit(emulated.tap(), suntap.MemoryStore()).ctr == emulated.ctr == 0xFFFFFF
    with pytest.raises(RuntimeError, match="limit"):
        emulated.tap()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"uid": "04"}, suntap.InvalidArgument),
        ({"ctr": 2**24}, suntap.InvalidArgument),
        ({"meta_read_key": None}, suntap.InvalidSettings),
        ({"file_data": "no place"}, suntap.InvalidSettings),
        ({"captured": {"code": "x"}}, suntap.InvalidSettings),
        ({"scheme": "suncmac"}, suntap.SuntapError),
    ],
)
def test_invalid_emulated_tags_are_rejected(changes: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        tag(**changes)
