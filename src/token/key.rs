//! The keys of tokens: minting and verifying.

use core::fmt;
use core::iter;
use core::time::Duration;

use subtle::ConstantTimeEq as _;
use zeroize::ZeroizeOnDrop;

use super::claims::Claims;
use super::content::{AudienceId, Content, ContentBytes, TapToken};
use super::error::TokenError;
use super::grant::Grant;
use crate::cipher::{Block, Chunk, Cmac, Secret, chunks_of};
use crate::sun::proof::FreshProof;
use crate::value::{CounterId, ParseError, UnixMillis, hex};

/// The first bytes of the messages for which a key computes CMACs, apart from tokens. A token begins with 0x10 or more,
/// because its version is in the high nibble.
const AUDIENCE: Chunk = Chunk::whole(0x01_u128.rotate_right(8).to_be_bytes());
const USE: u8 = 0x02;

/// A key that mints tokens and verifies them. It has 16 bytes and a number, which a token contains.
///
/// To replace a key, verify with the old one and the new one, mint with the new one, and remove the old one when its
/// tokens have expired. The number only saves time: keys with the same number are tried in turn. [Single
/// use](Claims::use_once) holds for each key: tokens of one tap that were minted with two keys can be used once each.
///
/// The key is wiped on drop, and `Debug` does not show it.
pub struct TokenKey {
    number: u8,
    cmac: Secret<Cmac>,
}

impl TokenKey {
    /// Creates a key from its number and its 16 bytes. The bytes must be random, and have no other use.
    #[must_use]
    pub fn from_bytes(number: u8, bytes: [u8; 16]) -> Self {
        let bytes = Secret(bytes);
        Self { number, cmac: Cmac::prepare(&bytes.0) }
    }

    /// Reads a key from 32 hexadecimal digits in upper or lower case, in constant time.
    ///
    /// # Errors
    /// Returns [`ParseError`] if the length is not 32 or a character is not a hexadecimal digit. The error contains no
    /// part of the text.
    pub fn from_hex(number: u8, text: &str) -> Result<Self, ParseError> {
        hex::decode(text.as_bytes()).map(|bytes| Self::from_bytes(number, bytes))
    }

    /// Returns the number of the key.
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Mints a token for a fresh tap: a [`FreshTap`](crate::FreshTap) or a reference to one, or an accepted tap of a
    /// [`Service`](crate::platform::Service). Mint at once: the token says when it was minted, and not when the tap came.
    #[must_use]
    pub fn mint(&self, tap: impl Into<FreshProof>, grant: &Grant<'_>) -> TapToken {
        let tap = tap.into();
        let content = Content {
            key: self.number,
            counter_id: tap.counter_id(),
            ctr: tap.ctr(),
            uid: tap.uid().filter(|_| grant.uid),
            tamper: tap.tamper().filter(|_| grant.tamper),
            audience: self.audience_id(grant.audience),
            issued_at: grant.issued_at,
            expires_at: grant.expires_at,
        };
        let bytes = content.to_bytes();
        TapToken::encode(&bytes, self.mac(&bytes))
    }

    fn mac(&self, content: &ContentBytes) -> Block {
        self.cmac.0.compute(chunks_of(content))
    }

    fn audience_id(&self, audience: &str) -> AudienceId {
        let message = iter::once(AUDIENCE).chain(chunks_of(audience.as_bytes()));
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = self.cmac.0.compute(message);
        [b0, b1, b2, b3, b4, b5, b6, b7]
    }

    /// Returns the id under which a store keeps the last use of a tag's tokens for an audience.
    fn use_id(&self, content: &Content) -> CounterId {
        let first = u128::from(USE) << 120 | u128::from(u64::from_be_bytes(content.audience));
        let id = self.cmac.0.two_blocks(&first.to_be_bytes(), content.counter_id.as_bytes(), false);
        CounterId::from_bytes(id)
    }
}

impl ZeroizeOnDrop for TokenKey {}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({}, secret)", self.number)
    }
}

/// Verifies a token, and returns what it claims. `now` is the current time, and `skew` is the greatest difference
/// between the clock of this service and the clock of the service that mints.
///
/// **This function accepts a token any number of times until it expires.** For single use, call [`Claims::use_once`].
///
/// # Errors
/// Returns [`TokenError::Malformed`] if the text is not a token of this version, and [`TokenError::NotAuthentic`] if none
/// of the keys has minted it. All other errors mean that the token is authentic. Return the same answer for all errors to
/// untrusted clients.
pub fn verify(
    token: &str,
    keys: &[TokenKey],
    audience: &str,
    now: UnixMillis,
    skew: Duration,
) -> Result<Claims, TokenError> {
    let (bytes, mac) = TapToken::decode(token).ok_or(TokenError::Malformed)?;
    let content = Content::from_bytes(&bytes).ok_or(TokenError::Malformed)?;
    let mac = u128::from_ne_bytes(mac);
    let key = keys
        .iter()
        .filter(|key| key.number == content.key)
        .find(|key| u128::from_ne_bytes(key.mac(&bytes)).ct_eq(&mac).into())
        .ok_or(TokenError::NotAuthentic)?;
    if key.audience_id(audience) != content.audience {
        return Err(TokenError::WrongAudience);
    }
    let Content { issued_at, expires_at, .. } = content;
    if now.saturating_add(skew) < issued_at {
        return Err(TokenError::NotYetValid { issued_at });
    }
    let ends_at = expires_at.saturating_add(skew);
    if now >= ends_at {
        return Err(TokenError::Expired { expires_at });
    }
    Ok(Claims::new(content, key.use_id(&content), ends_at))
}
