//! Recipes: the ways in which a MAC may have been computed. Some are those of a chip. The others are mistakes of
//! programs that simulate a chip.

use core::iter;

use heapless::Vec;

use super::candidates::reversed_uid;
use super::url_parts::UrlParts;
use crate::key::{PreparedFileReadKey, SdmFileReadKey};
use crate::sun::session::{EncKey, MacKey};
use crate::sun::span::Span;
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// The content of a session vector, the input from which a session key is computed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SessionVector {
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
    /// `true` if the bytes of the counter are in reverse order.
    pub(super) is_ctr_reversed: bool,
}

impl SessionVector {
    /// Returns the counter with its bytes in the order of the session vector.
    pub(super) fn used_ctr(&self) -> Option<SdmReadCtr> {
        self.ctr.map(|ctr| if self.is_ctr_reversed { reversed(ctr) } else { ctr })
    }
}

/// The key with which a MAC was computed. A chip uses `Session`. The other keys are mistakes of programs that simulate
/// a chip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MacKeySource {
    /// The session key for the MAC.
    Session,
    /// The session key for file data.
    EncSession,
    /// The SDMFileReadKey itself.
    FileKey,
}

/// The text or the bytes that a MAC covers. On a chip, it covers `Text`. `Bytes` is a mistake of programs that simulate
/// a chip.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MacMessage {
    /// The text of the URL from [`UrlParts::window_start`] to the MAC.
    Text,
    /// The decoded bytes of the mirrors.
    Bytes,
}

/// The bytes of a CMAC that make up the MAC. A chip uses `OddBytes`. The others are mistakes of programs that simulate
/// a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Truncation {
    /// The bytes with odd indices, counted from 0.
    OddBytes,
    EvenBytes,
    FirstHalf,
    LastHalf,
}

/// The way in which a MAC was computed. The start of the MAC input and the truncation of the CMAC are not part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Recipe {
    pub(super) key: MacKeySource,
    pub(super) vector: SessionVector,
    pub(super) message: MacMessage,
}

/// The recipes that one round of the search tries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Recipes {
    /// The recipe of a chip whose session vector has the same UID and counter as the URL.
    Chip,
    /// The recipe of a chip, but with other session vectors. A chip can use some of them; the others are mistakes of
    /// programs.
    Vectors,
    /// The MAC covers text, but it is computed with a key other than the session key for the MAC.
    WrongKeys,
    /// The MAC covers decoded bytes. All keys of [`MacKeySource`] are tried.
    Bytes,
}

impl Recipes {
    /// Returns the recipes. `claimed` is the session vector made from the UID and the counter of the URL. `known_uid`
    /// is the assumed UID of the tag.
    pub(super) fn list(self, claimed: SessionVector, known_uid: Option<Uid>) -> Vec<Recipe, 12> {
        let recipe = |key, vector, message| Recipe { key, vector, message };
        let other_keys = [MacKeySource::FileKey, MacKeySource::EncSession];
        match self {
            Self::Chip => iter::once(recipe(MacKeySource::Session, claimed, MacMessage::Text)).collect(),
            Self::Vectors => other_vectors(claimed, known_uid)
                .map(|vector| recipe(MacKeySource::Session, vector, MacMessage::Text))
                .collect(),
            Self::WrongKeys => other_keys.into_iter().map(|key| recipe(key, claimed, MacMessage::Text)).collect(),
            Self::Bytes => [MacKeySource::Session, MacKeySource::FileKey, MacKeySource::EncSession]
                .into_iter()
                .map(|key| recipe(key, claimed, MacMessage::Bytes))
                .collect(),
        }
    }
}

/// Returns variants of the claimed session vector: with the assumed UID of the tag (`known_uid`), with the UID
/// reversed, without the UID, without the counter, with the bytes of the counter in reverse order, and combinations of
/// these changes.
fn other_vectors(claimed: SessionVector, known_uid: Option<Uid>) -> impl Iterator<Item = SessionVector> {
    let SessionVector { uid, ctr, .. } = claimed;
    let uids = [uid, None, known_uid.filter(|known| uid != Some(*known)), uid.map(reversed_uid)];
    let all = uids.into_iter().flat_map(move |uid| {
        let counters = [(ctr, false), (None, false), (ctr, true)];
        counters.into_iter().map(move |(ctr, is_ctr_reversed)| SessionVector { uid, ctr, is_ctr_reversed })
    });
    all.filter(move |other| *other != claimed)
}

impl Recipe {
    /// Returns the key with which this recipe computes the MAC. Returns `None` if the scheme has no such key, or if a
    /// UID or counter that is needed for the key is missing.
    pub(super) fn mac_key(&self, key: &SdmFileReadKey, prepared: &PreparedFileReadKey) -> Option<MacKey> {
        let (uid, ctr) = (self.vector.uid, self.vector.used_ctr());
        match self.key {
            MacKeySource::Session => MacKey::derive(prepared, uid, ctr),
            MacKeySource::FileKey => MacKey::from_secret(prepared.scheme(), *key.expose_bytes()),
            // In LRP mode, both session keys are made from the same secret, so this recipe would only repeat
            // `MacKeySource::Session`.
            MacKeySource::EncSession if prepared.scheme() != Scheme::Aes => None,
            MacKeySource::EncSession => {
                MacKey::from_secret(prepared.scheme(), *EncKey::derive(prepared, uid?, ctr?)?.expose_bytes())
            }
        }
    }
}

/// Returns the counter with its bytes in reverse order.
fn reversed(ctr: SdmReadCtr) -> SdmReadCtr {
    let [low, mid, high] = ctr.to_lsb_first();
    SdmReadCtr::from_lsb_first([high, mid, low])
}

/// Bytes over which a program that simulates a chip may compute its MAC, instead of over the text of the URL.
pub(super) type ByteMessage = Vec<u8, 160>;

/// Returns the decoded bytes of each mirror, and the joined bytes of some pairs of mirrors.
pub(super) fn byte_messages(parts: &UrlParts, url: &str, claimed: SessionVector) -> Vec<ByteMessage, 8> {
    let decoded = |part: Option<Span>| {
        let digits = part?.slice(url).as_bytes();
        let mut bytes = ByteMessage::new();
        bytes.resize_default(digits.len() / 2).ok()?;
        hex::decode_into(digits, &mut bytes).ok()?;
        Some(bytes)
    };
    let joined = |first: &Option<ByteMessage>, second: &Option<ByteMessage>| {
        let mut bytes = first.clone()?;
        bytes.extend_from_slice(second.as_ref()?).ok()?;
        Some(bytes)
    };
    let (picc_data, enc) = (decoded(parts.picc_data), decoded(parts.enc));
    let (uid, ctr) = (decoded(parts.uid), decoded(parts.ctr));
    let plain_uid = claimed.uid.and_then(|uid| ByteMessage::from_slice(uid.as_bytes()).ok());
    let lsb_first = claimed.ctr.and_then(|ctr| ByteMessage::from_slice(&ctr.to_lsb_first()).ok());
    let plain = joined(&plain_uid, &lsb_first);
    let messages = [joined(&picc_data, &enc), joined(&uid, &ctr), plain, plain_uid, picc_data, enc, uid, ctr];
    messages.into_iter().flatten().collect()
}

/// The hexadecimal digits of a MAC in a URL. If the URL ends inside the MAC, only the digits in the URL are compared.
#[derive(Clone, Copy)]
pub(super) struct MacDigits {
    bytes: [u8; 8],
    count: usize,
}

impl MacDigits {
    /// Parses the digits. Returns `None` if the text has more than 16 characters, or a character that is not a
    /// hexadecimal digit.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let count = text.len();
        let mut digits = [b'0'; 16];
        digits.get_mut(..count)?.copy_from_slice(text.as_bytes());
        Some(Self { bytes: hex::decode(&digits).ok()?, count })
    }

    fn matches<'c>(&self, candidate: impl Iterator<Item = &'c u8>) -> bool {
        let mut left = self.count;
        let mut pairs = candidate.zip(&self.bytes);
        pairs.all(|(expected, found)| {
            let mask = match left {
                0 => 0x00,
                1 => 0xF0,
                _ => 0xFF,
            };
            left = left.saturating_sub(2);
            (expected ^ found) & mask == 0
        })
    }
}

impl Truncation {
    /// Returns the truncation of `cmac` that yields `mac`, or `None` if no truncation yields it.
    pub(super) fn find(cmac: &[u8; 16], mac: MacDigits) -> Option<Self> {
        if mac.matches(cmac.iter().skip(1).step_by(2)) {
            Some(Self::OddBytes)
        } else if mac.matches(cmac.iter().step_by(2)) {
            Some(Self::EvenBytes)
        } else if mac.matches(cmac.iter().take(8)) {
            Some(Self::FirstHalf)
        } else if mac.matches(cmac.iter().skip(8)) {
            Some(Self::LastHalf)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If a MAC is shortened, every digit that remains is compared.
    #[test]
    fn shortened_macs_are_compared_digit_by_digit() {
        let cmac: [u8; 16] = core::array::from_fn(|at| u8::try_from(at).unwrap() * 0x11);
        let text = "1133557799BBDDFF";
        for count in 10..=16 {
            let mac = MacDigits::parse(&text[..count]).unwrap();
            assert_eq!(Truncation::find(&cmac, mac), Some(Truncation::OddBytes));
            for at in 0..count {
                let mut wrong = text.as_bytes()[..count].to_vec();
                wrong[at] = b'0';
                let wrong = MacDigits::parse(str::from_utf8(&wrong).unwrap()).unwrap();
                assert_eq!(Truncation::find(&cmac, wrong), None, "{count} {at}");
            }
        }
        assert!(MacDigits::parse("1133557799BBDDFF0").is_none() && MacDigits::parse("x133557799").is_none());
    }
}
