//! The bytes and the text of a token.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};

use crate::cipher::Block;
use crate::sun::tamper::TtStatus;
use crate::value::{CounterId, SdmReadCtr, Uid, UnixMillis};

const VERSION: u8 = 1;
const HAS_UID: u8 = 1;
const HAS_TAMPER: u8 = 2;

/// The length in bytes of the content.
const CONTENT_LEN: usize = 50;
/// The length in bytes of a token: the content and its MAC.
const TOKEN_LEN: usize = CONTENT_LEN + 16;
/// The length of a token in characters.
pub const TOKEN_CHARS: usize = TOKEN_LEN / 3 * 4;

/// The first bytes of the CMAC of an audience.
pub(super) type AudienceId = [u8; 8];

/// The bytes that the MAC of a token covers.
pub(super) type ContentBytes = [u8; CONTENT_LEN];

/// The content of a token without its MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) key: u8,
    pub(super) counter_id: CounterId,
    pub(super) ctr: SdmReadCtr,
    pub(super) uid: Option<Uid>,
    pub(super) tamper: Option<TtStatus>,
    pub(super) audience: AudienceId,
    pub(super) issued_at: UnixMillis,
    pub(super) expires_at: UnixMillis,
}

impl Content {
    pub(super) fn to_bytes(self) -> ContentBytes {
        let uid = self.uid.map_or(0, |_| HAS_UID);
        let tamper = self.tamper.map_or(0, |_| HAS_TAMPER);
        let [_, ctr @ ..] = self.ctr.get().to_be_bytes();
        let mut bytes = [0; CONTENT_LEN];
        let rest = &mut bytes[..];
        let rest = put(rest, [VERSION << 4 | uid | tamper, self.key]);
        let rest = put(rest, *self.counter_id.as_bytes());
        let rest = put(rest, ctr);
        let rest = put(rest, self.uid.map_or([0; 7], |uid| *uid.as_bytes()));
        let rest = put(rest, self.tamper.map_or([0; 2], |tamper| [tamper.perm(), tamper.curr()]));
        let rest = put(rest, self.audience);
        let rest = put(rest, time_to_bytes(self.issued_at));
        put(rest, time_to_bytes(self.expires_at));
        bytes
    }

    /// Reads the content of a token. Returns `None` if the version or a flag is unknown.
    pub(super) fn from_bytes(bytes: &ContentBytes) -> Option<Self> {
        let (&[head, key], rest) = bytes.split_first_chunk()?;
        if head >> 4 != VERSION || head & 0x0F & !(HAS_UID | HAS_TAMPER) != 0 {
            return None;
        }
        let (&counter_id, rest) = rest.split_first_chunk()?;
        let (&[high, mid, low], rest) = rest.split_first_chunk()?;
        let (&uid, rest) = rest.split_first_chunk()?;
        let (&[perm, curr], rest) = rest.split_first_chunk()?;
        let (&audience, rest) = rest.split_first_chunk()?;
        let (issued_at, expires_at) = rest.split_first_chunk()?;
        Some(Self {
            key,
            counter_id: CounterId::from_bytes(counter_id),
            ctr: SdmReadCtr::from_lsb_first([low, mid, high]),
            uid: (head & HAS_UID != 0).then_some(Uid::from_bytes(uid)),
            // Only an authenticated status gets into a token.
            tamper: (head & HAS_TAMPER != 0).then_some(TtStatus::new(perm, curr, true)),
            audience,
            issued_at: time_from_bytes(*issued_at),
            expires_at: time_from_bytes(*expires_at.first_chunk()?),
        })
    }
}

/// Writes a field, and returns the space after it.
fn put<const N: usize>(space: &mut [u8], field: [u8; N]) -> &mut [u8] {
    match space.split_first_chunk_mut() {
        Some((place, rest)) => {
            *place = field;
            rest
        }
        // The lengths of the fields add up to the length of the content, so this does not happen.
        None => &mut [],
    }
}

/// The last time that a token can contain: in the year 10889.
const LAST: u64 = (1 << 48) - 1;

fn time_to_bytes(time: UnixMillis) -> [u8; 6] {
    let [_, _, bytes @ ..] = time.get().min(LAST).to_be_bytes();
    bytes
}

fn time_from_bytes([b0, b1, b2, b3, b4, b5]: [u8; 6]) -> UnixMillis {
    UnixMillis::new(u64::from_be_bytes([0, 0, b0, b1, b2, b3, b4, b5]))
}

/// A token: proof of a fresh tap for one audience. [`TokenKey::mint`](super::TokenKey::mint) creates it.
///
/// `Display` and [`as_str`](Self::as_str) give the text, which needs no escaping in a URL. `Debug` does not show the
/// text, because everybody who reads it in a log could use the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TapToken([u8; TOKEN_CHARS]);

impl TapToken {
    pub(super) fn encode(content: &ContentBytes, mac: Block) -> Self {
        let mut bytes = [0; TOKEN_LEN];
        put(put(&mut bytes, *content), mac);
        let mut text = [b'A'; TOKEN_CHARS];
        // The lengths fit, so encoding cannot fail.
        let _ = Base64UrlUnpadded::encode(&bytes, &mut text);
        Self(text)
    }

    /// Splits the text of a token into its content and its MAC. Returns `None` if the text is not that of a token.
    pub(super) fn decode(text: &str) -> Option<(ContentBytes, Block)> {
        let text: &[u8; TOKEN_CHARS] = text.as_bytes().try_into().ok()?;
        let mut bytes = [0; TOKEN_LEN];
        let decoded = Base64UrlUnpadded::decode(text, &mut bytes).ok()?;
        let (content, mac) = decoded.split_first_chunk()?;
        Some((*content, *mac.first_chunk()?))
    }

    /// Returns the text of the token: [`TOKEN_CHARS`] letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // base64url is ASCII, so this cannot fail.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<str> for TapToken {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for TapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTENT: Content = Content {
        key: 0xA5,
        counter_id: CounterId::from_bytes(*b"0123456789abcdef"),
        ctr: SdmReadCtr::MAX,
        uid: Some(Uid::from_bytes([4, 1, 2, 3, 4, 5, 6])),
        tamper: None,
        audience: [7; 8],
        issued_at: UnixMillis::new(LAST - 1),
        expires_at: UnixMillis::new(LAST),
    };

    #[test]
    fn contents_round_trip() {
        for uid in [None, CONTENT.uid] {
            for tamper in [None, Some(TtStatus::new(b'O', b'C', true))] {
                let content = Content { uid, tamper, ..CONTENT };
                assert_eq!(Content::from_bytes(&content.to_bytes()), Some(content));
                let (bytes, mac) = TapToken::decode(TapToken::encode(&content.to_bytes(), [9; 16]).as_str()).unwrap();
                assert_eq!((bytes, mac), (content.to_bytes(), [9; 16]));
            }
        }
    }

    #[test]
    fn unknown_versions_and_flags_are_refused() {
        for head in 0..=u8::MAX {
            let mut bytes = CONTENT.to_bytes();
            bytes[0] = head;
            assert_eq!(Content::from_bytes(&bytes).is_some(), (0x10..0x14).contains(&head), "{head:02X}");
        }
    }

    /// A time beyond the last one that fits is stored as the last one, so the token expires earlier, not later.
    #[test]
    fn times_stop_at_the_last_one() {
        let late = Content { expires_at: UnixMillis::new(u64::MAX), ..CONTENT };
        assert_eq!(Content::from_bytes(&late.to_bytes()), Some(CONTENT));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let token = TapToken::encode(&CONTENT.to_bytes(), [0xFB; 16]);
        let text = token.as_str();
        assert!(text.len() == 88 && TapToken::decode(text).is_some());
        assert!(TapToken::decode("").is_none());
        assert!(TapToken::decode(&text[1..]).is_none());
        for (from, to) in [("-", "+"), ("_", "/"), ("A", "="), ("A", " "), ("A", "\0")] {
            let other = text.replacen(from, to, 1);
            assert!(other == text || TapToken::decode(&other).is_none(), "{to:?}");
        }
    }
}
