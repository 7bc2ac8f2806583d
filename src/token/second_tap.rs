//! Two taps in a row.

use core::fmt;
use core::time::Duration;

use super::claims::Claims;
use crate::sun::proof::FreshProof;
use crate::value::UnixMillis;

/// The reason why a tap is not the second one of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SecondTapError {
    /// The taps are of different tags.
    OtherTag,
    /// The counter of the second tap is not higher.
    NotLater,
    /// The second tap came sooner than a person can tap again.
    TooSoon,
    /// The second tap came after the token of the first one had expired.
    TooLate,
}

impl fmt::Display for SecondTapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherTag => "the second tap is of a different tag",
            Self::NotLater => "the counter of the second tap is not higher than that of the first tap",
            Self::TooSoon => "the second tap came sooner than a person can tap again",
            Self::TooLate => "the second tap came too late",
        })
    }
}

impl core::error::Error for SecondTapError {}

impl Claims {
    /// Checks that `second` is a later tap of the same tag, at least `pause` after this token was minted and before it
    /// expires.
    ///
    /// A copied URL contains one tap. To ask for two, mint a short-lived token after the first tap, for an audience that
    /// no page accepts, and keep it with the visitor, for example in a cookie. When the next fresh tap comes with a
    /// verified token, call this function. A person needs some time to tap again, so two taps that were saved before and
    /// are opened by a program come too soon.
    ///
    /// **Two saved taps that are opened in their order, at the pace of a person, pass.** The token can confirm several taps.
    /// To confirm one only, use it [once](Self::use_once).
    ///
    /// # Errors
    /// Returns [`SecondTapError`] if the tap is not the second one.
    pub fn check_second_tap(
        &self,
        second: impl Into<FreshProof>,
        now: UnixMillis,
        pause: Duration,
    ) -> Result<(), SecondTapError> {
        let second = second.into();
        if second.counter_id() != self.counter_id() {
            return Err(SecondTapError::OtherTag);
        }
        if second.ctr() <= self.ctr() {
            return Err(SecondTapError::NotLater);
        }
        if now < self.issued_at().saturating_add(pause) {
            return Err(SecondTapError::TooSoon);
        }
        if self.has_expired(now) {
            return Err(SecondTapError::TooLate);
        }
        Ok(())
    }
}
