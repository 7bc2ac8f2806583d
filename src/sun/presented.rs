//! The forms in which a tap can arrive.

use core::fmt;

use super::error::Malformed;
use super::layout::SdmLayout;
use super::received::Mirrors;
use super::tap::UnverifiedTap;

/// A received tap, in one of the forms that the verifier accepts. A `&str` or `&String` converts into the variant
/// [`Url`](Self::Url).
#[non_exhaustive]
pub enum Presented<'a> {
    /// The whole URL that the tag wrote. [`SdmLayout::parse`] parses it.
    Url(&'a str),
    /// The `/path?query` that an HTTP server receives. [`SdmLayout::parse_origin_form`] parses it.
    OriginForm(&'a str),
    /// Mirrors that were sent as separate values. [`SdmLayout::assemble`] turns them into a tap.
    Mirrors(&'a Mirrors<'a>),
    /// The NDEF file that the caller read from the tag. [`SdmLayout::parse_ndef_file`] parses it.
    NdefFile(&'a [u8]),
    /// A tap that was already parsed. The layout of the tap must be equal to the layout of the verifier.
    Parsed(UnverifiedTap<'a>),
}

impl<'a, T: AsRef<str> + ?Sized> From<&'a T> for Presented<'a> {
    fn from(url: &'a T) -> Self {
        Self::Url(url.as_ref())
    }
}

impl<'a> From<&'a Mirrors<'a>> for Presented<'a> {
    fn from(mirrors: &'a Mirrors<'a>) -> Self {
        Self::Mirrors(mirrors)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url(_) => "Url(..)",
            Self::OriginForm(_) => "OriginForm(..)",
            Self::Mirrors(_) => "Mirrors(..)",
            Self::NdefFile(_) => "NdefFile(..)",
            Self::Parsed(_) => "Parsed(..)",
        })
    }
}

impl SdmLayout {
    /// Parses a tap in any form. Returns `None` for a [`Presented::Parsed`] tap with a different layout.
    pub(crate) fn read_presented<'a>(&'a self, tap: Presented<'a>) -> Option<Result<UnverifiedTap<'a>, Malformed>> {
        Some(match tap {
            Presented::Url(url) => self.parse(url),
            Presented::OriginForm(target) => self.parse_origin_form(target),
            Presented::Mirrors(mirrors) => self.assemble(mirrors),
            Presented::NdefFile(file) => self.parse_ndef_file(file),
            Presented::Parsed(tap) => return (tap.layout() == self).then_some(Ok(tap)),
        })
    }
}
