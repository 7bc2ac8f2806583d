"""The exceptions. Their codes and texts come from the crate that all bindings share."""

from typing import ClassVar

from suntap._marks import Mark
from suntap._native import CODES


class SuntapError(Exception):
    """The base of all exceptions of suntap.

    ``str()`` gives the detail for a log. Answer every untrusted client with the same refusal: the difference between
    two texts can help an attacker.
    """

    code: ClassVar[str]
    """The name of the code, for example ``replayed``. It does not change between versions."""
    number: ClassVar[int]
    """The number of the code, which is the same in the bindings for other languages."""
    text: ClassVar[str]
    """The meaning of the code."""

    def __init_subclass__(cls, code: str = "") -> None:
        if code:
            cls.code = code
            cls.number, cls.text = CODES[code]
            cls.__module__ = "suntap"

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.text


class Refused(SuntapError):
    """The tap is refused. Catch this to answer a request; the subclass and the text are for your log."""


class Malformed(Refused, code="malformed"):
    """The URL does not match the template."""


class NotAuthentic(Refused, code="not_authentic"):
    """The tap is forged or changed, or the keys or the template do not match the tag."""


class NoCounter(Refused, code="no_counter"):
    """The tap is genuine but has no counter, so it may be a replay."""


class Replayed(Refused, code="replayed"):
    """The tap is genuine, but it or a newer tap of its tag was already accepted."""

    def __init__(self, message: str, ctr: int, stored: Mark) -> None:
        super().__init__(message, ctr, stored)
        self.ctr = ctr
        """The counter of the tap."""
        self.stored = stored
        """The mark in the store. If its counter equals ``ctr``, the tap is a copy of the last accepted tap."""


class StoreFailed(Refused, code="store_failed"):
    """The counter store failed, so the tap is refused. Its counter may have advanced.

    ``__cause__`` is the exception of the store.
    """


class InvalidTemplate(SuntapError, ValueError, code="invalid_template"):
    """The template of the URL breaks a rule."""


class InvalidKey(SuntapError, ValueError, code="invalid_key"):
    """A key does not have 16 bytes, or its text does not have 32 hexadecimal digits."""


class InvalidSettings(SuntapError, ValueError, code="invalid_settings"):
    """The template and the keys do not fit together."""


class InvalidArgument(SuntapError, ValueError, code="invalid_argument"):
    """An argument is missing or has an invalid value."""


SuntapError.__module__ = Refused.__module__ = "suntap"
