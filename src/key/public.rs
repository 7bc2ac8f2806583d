//! Defines the public key of a tag that signs its taps.

use core::fmt;
use core::str::FromStr;

use p256::NistP256;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::elliptic_curve::sec1::CompressedPoint;
use sha2::{Digest as _, Sha256};

use crate::value::{CounterId, ParseError, Uid, hex};

/// The public key of a tag that signs its taps, for [`Scheme::Ecdsa`](crate::Scheme::Ecdsa): a point on the curve NIST
/// P-256.
///
/// The private key never leaves the chip. Nobody can forge a tap with the public key, so it needs no protection from
/// being read. Protect it from being *replaced*: anybody who can write a different public key into your records can
/// forge taps. Read the key from the certificate of the chip when you enrol the tag, with `certificate::tag_public_key`
/// (feature `certificate`).
///
/// A signature proves the text that it covers, and nothing else. If the layout has `{picc}`, this text contains the
/// *encrypted* UID and counter. A wrong SDMMetaReadKey can decrypt them to different values that look valid, with a
/// probability of 1 in 256, or of 3 in 256 for `{picc}` without options. A MAC would then not match, but the signature
/// still does. A [`Verifier`](crate::Verifier) therefore accepts only one meta-read key for such a layout. If you call
/// [`UnverifiedTap::open`](crate::UnverifiedTap::open) yourself, open each tap with the meta-read key of its tag only.
///
/// ```
/// use suntap::{MemoryCounters, Scheme, SdmLayout, TagPublicKey, Verifier, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
///
/// let key = TagPublicKey::from_hex("03A17C02DAB2E67FD77DB3B7C5956858420BF43D47632F89FA96169239EBA42615")?;
/// let verifier = Verifier::new(&LAYOUT, (), key)?;
/// let url = "https://ntag.nxp.com/xdna?m=04260471C88990&c=0000E2&s=351767F82CB96B413E885F3F2E339FDC932F20B1EC4A62F3F8B0\
///            CC5EBE34EAA555E043FA0D25FF251455173AB27118F57BE89A85E8A6374D2C0161F81D48D494";
/// let mut counters = MemoryCounters::<64>::new();
/// assert_eq!(verifier.admit(url, &mut counters, None)?.ctr().get(), 226);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TagPublicKey(VerifyingKey);

impl TagPublicKey {
    /// Reads a key in the form of SEC1 §2.3.3, MSB first: 33 bytes (`02` or `03`, then x) or 65 bytes (`04`, then x and
    /// y).
    ///
    /// # Errors
    /// Returns [`ParseError::PublicKey`] if the bytes do not have one of these forms, or if the point is not on the
    /// curve.
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, ParseError> {
        match (bytes.first(), bytes.len()) {
            (Some(2 | 3), 33) | (Some(4), 65) => {
                VerifyingKey::from_sec1_bytes(bytes).map(Self).map_err(|_| ParseError::PublicKey)
            }
            _ => Err(ParseError::PublicKey),
        }
    }

    /// Reads a key from 66 or 130 hexadecimal digits in upper or lower case, which give the bytes of
    /// [`from_sec1`](Self::from_sec1).
    ///
    /// # Errors
    /// Returns [`ParseError::HexDigit`] if a character is not a hexadecimal digit, and [`ParseError::PublicKey`] in all
    /// other cases.
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        match text.len() {
            66 => Self::from_sec1(&hex::decode::<33>(text.as_bytes())?),
            130 => Self::from_sec1(&hex::decode::<65>(text.as_bytes())?),
            _ => Err(ParseError::PublicKey),
        }
    }

    #[cfg(feature = "emulator")]
    pub(crate) fn from_private_key(private_key: &p256::ecdsa::SigningKey) -> Self {
        Self(*private_key.verifying_key())
    }

    /// Returns the compressed form of the key: `02` or `03`, then x, MSB first.
    #[must_use]
    pub fn to_compressed(&self) -> [u8; 33] {
        CompressedPoint::<NistP256>::from(&self.0).into()
    }

    /// Returns the counter id of the tag with this UID and this public key, like
    /// [`PreparedFileReadKey::counter_id`](crate::PreparedFileReadKey::counter_id).
    ///
    /// **This counter id is not a keyed pseudonym.** It contains no secret: anybody who knows the public key and the UID can
    /// compute it, and can find the tag in your store.
    ///
    /// The counter id is the first 16 bytes of a SHA-256 hash. The hash covers the text `suntap counter of P-256 key`, the
    /// 33 bytes of [`to_compressed`](Self::to_compressed), and the UID if there is one. It is the same in every release.
    ///
    /// `uid` is the UID of the *verified* tap, or `None` for a tag that mirrors no UID. A tag that mirrors no UID must
    /// not share its key with any other tag.
    #[must_use]
    pub fn counter_id(&self, uid: Option<Uid>) -> CounterId {
        let hash = Sha256::new().chain_update(b"suntap counter of P-256 key").chain_update(self.to_compressed());
        let uid = uid.as_ref().map(Uid::as_bytes);
        let hash: [u8; 32] = hash.chain_update(uid.map_or(&[][..], |uid| uid)).finalize().into();
        let (id, _) = hash.split_first_chunk().unwrap_or((&[0; 16], &[]));
        CounterId::from_bytes(*id)
    }

    /// Returns `true` if `signature` is a signature of the message with this key: ECDSA with SHA-256. The message is given
    /// in parts. `signature` is r and then s, 32 bytes each, MSB first.
    ///
    /// Accepts s in the upper half of its range, because chips write it. For each signature (r, s), the signature (r, n -
    /// s) is also valid, so the same tap can be written in two ways. Only the counter decides whether a tap is new.
    pub(crate) fn has_signed(&self, message: impl IntoIterator<Item: AsRef<[u8]>>, signature: &[u8; 64]) -> bool {
        // Fails if r or s is zero, or is not less than the order of the curve.
        let Ok(signature) = Signature::from_bytes(signature.into()) else { return false };
        let hash = message.into_iter().fold(Sha256::new(), Sha256::chain_update);
        self.0.verify_prehash(&hash.finalize(), &signature).is_ok()
    }
}

impl TryFrom<&[u8]> for TagPublicKey {
    type Error = ParseError;

    /// Reads a key like [`from_sec1`](TagPublicKey::from_sec1).
    fn try_from(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::from_sec1(bytes)
    }
}

impl FromStr for TagPublicKey {
    type Err = ParseError;

    /// Reads a key like [`from_hex`](TagPublicKey::from_hex).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::from_hex(text)
    }
}

/// Writes the 66 upper-case hexadecimal digits of the compressed form.
impl fmt::Display for TagPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write_upper(&self.to_compressed(), f)
    }
}

impl fmt::Debug for TagPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TagPublicKey({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;
    use std::vec::Vec;

    use super::*;

    /// The public key of RFC 6979 §A.2.5.
    const KEY: &str = "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6\
                       7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299";

    fn key() -> TagPublicKey {
        TagPublicKey::from_hex(KEY).unwrap()
    }

    /// RFC 6979 §A.2.5, with SHA-256.
    #[test]
    fn rfc_6979_signatures_verify() {
        for (message, signature) in [
            (
                "sample",
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716\
                 F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
            ),
            (
                "test",
                "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367\
                 019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083",
            ),
        ] {
            let signature = hex::decode(signature.as_bytes()).unwrap();
            assert!(key().has_signed([message], &signature));
            assert!(!key().has_signed([message, message], &signature));
        }
    }

    #[test]
    fn both_forms_give_the_same_key() {
        let compressed = key().to_string();
        assert_eq!(compressed, "0360FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6");
        assert_eq!(compressed.parse(), Ok(key()));
        assert_eq!(compressed.to_lowercase().parse(), Ok(key()));
        assert_eq!(TagPublicKey::try_from(&key().to_compressed()[..]), Ok(key()));
        let other: TagPublicKey = compressed.replacen("03", "02", 1).parse().unwrap();
        assert_ne!(other, key(), "the point with the other y");
        assert_eq!(std::format!("{:?}", key()), std::format!("TagPublicKey({compressed})"));
    }

    /// Only points on the curve are keys. Source: SEC1 §2.3.4.
    #[test]
    fn other_bytes_are_not_keys() {
        let whole: [u8; 65] = hex::decode(KEY.as_bytes()).unwrap();
        let refused =
            |bytes: &[u8]| assert_eq!(TagPublicKey::from_sec1(bytes), Err(ParseError::PublicKey), "{bytes:?}");
        for at in 1..65 {
            for bit in 0..8 {
                let mut bytes = whole;
                bytes[at] ^= 1 << bit;
                refused(&bytes);
            }
        }
        for tag in (0..=u8::MAX).filter(|tag| *tag != 4) {
            let mut bytes = whole;
            bytes[0] = tag;
            refused(&bytes);
        }
        for tag in (0..=u8::MAX).filter(|tag| !matches!(tag, 2 | 3)) {
            let mut bytes = key().to_compressed();
            bytes[0] = tag;
            refused(&bytes);
        }
        for len in (0..65).filter(|len| *len != 33) {
            refused(&whole[..len]);
        }
        refused(&whole[..33]);
        refused(&[&whole[..], &[0]].concat());
        // The point at infinity, in its only form and padded; x = 0 with y = 0; x and y above the prime.
        for bytes in [&[0][..], &[0; 33], &[0; 65]] {
            refused(bytes);
        }
        refused(&[&[4][..], &[0; 64]].concat());
        refused(&[&[4][..], &[0xFF; 64]].concat());
        refused(&[&[2][..], &[0xFF; 32]].concat());
        assert_eq!(TagPublicKey::from_hex(&KEY.replace("FE", "FG")), Err(ParseError::HexDigit));
        for text in ["", "00", &KEY[..128], &KEY[2..]] {
            assert_eq!(TagPublicKey::from_hex(text), Err(ParseError::PublicKey), "{text}");
        }
        let points: Vec<_> = (0..=u8::MAX).filter(|x| compressed_with(*x).is_ok()).collect();
        assert!((100..156).contains(&points.len()), "about half of all x are on the curve: {}", points.len());
    }

    fn compressed_with(x: u8) -> Result<TagPublicKey, ParseError> {
        let mut bytes = [0; 33];
        (bytes[0], bytes[32]) = (2, x);
        TagPublicKey::from_sec1(&bytes)
    }

    /// A counter id must stay the same in every release. Computed with Python's `hashlib`.
    #[test]
    fn counter_ids_are_fixed() {
        let uid = Uid::from_hex("04260471C88990").unwrap();
        assert_eq!(key().counter_id(Some(uid)).to_string(), "EF32AA0D7E4DC960F2FCF724BBDF9BF2");
        assert_eq!(key().counter_id(None).to_string(), "C7CD2E0E0F6C09D0DBCE63F781F5937E");
    }
}
