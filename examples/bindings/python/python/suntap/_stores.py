"""Counter stores, which keep the last accepted counter of each tag."""

import asyncio
from threading import Lock
from typing import Protocol

from suntap._marks import Advance, Advanced, Mark
from suntap._native import decide


class Store(Protocol):
    """Keeps the last accepted counter of each tag.

    The security of your service depends on your store. Its contract:

    - ``advance`` is one atomic step. If several calls try to advance one counter to the same value at the same time,
      exactly one of them returns ``Advanced``. A separate read and write, without a lock around both, breaks this rule.
    - A stored counter never decreases, also not after a restart. It must be durable before ``advance`` returns.
    - Counters with different ids are independent of each other.
    - An exception means that the outcome is unknown. The tap is refused, with ``StoreFailed``.

    Test your store with ``suntap.testing.check_store``.
    """

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter to ``ctr`` if ``ctr`` is greater than the stored counter, or if none is stored.

        ``counter_id`` has 16 bytes. It is a pseudonym of the tag, computed with the key of the tag. ``at`` is stored
        with the counter. In a store that has its own lock or transaction, ``suntap.decide`` makes the comparison.
        """
        ...


class AsyncStore(Protocol):
    """A ``Store`` whose ``advance`` is a coroutine function. The contract is the same.

    If the task is cancelled during ``advance``, the counter may have advanced. The tap counts as refused.
    """

    async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter, like ``Store.advance``."""
        ...


class MemoryStore:
    """Keeps the counters in the memory of this process, for tests and demonstrations.

    After a restart, and in any other process, it accepts every tap once more. It is safe to use from several threads.
    """

    def __init__(self) -> None:
        self._marks: dict[bytes, Mark] = {}
        self._lock = Lock()

    def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter, like ``Store.advance``."""
        with self._lock:
            advance = decide(self._marks.get(counter_id), ctr, at)
            if isinstance(advance, Advanced):
                self._marks[counter_id] = advance.now
            return advance

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._marks)} tags)"


class ThreadedStore:
    """Makes an ``AsyncStore`` from a ``Store`` that blocks: each call runs in a worker thread of asyncio.

    The store must be safe to use from several threads, like ``SqliteStore``. If the task is cancelled, the worker
    thread still finishes its call.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def advance(self, counter_id: bytes, ctr: int, at: int | None, /) -> Advance:
        """Advances the counter in a worker thread."""
        return await asyncio.to_thread(self._store.advance, counter_id, ctr, at)

    def __repr__(self) -> str:
        return f"ThreadedStore({self._store!r})"
