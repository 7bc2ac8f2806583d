//! Tags that count but can not prove anything: NTAG 213, 215 and 216 with UID and counter mirror.

use core::fmt;

use super::error::Malformed;
use super::layout::SdmLayout;
use super::tap::UnverifiedTap;
use super::template::LayoutError;
use crate::value::{Scheme, SdmReadCtr, Uid};

/// The URL of a tag that mirrors its UID, its counter or both, and has no cryptography at all. Source: NTAG213/215/216 §8.7.
///
/// The grammar is that of [`SdmLayout::new`] with `{uid}`, `{ctr}` and `{:name}` only. What comes of it is an
/// [`UnverifiableTap`]: anybody can write such a URL. A chip that mirrors both writes them as `UIDxCTR`; here they may stand
/// anywhere. The size of 256 bytes is not asked of the chip: an NTAG213 has less, the others have more.
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
    /// Reads a URL template. Usable in `const` context.
    ///
    /// # Errors
    /// [`LayoutError`] names the rule that the template breaks.
    pub const fn new(template: &str) -> Result<Self, LayoutError> {
        match SdmLayout::compile(Scheme::Aes, template, false) {
            Ok(layout) => Ok(Self(layout)),
            Err(error) => Err(error),
        }
    }

    /// The template, as it was given.
    #[must_use]
    pub fn template(&self) -> &str {
        self.0.template()
    }

    /// As [`SdmLayout::parse`].
    ///
    /// # Errors
    /// [`Malformed`] with the reason.
    pub fn parse<'a>(&'a self, url: &'a str) -> Result<UnverifiableTap<'a>, Malformed> {
        self.0.parse(url).map(UnverifiableTap)
    }

    /// As [`SdmLayout::parse_origin_form`].
    ///
    /// # Errors
    /// [`Malformed`] with the reason.
    pub fn parse_origin_form<'a>(&'a self, target: &'a str) -> Result<UnverifiableTap<'a>, Malformed> {
        self.0.parse_origin_form(target).map(UnverifiableTap)
    }
}

/// What a tag without cryptography says of itself. It proves nothing, and there is no way from here to a
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
/// fn admit(tap: UnverifiableTap<'_>, counters: &mut MemoryCounters<2>, tag: &CounterId) {
///     let _ = tap.commit(counters, tag, None);
/// }
/// ```
#[must_use = "it proves nothing"]
pub struct UnverifiableTap<'a>(UnverifiedTap<'a>);

impl<'a> UnverifiableTap<'a> {
    /// The UID as written; `None` where the tag mirrors none.
    #[must_use]
    pub fn uid(&self) -> Option<Uid> {
        self.0.received.uid
    }

    /// The counter as written; `None` where the tag mirrors none.
    #[must_use]
    pub fn ctr(&self) -> Option<SdmReadCtr> {
        self.0.received.ctr
    }

    /// The text captured by `{:name}`.
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
