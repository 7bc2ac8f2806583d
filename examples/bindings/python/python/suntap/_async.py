"""The coroutines of the verifier. They need no event loop of a certain kind."""

from inspect import isawaitable
from typing import Any

from suntap._native import FreshTap, VerifiedTap, Verifier
from suntap._stores import AsyncStore, Store


async def admit(verifier: Verifier, url: str, store: AsyncStore | Store, at: int | None) -> FreshTap:
    """Verifies a tap, and advances its counter."""
    return await commit(verifier.verify(url), store, at)


async def commit(tap: VerifiedTap, store: AsyncStore | Store, at: int | None) -> FreshTap:
    """Advances the counter of a verified tap.

    ``CancelledError`` is not an ``Exception``, so it passes through.
    """
    answer: Any
    try:
        answer = store.advance(tap.counter_id, tap.ctr, at)
        if isawaitable(answer):
            answer = await answer
    except Exception as error:
        answer = error
    return tap._conclude(answer)
