"""Tests of the counter stores: the checks of the Rust library, races, restarts and failures."""

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import suntap
from suntap.testing import check_store

TEMPLATE = "https://tag.example/t?e={picc:uid,ctr}&c={mac}"
KEYS: Any = {"meta_read_key": "01" * 16, "file_read_key": "02" * 16}


def admitted(url: str, store: suntap.Store) -> str:
    try:
        return f"fresh {suntap.Verifier(TEMPLATE, **KEYS).admit(url, store).ctr}"
    except suntap.Refused as refusal:
        return refusal.code


def taps(count: int) -> list[str]:
    tag = suntap.EmulatedTag(TEMPLATE, uid="04DE5F1EACC040", **KEYS)
    return [tag.tap() for _ in range(count)]


def test_stores_keep_the_contract(tmp_path: Path) -> None:
    check_store(suntap.MemoryStore(), rounds=100)
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        check_store(store)
        check_store(store, run=1, threads=3, rounds=3)


class Broken:
    """Stores that each break one rule."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.marks: dict[bytes, suntap.Mark] = {}

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> suntap.Advance:
        if self.rule == "ignores the last byte":
            counter_id = counter_id[:-1]
        stored = self.marks.get(counter_id)
        if self.rule == "accepts equal counters" and stored and stored.ctr == ctr:
            return suntap.Advanced(None, stored)
        advance = suntap.decide(stored, ctr, None if self.rule == "loses the time" else at)
        if isinstance(advance, suntap.Advanced):
            self.marks[counter_id] = advance.now
        if self.rule == "fails":
            raise OSError("disk full")
        return advance


@pytest.mark.parametrize(
    "rule",
    ["ignores the last byte", "has no lock", "accepts equal counters", "loses the time", "fails"],
)
def test_broken_stores_are_detected(rule: str) -> None:
    with pytest.raises(AssertionError):
        check_store(Broken(rule), rounds=1000)


def test_decide_compares_and_counts() -> None:
    assert suntap.decide(None, 0, None) == suntap.Advanced(None, suntap.Mark(0, None, 1))
    stored = suntap.Mark(8, 5, 2**32 - 1)
    assert suntap.decide(stored, 9, 6) == suntap.Advanced(stored, suntap.Mark(9, 6, 2**32 - 1))
    for ctr in (0, 7, 8):
        assert suntap.decide(stored, ctr, 6) == suntap.Stale(stored)
    for ctr in (-1, 2**24):
        with pytest.raises(suntap.InvalidArgument):
            suntap.decide(None, ctr, None)


def test_counters_survive_a_restart(tmp_path: Path) -> None:
    first, second = taps(2)
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        assert admitted(second, store) == "fresh 2"
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        assert admitted(second, store) == admitted(first, store) == "replayed"


def test_a_killed_process_loses_no_counter(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    script = "import os, suntap, sys; print(suntap.SqliteStore(sys.argv[1]).advance(bytes(16), 7, None), flush=True)"
    script += "; os._exit(9)"
    killed = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert (killed.returncode, killed.stderr) == (9, "") and killed.stdout.startswith("Advanced(")
    with suntap.SqliteStore(path) as store:
        assert store.advance(bytes(16), 7, None) == suntap.Stale(suntap.Mark(7, None, 1))


def test_the_database_syncs_each_commit(tmp_path: Path) -> None:
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        connection = store._connection
        assert connection is not None
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_database_in_memory_is_rejected(path: str) -> None:
    with pytest.raises(suntap.InvalidArgument):
        suntap.SqliteStore(path)


def test_a_path_that_cannot_be_opened_raises_the_error_of_sqlite(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        suntap.SqliteStore(tmp_path / "missing" / "counters.sqlite")
    (tmp_path / "text").write_text("this is not a database, but it is as long as the header of one" * 20)
    with pytest.raises(sqlite3.DatabaseError):
        suntap.SqliteStore(tmp_path / "text")


def test_a_closed_store_refuses(tmp_path: Path) -> None:
    store = suntap.SqliteStore(tmp_path / "counters.sqlite")
    store.close()
    store.close()
    assert admitted(taps(1)[0], store) == "store_failed"


def test_a_locked_or_damaged_database_refuses_and_recovers(tmp_path: Path) -> None:
    path, url = tmp_path / "counters.sqlite", taps(1)[0]
    with suntap.SqliteStore(path, timeout=0.01) as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert admitted(url, store) == "store_failed"
        other.execute("ROLLBACK")
        other.execute("CREATE TRIGGER full BEFORE INSERT ON suntap_counters BEGIN SELECT RAISE(FAIL, 'disk full'); END")
        assert admitted(url, store) == "store_failed"
        other.execute("DROP TRIGGER full")
        # The counter does not advance if the database ignores the write.
        other.execute("CREATE TRIGGER lost BEFORE INSERT ON suntap_counters BEGIN SELECT RAISE(IGNORE); END")
        assert admitted(url, store) == "store_failed"
        other.execute("DROP TRIGGER lost")
        other.execute(
            "INSERT INTO suntap_counters VALUES (?, -5, NULL, 1)",
            (suntap.Verifier(TEMPLATE, **KEYS).verify(url).counter_id,),
        )
        assert admitted(url, store) == "store_failed"
        other.execute("DELETE FROM suntap_counters")
        other.close()
        assert admitted(url, store) == "fresh 1"


def test_a_time_that_sqlite_cannot_hold_refuses(tmp_path: Path) -> None:
    with suntap.SqliteStore(tmp_path / "counters.sqlite") as store:
        with pytest.raises(suntap.StoreFailed) as caught:
            suntap.Verifier(TEMPLATE, **KEYS).admit(taps(1)[0], store, at=2**63)
        assert isinstance(caught.value.__cause__, OverflowError)
        assert admitted(taps(1)[0], store) == "fresh 1"


@pytest.mark.parametrize("shared", [True, False])
def test_of_many_threads_exactly_one_is_accepted(tmp_path: Path, shared: bool) -> None:
    """The threads share one store, or each has its own store on the same file."""
    threads, path = 8, tmp_path / "counters.sqlite"
    stores = [suntap.SqliteStore(path)] * threads if shared else [suntap.SqliteStore(path) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        for url in taps(20):
            start = Barrier(threads)

            def race(store: suntap.Store, url: str = url, start: Barrier = start) -> str:
                start.wait()
                return admitted(url, store)

            results = sorted(pool.map(race, stores))
            assert results[0].startswith("fresh ") and results[1:] == ["replayed"] * (threads - 1)
    for store in stores:
        store.close()


RACE = """
import sys, suntap
store = suntap.SqliteStore(sys.argv[1])
verifier = suntap.Verifier(sys.argv[2], meta_read_key="01" * 16, file_read_key="02" * 16)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print("fresh", verifier.admit(line.strip(), store).ctr, flush=True)
    except suntap.Refused as refusal:
        print(refusal.code, flush=True)
"""


def test_of_many_processes_exactly_one_is_accepted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACE, str(tmp_path / "counters.sqlite"), TEMPLATE]
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
            )
            for _ in range(4)
        ]

        def answers() -> list[str]:
            return sorted(process.stdout.readline().strip() for process in running if process.stdout)

        assert answers() == ["ready"] * 4
        for number, url in enumerate(taps(50), start=1):
            for process in running:
                assert process.stdin
                process.stdin.write(url + "\n")
            assert answers() == [f"fresh {number}"] + ["replayed"] * 3


FORK = """
import os, sys, threading, suntap
store = suntap.SqliteStore(sys.argv[1])
store.advance(bytes(16), 1, None)
read, write = os.pipe()
child = os.fork()
if child == 0:
    answers = [type(store.advance(bytes(16), ctr, None)).__name__ for ctr in (1, 2, 2)]
    os.read(read, 1)  # until the parent has closed its store
    answers += [type(store.advance(bytes(16), ctr, None)).__name__ for ctr in (2, 3)]
    other = suntap.SqliteStore(sys.argv[1])
    answers += [type(other.advance(bytes(16), ctr, None)).__name__ for ctr in (3, 4)]
    os._exit(0 if answers == ["Stale", "Advanced", "Stale"] + ["Stale", "Advanced"] * 2 else 1)
store.close()
os.write(write, b"1")
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
store = suntap.SqliteStore(sys.argv[1])
answers = [type(store.advance(bytes(16), ctr, None)).__name__ for ctr in (4, 5)]
sys.exit(status or (0 if answers == ["Stale", "Advanced"] else 2))
"""


def test_a_store_works_in_a_forked_process(tmp_path: Path) -> None:
    path = tmp_path / "counters.sqlite"
    forked = subprocess.run(
        [sys.executable, "-c", FORK, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (forked.returncode, forked.stderr) == (0, "")
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT ctr, taps FROM suntap_counters").fetchall() == [(5, 5)]
    database.close()
