//! What a page tells a visitor about a tap.

use suntap::platform::{Accepted, Refusal, TagRef, Verdict};
use suntap::{TagTamper, TtStatus, UnixMillis};

use super::Decided;
use crate::text;

/// What a visitor is told. An unknown tag, an inactive tag, a tag that needs a token and a forged tap are the same value, so a page
/// cannot show a difference.
#[derive(Debug)]
pub(crate) enum Told {
    Genuine(Product, Seal),
    /// The tap was fresh, and the tag asks for a second one before `until`.
    TapOnceMore {
        name: String,
        until: UnixMillis,
    },
    SeenBefore {
        name: String,
    },
    NotRecognised,
    NotNow,
}

/// What a page shows of a product after a genuine and new tap.
#[derive(Debug)]
pub(crate) struct Product {
    /// Empty if the tag has no name.
    pub(super) name: String,
    pub(super) serial: Option<String>,
    /// The number of accepted taps.
    pub(super) taps: u32,
}

/// The state of the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    /// The tag has no seal, or its record says to ignore it.
    None,
    Closed,
    Open,
    OpenedBefore,
    /// The chip does not measure the seal, writes other characters, or writes a status that the MAC does not cover.
    Unknown,
}

impl Told {
    /// Returns what the decision about a tap tells. `tag` is the reference by which the tag was found.
    pub(crate) fn new(tag: Option<TagRef<'_>>, outcome: &Decided<'_>) -> Self {
        let names = outcome.view.map(|record| record.names).unwrap_or_default();
        let name = name(outcome);
        match &outcome.verdict {
            Ok(Verdict::Fresh(Accepted { tap, now, .. })) => {
                let number = match tag {
                    Some(TagRef::Number(number)) => Some(number.to_string()),
                    _ => None,
                };
                let serial = names.cuid.map(text::shown).or(number);
                Self::Genuine(Product { name, serial, taps: now.taps }, Seal::new(tap.tamper))
            }
            Ok(Verdict::Refused(Refusal::Replayed { .. })) => Self::SeenBefore { name },
            Ok(Verdict::Refused(_)) => Self::NotRecognised,
            Err(_) => Self::NotNow,
        }
    }

    /// Returns what the first of two taps tells. It does not tell what only a complete check may show.
    pub(crate) fn first_tap(outcome: &Decided<'_>, until: UnixMillis) -> Self {
        Self::TapOnceMore { name: name(outcome), until }
    }
}

/// Returns the name of the tag, or an empty text.
fn name(outcome: &Decided<'_>) -> String {
    outcome.view.and_then(|record| record.names.tag).map(text::shown).unwrap_or_default()
}

impl Seal {
    /// Returns the state as people read it, or `None` without a seal.
    pub(crate) fn text(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Closed => Some("Never opened"),
            Self::Open => Some("Open now"),
            Self::OpenedBefore => Some("Closed now, opened before"),
            Self::Unknown => Some("Not known"),
        }
    }

    /// Returns the state as programs get it, or `None` without a seal.
    pub(crate) fn word(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Closed => Some("closed"),
            Self::Open => Some("open"),
            Self::OpenedBefore => Some("openedBefore"),
            Self::Unknown => Some("unknown"),
        }
    }

    pub(crate) fn new(status: Option<TtStatus>) -> Self {
        let Some(status) = status else { return Self::None };
        match status.state() {
            // Anybody can write a closed seal into a URL if the MAC does not cover it.
            TagTamper::Closed if status.is_intact() => Self::Closed,
            TagTamper::Open => Self::Open,
            TagTamper::OpenedNowClosed => Self::OpenedBefore,
            TagTamper::Closed | TagTamper::NotEnabled | TagTamper::Unknown => Self::Unknown,
        }
    }
}
