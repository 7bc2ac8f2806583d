//! Tokens for the page that a tap opens (feature `token`).
//!
//! A verdict alone does not protect a page. The server checks the tap and redirects the phone to the page, but the page
//! cannot know whether its visitor has just tapped, or opened a link that somebody shared. A [`TapToken`] carries the
//! verdict to the page: the server mints a token after a fresh tap, and adds it to the link. The page verifies it.
//!
//! - Only a [`FreshTap`](crate::FreshTap) gives a token. A replay gives none.
//! - A token expires. Its audience is the service that may accept it.
//! - [`Claims::use_once`] accepts a token only once. [`Claims::require_latest`] refuses a token after a newer tap.
//!
//! ```
//! use core::time::Duration;
//! use suntap::token::{self, Grant, TokenError, TokenKey, UseError};
//! use suntap::{MemoryCounters, SdmFileReadKey, SdmLayout, SdmMetaReadKey, UnixMillis, Verifier, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
//! const PAGE: &str = "https://shop.example/members";
//!
//! let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY)?;
//! let mut taps = MemoryCounters::<64>::new();
//! let keys = [TokenKey::from_bytes(1, [7; 16])]; // in production: 16 random bytes
//! let now = UnixMillis::new(1_795_000_000_000); // in production: `UnixMillis::now()`
//!
//! // The server that receives the tap:
//! let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
//! let fresh = verifier.admit(url, &mut taps, Some(now))?;
//! let token = keys[0].mint(&fresh, &Grant::new(PAGE, now, Duration::from_secs(60)).with_uid());
//! let redirect = format!("{PAGE}?t={token}");
//!
//! // The page:
//! let (_, text) = redirect.split_once("?t=").unwrap();
//! let claims = token::verify(text, &keys, PAGE, now, Duration::ZERO)?;
//! assert_eq!(claims.uid(), fresh.uid());
//! let mut used = MemoryCounters::<64>::new();
//! assert!(claims.use_once(&mut used, now).is_ok());
//! assert!(matches!(claims.use_once(&mut used, now), Err(UseError::Used { .. })));
//!
//! // Ten minutes later:
//! let later = UnixMillis::new(now.get() + 600_000);
//! let expired = token::verify(text, &keys, PAGE, later, Duration::ZERO);
//! assert!(matches!(expired, Err(TokenError::Expired { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A verified tap that was not committed gives no token:
//!
//! ```compile_fail,E0277
//! # use suntap::{VerifiedTap, token::{Grant, TapToken, TokenKey}};
//! fn mint(key: &TokenKey, tap: &VerifiedTap<'_>, grant: &Grant<'_>) -> TapToken {
//!     key.mint(tap, grant)
//! }
//! ```
//!
//! A token is not encrypted: everybody who sees it can read its content. It contains the counter id of the tag, which is a
//! pseudonym, so two tokens show that they are of the same tag. It contains the UID only if [`Grant::with_uid`] asks for
//! it. **Everybody who has a token can use it**, until it expires or is used. **Everybody who has a [`TokenKey`] can mint
//! tokens** for all audiences. Use a separate key for each service that must not mint tokens for the other services.
//!
//! The guide chapter [`after_the_tap`](crate::guide::after_the_tap) says what a page must do.
//!
//! # Format
//!
//! A token has [`TOKEN_CHARS`] characters: base64url (RFC 4648 §5) without padding, of 66 bytes. Numbers are big endian.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 1 | version 1 in the high nibble; flags in the low nibble: 1 with UID, 2 with tamper status |
//! | 1 | 1 | number of the [`TokenKey`] |
//! | 2 | 16 | [`CounterId`](crate::CounterId) of the tag |
//! | 18 | 3 | SDMReadCtr |
//! | 21 | 7 | UID, or zeros |
//! | 28 | 2 | TTPermStatus and TTCurrStatus, or zeros |
//! | 30 | 8 | first 8 bytes of `CMAC(key, 01 ‖ 15 zero bytes ‖ audience)` |
//! | 38 | 6 | time of issue, milliseconds since 1970-01-01T00:00:00Z |
//! | 44 | 6 | time of expiry, likewise |
//! | 50 | 16 | `CMAC(key, bytes 0 to 49)` |
//!
//! CMAC is AES-CMAC (RFC 4493). A store keeps the use of a token under
//! `CMAC(key, 02 ‖ 7 zero bytes ‖ bytes 30 to 37 ‖ bytes 2 to 17)`. The version is never 0, so the first bytes of these
//! messages differ, and none of these values can take the place of another one.

mod claims;
mod content;
mod error;
mod grant;
mod key;
mod second_tap;

pub use claims::{Claims, Used};
pub use content::{TOKEN_CHARS, TapToken};
pub use error::{TokenError, UseError};
pub use grant::Grant;
pub use key::{TokenKey, verify};
pub use second_tap::SecondTapError;
