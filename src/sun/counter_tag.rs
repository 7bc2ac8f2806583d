//! Layouts and taps of NTAG 213, 215 and 216. These chips can mirror a UID and a counter, but they write no MAC. A tap
//! of one of these chips therefore proves nothing.

use core::fmt;

use super::error::Malformed;
use super::layout::SdmLayout;
use super::tap::UnverifiedTap;
use super::template::LayoutError;
use crate::value::{Scheme, SdmReadCtr, Uid};

/// The layout of a tag that writes its UID, its counter or both into the URL, but no MAC. Source: the data sheet of
/// NTAG213/215/216, §8.7.
///
/// The template uses the grammar of [`SdmLayout::new`], but allows only the elements `{uid}`, `{ctr}` and `{:name}`. A
/// chip that mirrors both UID and counter writes `UIDxCTR`, so the usual template contains `{uid}x{ctr}`. This crate
/// does not enforce this form: `{uid}` and `{ctr}` may be at any position.
///
/// Parsing returns an [`UnverifiableTap`], because anybody can write a URL with any UID and counter.
///
/// The URL must fit into an NDEF file of 256 bytes, as on an NTAG 424 DNA. This crate uses the same limit for all three
/// chips, although an NTAG 213 has less memory, and an NTAG 215 or 216 has more.
///
/// ```
/// use suntap::CounterTagLayout;
///
/// let layout = CounterTagLayout::new("https://example.com/?m={uid}x{ctr}")?;
/// let tap = layout.parse("https://example.com/?m=04E141124C2880x00002A")?;
/// assert_eq!((tap.uid().unwrap().to_string().as_str(), tap.ctr().unwrap().get()), ("04E141124C2880", 42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterTagLayout(SdmLayout);

impl CounterTagLayout {
    /// Parses a URL template. You can call this function in `const` context.
    ///
    /// # Errors
    /// Returns [`LayoutError`], which names the rule that the template breaks.
    pub const fn new(template: &str) -> Result<Self, LayoutError> {
        match SdmLayout::compile(Scheme::Aes, template, false) {
            Ok(layout) => Ok(Self(layout)),
            Err(error) => Err(error),
        }
    }

    /// Returns the text of the template.
    #[must_use]
    pub fn template(&self) -> &str {
        self.0.template()
    }

    /// Parses a full URL, like [`SdmLayout::parse`].
    ///
    /// # Errors
    /// Returns [`Malformed`] with the reason.
    pub fn parse<'a>(&'a self, url: &'a str) -> Result<UnverifiableTap<'a>, Malformed> {
        self.0.parse(url).map(UnverifiableTap)
    }

    /// Parses the `/path?query` of an HTTP request, like [`SdmLayout::parse_origin_form`].
    ///
    /// # Errors
    /// Returns [`Malformed`] with the reason.
    pub fn parse_origin_form<'a>(&'a self, target: &'a str) -> Result<UnverifiableTap<'a>, Malformed> {
        self.0.parse_origin_form(target).map(UnverifiableTap)
    }
}

/// A tap without a MAC, from a tag that cannot be authenticated. The tap proves nothing, and it cannot become a
/// [`VerifiedTap`](crate::VerifiedTap):
///
/// ```compile_fail,E0599
/// # use suntap::*;
/// fn verify(tap: UnverifiableTap<'_>, key: &PreparedFileReadKey) {
///     let _ = tap.verify(key);
/// }
/// ```
///
/// ```compile_fail,E0599
/// # use suntap::*;
/// fn admit(tap: UnverifiableTap<'_>, counters: &mut MemoryCounters<2>) {
///     let _ = tap.commit(counters, None);
/// }
/// ```
#[must_use = "it proves nothing"]
pub struct UnverifiableTap<'a>(UnverifiedTap<'a>);

impl<'a> UnverifiableTap<'a> {
    /// Returns the UID in the URL, or `None` if the layout has no `{uid}`. The UID is not verified.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.0.received.uid
    }

    /// Returns the counter in the URL, or `None` if the layout has no `{ctr}`. The counter is not verified.
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.0.received.ctr
    }

    /// Returns the text of the element `{:name}` (a capture), or `None` if the layout has no element with this name.
    /// The text is not verified.
    #[must_use]
    pub fn captured(&self, name: &str) -> Option<&'a str> {
        self.0.captured(name)
    }
}

impl fmt::Debug for UnverifiableTap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiableTap").field("uid", &self.uid()).field("ctr", &self.ctr()).finish_non_exhaustive()
    }
}
