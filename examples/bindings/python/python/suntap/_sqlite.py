"""A counter store in a SQLite database."""

import os
import sqlite3
from threading import Lock
from types import TracebackType
from typing import Final

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

# Connections that a process inherited from its parent. To close one would release the file locks of this process.
_inherited: list["_Opened"] = []


class _Opened:
    """A connection, the lock that protects it, and the process that opened it."""

    def __init__(self, path: str, timeout: float) -> None:
        self.pid = os.getpid()
        self.lock = Lock()
        # The lock allows one thread at a time, so the threads can share the connection.
        self.connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
        try:
            self.connection.execute("PRAGMA journal_mode = WAL").fetchone()
            # EXTRA is FULL, plus a sync that a database without WAL needs. With less, a power failure could undo the
            # last commit, and its tap would be accepted again.
            self.connection.execute("PRAGMA synchronous = EXTRA")
            self.connection.execute(_TABLE)
        except BaseException:
            self.connection.close()
            raise


class SqliteStore:
    """Keeps the counters in a SQLite database, in the table ``suntap_counters``.

    Several threads, several processes and several stores can share one database file. The file must be on a disk of
    this machine, because SQLite does not lock reliably over a network. A counter is on disk before its tap is accepted.

    A call waits at most ``timeout`` seconds for other writers; then the tap is refused with ``StoreFailed``. In
    asyncio, wrap the store in ``ThreadedStore``.
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
        self._opened: _Opened | None = _Opened(self._path, timeout)

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter in one transaction, like ``Store.advance``."""
        opened = self._current()
        with opened.lock:
            connection = opened.connection
            # IMMEDIATE takes the write lock before the read, so no other writer comes between the read and the write.
            connection.execute("BEGIN IMMEDIATE")
            try:
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

    def _current(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise sqlite3.ProgrammingError("the store is closed")
        if opened.pid != os.getpid():
            # SQLite forbids the use of a connection after a fork, and a thread of the parent may hold the lock.
            _inherited.append(opened)
            opened = self._opened = _Opened(self._path, self._timeout)
        return opened

    def close(self) -> None:
        """Closes the database. Afterwards, every tap is refused."""
        opened, self._opened = self._opened, None
        if opened is None:
            return
        if opened.pid != os.getpid():
            _inherited.append(opened)
            return
        with opened.lock:
            opened.connection.close()

    def __enter__(self) -> "SqliteStore":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # Python 3.13 warns about a connection that nobody closed, but a store may live as long as its program.
        if hasattr(self, "_opened"):
            self.close()

    def __repr__(self) -> str:
        return f"SqliteStore({self._path!r})"
