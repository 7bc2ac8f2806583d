"""Tests for counter stores."""

import sys

from suntap._native import check_contest, check_sequential
from suntap._stores import Store


def check_store(store: Store, *, run: int = 0, threads: int = 8, rounds: int = 20) -> None:
    """Checks that a counter store keeps its contract, also with several threads.

    These are the checks that suntap has for stores in Rust. They cannot see whether counters survive a power failure.

    The checks store counters of tags that do not exist, under ids that they compute from ``run``. Use an empty store,
    or a different ``run`` for each check. Raises ``AssertionError`` with the broken rule.
    """
    first = run << 32
    check_sequential(store, first)
    interval = sys.getswitchinterval()
    # Python changes threads so rarely that a race would hardly ever happen.
    sys.setswitchinterval(1e-6)
    try:
        for number in range(rounds):
            for offset, law in enumerate(("equal", "increasing", "apart"), start=1):
                check_contest(store, law, first + 3 * number + offset, threads)
    finally:
        sys.setswitchinterval(interval)
