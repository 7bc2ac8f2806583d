//! Defines the purpose of a token and its optional content.

use core::time::Duration;

use crate::value::UnixMillis;

/// The purpose of a token: who may accept it, and until when.
#[derive(Clone, Copy, Debug)]
#[must_use = "a grant is not a token: pass it to `TokenKey::mint`"]
pub struct Grant<'a> {
    pub(super) audience: &'a str,
    pub(super) issued_at: UnixMillis,
    pub(super) expires_at: UnixMillis,
    pub(super) uid: bool,
    pub(super) tamper: bool,
}

impl<'a> Grant<'a> {
    /// Creates a grant for tokens that `audience` may accept, from now on for `lifetime`.
    ///
    /// The audience is any text on which both sides agree, for example the address of a page. Give each kind of use an
    /// audience of its own, so that a token for one page does not open another one. A time after the year 10889 is stored
    /// as the last time that fits into a token.
    pub fn new(audience: &'a str, now: UnixMillis, lifetime: Duration) -> Self {
        let expires_at = now.saturating_add(lifetime);
        Self { audience, issued_at: now, expires_at, uid: false, tamper: false }
    }

    /// Also puts the UID into the token, if the tap has one. Everybody who sees the token can read the UID.
    pub fn with_uid(self) -> Self {
        Self { uid: true, ..self }
    }

    /// Also puts the tamper status into the token, if the tap has one that is
    /// [authenticated](crate::sun::tamper::TtStatus::is_authenticated).
    pub fn with_tamper(self) -> Self {
        Self { tamper: true, ..self }
    }
}
