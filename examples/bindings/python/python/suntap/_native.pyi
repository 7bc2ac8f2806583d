"""Types of the native module."""

from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, final

from suntap._marks import Advance, Mark
from suntap._stores import AsyncStore, Store

_Key: TypeAlias = str | bytes | bytearray
_Scheme: TypeAlias = Literal["aes", "lrp", "suncmac"]
_Seal: TypeAlias = Literal["closed", "open", "openedBefore", "unknown"]

__all__ = [
    "CODES",
    "VERSION",
    "Diagnosis",
    "EmulatedTag",
    "Finding",
    "FreshTap",
    "VerifiedTap",
    "Verifier",
    "check_contest",
    "check_sequential",
    "decide",
    "diagnose",
]

CODES: Final[dict[str, tuple[int, str]]]
VERSION: Final[str]

@final
class Verifier:
    """Verifies the taps of all tags that share one template and one source of keys.

    It is immutable, and several threads can share it. Create it once per program.

    ``template`` is the URL as the tag writes it, with a placeholder for each part that changes: ``{picc}``
    for the encrypted UID and counter, ``{uid}`` and ``{ctr}`` for the plain ones, ``{mac}``, ``{enc}``,
    ``{tt}``, and ``{:name}`` for other text. ``[[`` marks the place where the MAC input begins. ``scheme``
    is ``aes``, ``lrp`` or ``suncmac``.

    Each key is 32 hexadecimal digits or 16 bytes. ``meta_read_key`` decrypts ``{picc}``. Either all tags
    have the same ``file_read_key``, or the key of each tag is derived from ``master_key`` as in NXP
    AN10922, from the UID and ``suffix`` (at most 24 bytes); ``epoch`` is the number of times that the keys
    of the tags were changed.

    Raises ``InvalidTemplate``, ``InvalidKey``, ``InvalidSettings`` or ``InvalidArgument``.
    """

    def __new__(
        cls,
        template: str,
        *,
        meta_read_key: _Key | None = None,
        file_read_key: _Key | None = None,
        master_key: _Key | None = None,
        suffix: bytes | None = None,
        epoch: int | None = None,
        scheme: _Scheme = "aes",
    ) -> Verifier: ...
    @property
    def template(self) -> str:
        """The template."""

    @property
    def scheme(self) -> _Scheme:
        """The scheme."""

    def admit(self, url: str, store: Store, at: int | None = None) -> FreshTap:
        """Verifies a tap and advances the counter of its tag. If this returns, the tap is genuine and new.

        ``url`` is the whole URL, or the path and the query that an HTTP server received, beginning with ``/``.
        The store keeps ``at`` with the counter: milliseconds since 1970.

        Raises a subclass of ``Refused``. Give untrusted clients the same answer for all of them.
        """

    def admit_async(self, url: str, store: AsyncStore | Store, at: int | None = None) -> Coroutine[Any, Any, FreshTap]:
        """Like ``admit``, but awaits the store.

        A store that is not an ``AsyncStore`` blocks the event loop: see ``ThreadedStore``. If the task is
        cancelled, the counter may have advanced.
        """

    def verify(self, url: str) -> VerifiedTap:
        """Verifies a tap. **This does not detect replays: a copy of a tap verifies any number of times.**

        Use it if you need the UID before you advance the counter, then call ``commit``. Otherwise, use
        ``admit``.
        """

@final
class VerifiedTap:
    """A genuine tap that may be a replay. Call ``commit`` before you grant anything."""

    @property
    def uid(self) -> str | None:
        """The UID as 14 upper-case hexadecimal digits, or ``None`` if the tag does not write it."""

    @property
    def ctr(self) -> int:
        """The counter of the tap."""

    @property
    def counter_id(self) -> bytes:
        """The id under which a store keeps the counter."""

    @property
    def seal(self) -> _Seal | None:
        """The state of the seal, or ``None`` if the template has no tamper status."""

    @property
    def captured(self) -> dict[str, str]:
        """The texts of the ``{:name}`` elements. A text is authentic only if it is between ``[[`` and ``{mac}``."""

    @property
    def file_data(self) -> bytes | None:
        """The decrypted ``{enc}``, or ``None`` if the template has none."""

    def commit(self, store: Store, at: int | None = None) -> FreshTap:
        """Advances the counter of the tag, like ``Verifier.admit``."""

    def commit_async(self, store: AsyncStore | Store, at: int | None = None) -> Coroutine[Any, Any, FreshTap]:
        """Advances the counter of the tag, like ``Verifier.admit_async``."""

    def _conclude(self, answer: object) -> FreshTap: ...

@final
class FreshTap:
    """A genuine tap that is not a replay. Only ``admit`` and ``commit`` return one."""

    @property
    def uid(self) -> str | None:
        """The UID as 14 upper-case hexadecimal digits, or ``None`` if the tag does not write it."""

    @property
    def ctr(self) -> int:
        """The counter of the tap."""

    @property
    def counter_id(self) -> bytes:
        """The id under which the store keeps the counter."""

    @property
    def seal(self) -> _Seal | None:
        """The state of the seal, or ``None`` if the template has no tamper status."""

    @property
    def captured(self) -> dict[str, str]:
        """The texts of the ``{:name}`` elements. A text is authentic only if it is between ``[[`` and ``{mac}``."""

    @property
    def file_data(self) -> bytes | None:
        """The decrypted ``{enc}``, or ``None`` if the template has none."""

    @property
    def mark(self) -> Mark:
        """The mark that the store contains for this tag now."""

    @property
    def previous(self) -> Mark | None:
        """The mark that the store contained before this tap, or ``None`` for the first tap of a tag."""

@final
class EmulatedTag:
    """A tag in software, for tests and demonstrations. **Give it only keys that no real tag uses.**

    It was just set up with this template, UID (14 hexadecimal digits) and these keys, as for ``Verifier``.
    ``ctr`` is the number of earlier reads. ``file_data`` is the text that ``{enc}`` encrypts, and
    ``captured`` has the text of each ``{:name}``.

    Raises the exceptions of ``Verifier``; ``InvalidSettings`` also if no chip can write this template.
    """

    def __new__(
        cls,
        template: str,
        *,
        uid: str,
        meta_read_key: _Key | None = None,
        file_read_key: _Key | None = None,
        master_key: _Key | None = None,
        suffix: bytes | None = None,
        epoch: int | None = None,
        scheme: Literal["aes", "lrp"] = "aes",
        ctr: int | None = None,
        file_data: str = "",
        captured: Mapping[str, str] | None = None,
    ) -> EmulatedTag: ...
    @property
    def template(self) -> str:
        """The template."""

    @property
    def uid(self) -> str:
        """The UID as 14 upper-case hexadecimal digits."""

    @property
    def ctr(self) -> int:
        """The counter of the last tap."""

    def tap(self) -> str:
        """Reads the tag: advances its counter by one, and returns the URL. Raises ``RuntimeError`` after 0xFFFFFF
        reads.
        """

    def open_seal(self) -> None:
        """Opens the tamper seal. The tag remembers this forever."""

    def close_seal(self) -> None:
        """Closes the tamper seal again."""

@final
class Finding:
    """A fault in a tap or in what you assumed about it, or a remark."""

    @property
    def code(self) -> str:
        """The short name, for example ``mac-input``. It does not change between versions."""

    @property
    def text(self) -> str:
        """The text, which says what is wrong and what to do."""

    @property
    def is_fault(self) -> bool:
        """``True`` for a fault, ``False`` for a remark."""

@final
class Diagnosis:
    """The result of ``diagnose``: what is wrong with a tap. Show it only to the owner of the tag."""

    @property
    def verdict(self) -> Literal["healthy", "explained", "unexplained"]:
        """``healthy``; ``explained`` if the search found how the tap was made, and something is wrong; or
        ``unexplained``.
        """

    @property
    def is_healthy(self) -> bool:
        """``True`` if the tap verifies and everything that was assumed is right."""

    @property
    def findings(self) -> list[Finding]:
        """The findings. Faults come before remarks."""

    @property
    def template(self) -> str | None:
        """A template that verifies the tap."""

    @property
    def scheme(self) -> str | None:
        """The scheme that the tag uses."""

    @property
    def meta_key(self) -> str | None:
        """The source of the SDMMetaReadKey, such as the name of a given key. It does not contain the key."""

    @property
    def file_key(self) -> str | None:
        """The source of the SDMFileReadKey, such as the name of a given key. It does not contain the key."""

    @property
    def uid(self) -> str | None:
        """The UID in the tap. It may be forged if ``is_proven`` is ``False``."""

    @property
    def ctr(self) -> int | None:
        """The counter in the tap. It may be forged if ``is_proven`` is ``False``."""

    @property
    def is_proven(self) -> bool:
        """``True`` if only the tag can have made the tap."""

    @property
    def tried(self) -> int:
        """The work of the search, in MACs."""

    @property
    def is_complete(self) -> bool:
        """``False`` if the search stopped before it tried everything."""

def diagnose(
    url: str,
    template: str | None = None,
    *,
    meta_read_key: _Key | None = None,
    file_read_key: _Key | None = None,
    master_key: _Key | None = None,
    keys: Mapping[str, _Key] | None = None,
    suffixes: Sequence[bytes] | None = None,
    scheme: _Scheme = "aes",
    uid: str | None = None,
    second_url: str | None = None,
    stored_ctr: int | None = None,
) -> Diagnosis:
    """Finds out why a tap does not verify, and what to do.

    Only ``url`` is needed. Everything else is what you think is true about the tag; ``keys`` has other keys
    that may belong to it, by name. The key of a new chip is always tried. The search can take seconds, and
    other threads run meanwhile.

    Raises ``InvalidTemplate``, ``InvalidKey`` or ``InvalidArgument``.
    """

def decide(stored: Mark | None, ctr: int, at: int | None) -> Advance:
    """Decides whether a counter advances. It stores nothing: use it inside the lock or the transaction of a
    store.
    """

def check_sequential(store: Store, run: int) -> None: ...
def check_contest(store: Store, law: str, run: int, threads: int) -> None: ...
