"""A counter store in a SQLite database."""

import os
import sqlite3
import time
from threading import Lock
from types import TracebackType
from typing import Final
from weakref import WeakSet

from suntap._errors import InvalidArgument
from suntap._marks import Advance, Advanced, Mark
from suntap._native import decide

_TABLE: Final = """CREATE TABLE IF NOT EXISTS suntap_counters (
    counter_id BLOB PRIMARY KEY NOT NULL, ctr INTEGER NOT NULL, at INTEGER, taps INTEGER NOT NULL
) WITHOUT ROWID"""
_READ: Final = "SELECT ctr, at, taps FROM suntap_counters WHERE counter_id = ?"
# The condition can never be false, because the transaction read the row under the same write lock.
_WRITE: Final = """INSERT INTO suntap_counters (counter_id, ctr, at, taps) VALUES (?, ?, ?, ?)
ON CONFLICT (counter_id) DO UPDATE SET ctr = excluded.ctr, at = excluded.at, taps = excluded.taps
WHERE excluded.ctr > suntap_counters.ctr"""

# The stores of this process, and those whose locks are held during a fork.
_stores: "WeakSet[SqliteStore]" = WeakSet()
_forking: list["SqliteStore"] = []


def _connect(path: str, timeout: float) -> sqlite3.Connection:
    # The lock of the store allows one thread at a time, so the threads can share the connection.
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        _use_wal(connection, timeout)
        # EXTRA is FULL, plus a sync that a database without WAL needs. With less, a power failure could undo the last
        # commit, and its tap would be accepted again.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute(_TABLE)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, timeout: float) -> None:
    """Switches to WAL. SQLite does not wait for this lock, so several processes that start together need a loop."""
    end = time.monotonic() + timeout
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
            return
        except sqlite3.OperationalError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.01)


def _before_fork() -> None:
    """Closes all connections, because a forked process would take no locks that its parent held."""
    for store in list(_stores):
        store._lock.acquire()
        _forking.append(store)
        store._disconnect()


def _after_fork() -> None:
    while _forking:
        _forking.pop()._lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class SqliteStore:
    """Keeps the counters in a SQLite database, in the table ``suntap_counters``.

    Several threads, several processes and several stores can share one database file. The file must be on a disk of
    this machine, because SQLite does not lock reliably over a network. A counter is on disk before its tap is accepted.
    A process can fork: each process then opens the file again.

    A call waits at most ``timeout`` seconds for a writer that uses another store; then the tap is refused with
    ``StoreFailed``. Threads that share one store wait for each other without a limit. In asyncio, wrap the store in
    ``ThreadedStore``.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 5.0) -> None:
        """Opens the database, and creates it if it does not exist.

        Raises ``InvalidArgument`` for a database in memory, and ``sqlite3.Error`` if the file cannot be opened.
        """
        self._path = os.fspath(path)
        if self._path in ("", ":memory:"):
            raise InvalidArgument("path must name a file: this database is lost on restart, like a MemoryStore")
        # A process that changes its folder would otherwise open another file after a fork.
        self._path = os.path.abspath(self._path)
        self._timeout = timeout
        self._lock = Lock()
        self._is_closed = False
        self._connection: sqlite3.Connection | None = _connect(self._path, timeout)
        _stores.add(self)

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter in one transaction, like ``Store.advance``."""
        with self._lock:
            connection = self._connected()
            try:
                # IMMEDIATE takes the write lock before the read, so no other writer comes between both.
                connection.execute("BEGIN IMMEDIATE")
                row = connection.execute(_READ, (counter_id,)).fetchone()
                advance = decide(None if row is None else Mark(*row), ctr, at)
                if isinstance(advance, Advanced):
                    now = advance.now
                    written = connection.execute(_WRITE, (counter_id, now.ctr, now.at, now.taps)).rowcount
                    if written != 1:
                        raise sqlite3.DatabaseError("the counter was not written")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            return advance

    def _connected(self) -> sqlite3.Connection:
        if self._is_closed:
            raise sqlite3.ProgrammingError("the store is closed")
        if self._connection is None:
            self._connection = _connect(self._path, self._timeout)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Closes the database. Afterwards, every tap is refused."""
        with self._lock:
            self._is_closed = True
            self._disconnect()

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Python 3.13 warns about a connection that nobody closed, but a store may live as long as its program.
        if hasattr(self, "_connection"):
            self.close()

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"
