"""Decides whether an NFC tap is genuine and new: SUN/SDM of NTAG 424 DNA.

>>> import suntap
>>> verifier = suntap.Verifier(
...     "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}",
...     meta_read_key="00000000000000000000000000000000",
...     file_read_key="00000000000000000000000000000000",
... )
>>> store = suntap.MemoryStore()  # for tests: use SqliteStore, or a store of your own
>>> url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086"
>>> verifier.admit(url, store)
FreshTap(uid='04DE5F1EACC040', ctr=61)
>>> verifier.admit(url, store)
Traceback (most recent call last):
suntap.Replayed: replayed tap: this tap, with counter 61, was already accepted
"""

from suntap._errors import (
    InvalidArgument,
    InvalidKey,
    InvalidSettings,
    InvalidTemplate,
    Malformed,
    NoCounter,
    NotAuthentic,
    Refused,
    Replayed,
    StoreFailed,
    SuntapError,
)
from suntap._marks import Advance, Advanced, Mark, Stale
from suntap._native import (
    VERSION as __version__,
)
from suntap._native import (
    Diagnosis,
    EmulatedTag,
    Finding,
    FreshTap,
    VerifiedTap,
    Verifier,
    decide,
    diagnose,
)
from suntap._sqlite import SqliteStore
from suntap._stores import AsyncStore, MemoryStore, Store, ThreadedStore

__all__ = [
    "Advance",
    "Advanced",
    "AsyncStore",
    "Diagnosis",
    "EmulatedTag",
    "Finding",
    "FreshTap",
    "InvalidArgument",
    "InvalidKey",
    "InvalidSettings",
    "InvalidTemplate",
    "Malformed",
    "Mark",
    "MemoryStore",
    "NoCounter",
    "NotAuthentic",
    "Refused",
    "Replayed",
    "SqliteStore",
    "Stale",
    "Store",
    "StoreFailed",
    "SuntapError",
    "ThreadedStore",
    "VerifiedTap",
    "Verifier",
    "__version__",
    "decide",
    "diagnose",
]
