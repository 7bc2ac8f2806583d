"""The records and the answers of counter stores."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Mark:
    """The record that a counter store keeps for a tag."""

    ctr: int
    """The counter of the last accepted tap, at most 0xFFFFFF."""
    at: int | None
    """The time that the caller gave for this tap, in milliseconds since 1970, or ``None``."""
    taps: int
    """The number of accepted taps of this tag."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The counter was greater than the stored one, or none was stored. The store now contains the new counter."""

    previous: Mark | None
    """The mark that was stored before this tap, or ``None`` for the first tap of a tag."""
    now: Mark
    """The mark that is stored now."""


@dataclass(frozen=True, slots=True)
class Stale:
    """The counter was not greater than the stored one. The store did not change."""

    stored: Mark
    """The mark that is stored."""


Advance: TypeAlias = Advanced | Stale
"""The answer of a counter store."""
