//! The certificate of an NTAG X DNA, from which its public key comes (feature `certificate`).
//!
//! Each chip carries an X.509 certificate. It names the UID and the public key of the chip, and is signed by a root key
//! of NXP. When you enrol a tag, read its UID and its certificate with the commands of the chip, call
//! [`tag_public_key`], and store the key in your record of the tag. A tap does not contain the certificate.
//!
//! A certificate is public, and anybody can copy it. It proves that the chip with this UID has this key. Only a tap
//! that verifies with the key proves that the chip was there.
//!
//! ```
//! use suntap::certificate::{NXP_AUTH_ROOT_CA_E201, RootKey, tag_public_key};
//! use suntap::{Uid, UnixMillis};
//!
//! # fn unhex(text: &str) -> Vec<u8> {
//! #     text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
//! # }
//! # let certificate = unhex(concat!(
//! #     "7F2182016A308201663082010BA003020102020704AC4DBAD71E90300A06082A8648CE3D0403023046310C300A060355040A0C03",
//! #     "4E5850311D301B06035504030C144E5850204175746820526F6F7443417645323031311730150603550405130E36333730393332",
//! #     "30313031303031301E170D3234313030323030303030305A170D3434313030323030303030305A302C31173015060355040D0C0E",
//! #     "30344130303030343031303030313111300F060355042D03080004AC4DBAD71E903059301306072A8648CE3D020106082A8648CE",
//! #     "3D03010703420004BDD47762CE1E6C3D891A687A9E3ED186FCE921D98FD55040106F6CD734423DCC94BA0EF8C1CD6DB3E9B1482E",
//! #     "8F2DBFCA92EA2D819737D71F3B1D7D5C83BE3F01300A06082A8648CE3D0403020349003046022100BEF07969E60B3568CE0CD053",
//! #     "96C9389172F1C03DC16A03AB5578F0871EA8EF15022100BEA38F38F28016BA9381D18BF354411A0E2FFD67A8A11D00F0D27C2198",
//! #     "16BA20",
//! # ));
//! // `certificate` was read from the chip.
//! let root = RootKey::from_hex(NXP_AUTH_ROOT_CA_E201)?;
//! let (uid, now) = (Uid::from_hex("04AC4DBAD71E90")?, UnixMillis::new(1_795_000_000_000));
//! let key = tag_public_key(&certificate, &[root], uid, now)?;
//! assert_eq!(key.to_string(), "03BDD47762CE1E6C3D891A687A9E3ED186FCE921D98FD55040106F6CD734423DCC");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Sources: NXP/nxmw v02.07.00, `demos/nx/sdm`, for the wrapper and the UID; RFC 5280 for certificates; RFC 5480 and
//! RFC 5758 for keys and signatures.

use core::fmt;
use core::str::FromStr;

use der::asn1::{BitStringRef, ObjectIdentifier};
use der::{Decode as _, Header, Reader as _, SliceReader};
use p256::ecdsa::Signature;
use x509_cert::Certificate;
use x509_cert::certificate::TbsCertificate;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::key::TagPublicKey;
use crate::value::{ParseError, Uid, UnixMillis};

/// The root key "NXP Auth RootCAvE201" as hexadecimal digits, valid from 2024-06-26 to 2064-06-26. Other batches of
/// chips may have other root keys. The demonstration certificates of NXP have the same name, but other keys.
pub const NXP_AUTH_ROOT_CA_E201: &str = concat!(
    "04D4565EABFFF201C2B78513A94A27AE2D1D5A16137B892AD16CB073144B228308",
    "0BA400B32E25D7CBD1FE33DADF62FF1D01B87708621AA62E63C54241E1B93361",
);

/// ecdsa-with-SHA256. Source: RFC 5758 §3.2.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// id-ecPublicKey and secp256r1. Source: RFC 5480 §2.1.1.
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
/// The attribute of the subject that contains the UID: uniqueIdentifier. Source: X.520 §6.2.7.
const UNIQUE_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.45");

/// A root key that you trust to sign the certificates of chips: a point on the curve NIST P-256.
///
/// The key is what you trust, and not the name in a certificate, because anybody can write any name into a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RootKey(TagPublicKey);

impl RootKey {
    /// Reads a key in SEC1 form, like [`TagPublicKey::from_sec1`].
    ///
    /// # Errors
    /// Returns the same errors as [`TagPublicKey::from_sec1`].
    pub fn from_sec1(bytes: &[u8]) -> Result<Self, ParseError> {
        TagPublicKey::from_sec1(bytes).map(Self)
    }

    /// Reads a key from 66 or 130 hexadecimal digits, like [`TagPublicKey::from_hex`].
    ///
    /// # Errors
    /// Returns the same errors as [`TagPublicKey::from_hex`].
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        TagPublicKey::from_hex(text).map(Self)
    }
}

impl FromStr for RootKey {
    type Err = ParseError;

    /// Reads a key like [`from_hex`](RootKey::from_hex).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::from_hex(text)
    }
}

/// Writes the compressed form of the key as 66 upper-case hexadecimal digits.
impl fmt::Display for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({self})")
    }
}

/// The reason why a certificate does not give the public key of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateError {
    /// The bytes do not consist of `7F21`, `82`, a length (two bytes, MSB first) and as many bytes as the length says.
    Wrapper,
    /// The content of the wrapper is not a DER-encoded X.509 certificate.
    Encoding,
    /// The certificate has a different form than the certificates of chips: its signature is not ECDSA with SHA-256,
    /// its public key is not on the curve P-256, or it has a critical extension.
    Unsupported,
    /// None of the given root keys has signed the certificate.
    UnknownRoot,
    /// The validity of the certificate begins later.
    NotYetValid,
    /// The validity of the certificate has ended.
    Expired,
    /// The certificate does not name exactly one UID, or its serial number is not the UID.
    NoUid,
    /// The certificate is that of a different tag.
    OtherTag {
        /// The UID in the certificate.
        uid: Uid,
    },
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrapper => f.write_str("expected 7F2182, the length and the certificate, as the chip returns them"),
            Self::Encoding => f.write_str("not a DER-encoded X.509 certificate"),
            Self::Unsupported => f.write_str(
                "unsupported certificate: expected a key on P-256, ECDSA with SHA-256, and no critical extensions",
            ),
            Self::UnknownRoot => f.write_str("none of the trusted root keys has signed the certificate"),
            Self::NotYetValid => f.write_str("the certificate is not valid yet"),
            Self::Expired => f.write_str("the certificate has expired"),
            Self::NoUid => f.write_str("the certificate does not name one UID"),
            Self::OtherTag { uid } => write!(f, "the certificate is that of a different tag, with UID {uid}"),
        }
    }
}

impl core::error::Error for CertificateError {}

/// Verifies the certificate of a chip, and returns the public key in it.
///
/// `certificate` is what the chip returns: `7F21`, a length and the DER-encoded certificate. `roots` are the root keys
/// that you trust. `uid` is the UID of the tag, which you read from the chip itself. `at` is the current time.
///
/// # Errors
/// Returns a [`CertificateError`] if the bytes are not a certificate, if none of the root keys has signed it, if it is
/// not valid at this time, or if it is the certificate of a different tag.
pub fn tag_public_key(
    certificate: &[u8],
    roots: &[RootKey],
    uid: Uid,
    at: UnixMillis,
) -> Result<TagPublicKey, CertificateError> {
    let der = unwrapped(certificate).ok_or(CertificateError::Wrapper)?;
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError::Encoding)?;
    let signed = signed_bytes(der).map_err(|_| CertificateError::Encoding)?;
    let content = certificate.tbs_certificate();
    let has_signature = [certificate.signature_algorithm(), content.signature()].into_iter().all(is_ecdsa_with_sha256);
    let signature = certificate.signature().as_bytes().ok_or(CertificateError::Encoding)?;
    if !has_signature || has_critical_extension(content) {
        return Err(CertificateError::Unsupported);
    }
    // A signature whose r or s is out of range is of no key.
    let signature = Signature::from_der(signature).map_err(|_| CertificateError::UnknownRoot)?.to_bytes().into();
    if !roots.iter().any(|root| root.0.has_signed([signed], &signature)) {
        return Err(CertificateError::UnknownRoot);
    }
    let (validity, now) = (content.validity(), at.get() / 1000);
    if now < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotYetValid);
    }
    if now > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired);
    }
    let named = subject_uid(content).ok_or(CertificateError::NoUid)?;
    if named != uid {
        return Err(CertificateError::OtherTag { uid: named });
    }
    public_key(content.subject_public_key_info()).ok_or(CertificateError::Unsupported)
}

/// Returns the bytes in the wrapper.
fn unwrapped(bytes: &[u8]) -> Option<&[u8]> {
    let [0x7F, 0x21, 0x82, high, low, content @ ..] = bytes else { return None };
    (usize::from(u16::from_be_bytes([*high, *low])) == content.len()).then_some(content)
}

/// Returns the bytes that the signature covers: the first element of the certificate, as received. Encoding the parsed
/// certificate again could give other bytes.
fn signed_bytes(der: &[u8]) -> der::Result<&[u8]> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

fn is_ecdsa_with_sha256(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == ECDSA_WITH_SHA256 && algorithm.parameters.is_none()
}

/// Returns `true` if the certificate has an extension that a verifier must not ignore. The certificates of chips have
/// no extensions. Source: RFC 5280 §4.2.
fn has_critical_extension(content: &TbsCertificate) -> bool {
    content.extensions().into_iter().flatten().any(|extension| extension.critical)
}

/// Returns the UID that the certificate names, both in its subject and as its serial number.
fn subject_uid(content: &TbsCertificate) -> Option<Uid> {
    let mut uids = content.subject().iter().filter(|attribute| attribute.oid == UNIQUE_IDENTIFIER);
    let (uid, None) = (uids.next()?, uids.next()) else { return None };
    let uid = uid.value.decode_as::<BitStringRef<'_>>().ok()?.as_bytes()?;
    (content.serial_number().as_bytes() == uid).then(|| Uid::try_from(uid).ok()).flatten()
}

fn public_key(info: &SubjectPublicKeyInfoOwned) -> Option<TagPublicKey> {
    let curve = info.algorithm.parameters.as_ref()?.decode_as::<ObjectIdentifier>().ok()?;
    if info.algorithm.oid != EC_PUBLIC_KEY || curve != SECP256R1 {
        return None;
    }
    TagPublicKey::from_sec1(info.subject_public_key.as_bytes()?).ok()
}
