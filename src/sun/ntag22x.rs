//! SUNCMAC: the MAC of NTAG 223 DNA and NTAG 224 DNA. Source: NXP AN12998, as quoted in public test code.
//!
//! These chips write `UIDxCTRx[TTx]SUNCMAC` into the URL and do not have SDM. They compute the MAC directly under the
//! key SUNCMAC_KEY, without a session key. The MAC covers the mirrored values and no other text of the URL, so the
//! template has no `[[`. To verify taps of these chips, create a layout with [`Scheme::Suncmac`]. All other steps are
//! the same as for an NTAG 424 DNA:
//!
//! ```
//! use suntap::{Scheme, SdmFileReadKey, SdmLayout, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!(Scheme::Suncmac, "https://example.com/?m={uid}x{ctr}x{mac}");
//!
//! let key = SdmFileReadKey::FACTORY.prepare(Scheme::Suncmac);
//! let url = "https://example.com/?m=04C767F2066180x000003x3779793DFE592188";
//! assert_eq!(LAYOUT.parse(url)?.read_plain()?.verify(&key)?.ctr().get(), 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! On StatusDetect chips, `{tt}` is ten characters long: two status characters and eight hexadecimal digits (four bytes
//! of data). Each status character is `C`, `O` or `I`, or `0` if StatusDetect is off. The MAC always covers `{tt}`.
//!
//! This module was checked with two taps published by NXP and with taps recorded from NTAG 223 DNA StatusDetect chips.
//! All MACs match. **No NTAG 224 DNA was available. This module assumes that an NTAG 224 DNA computes the MAC in the
//! same way as an NTAG 223 DNA. The assumption is not tested on a real chip.**
//!
//! Enable the counter of the chip. If the counter is disabled, the chip writes `000000` as the counter, and every tap
//! has the same URL. A tap with counter 0 is always rejected as [`NotAuthentic`](crate::VerifyError::NotAuthentic),
//! even if the MAC matches, because a copy of such a URL cannot be detected. All recorded taps of NTAG 223 DNA
//! StatusDetect chips have counter 0, so this crate rejects them.

use crate::cipher::chunks;
use crate::key::FileReadKey;
use crate::value::{Scheme, SdmReadCtr, Uid};

/// The status block of a StatusDetect chip: two status characters and four bytes of data. This crate does not interpret
/// the block.
///
/// The meaning of the status characters and the data depends on the settings of the chip. The data sheet of the chip
/// defines the meaning. The two characters do not have the same meaning as TTPermStatus and TTCurrStatus of an NTAG 424
/// DNA TagTamper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatusDetect {
    /// The two status characters.
    pub status: [u8; 2],
    /// The four bytes of data after the status characters.
    pub data: [u8; 4],
}

impl StatusDetect {
    /// Parses the ten characters of a status block. Returns `None` if `text` is not a valid status block.
    #[must_use]
    pub fn from_ascii(text: &[u8]) -> Option<Self> {
        let (status, data) = text.split_first_chunk()?;
        let block = Self { status: *status, data: crate::value::hex::decode(data).ok()? };
        block.packed().map(|_| block)
    }

    /// Returns the five bytes that the MAC covers: the two status characters packed into one byte, then the data.
    /// Returns `None` if a status character is invalid.
    fn packed(self) -> Option<[u8; 5]> {
        let [first, second] = self.status.map(|status| match status {
            b'C' => Some(0x3),
            b'O' => Some(0xF),
            b'I' => Some(0x9),
            b'0' => Some(0x0),
            _ => None,
        });
        let [a, b, c, d] = self.data;
        Some([first? << 4 | second?, a, b, c, d])
    }
}

/// Computes the full CMAC over the UID and the counter (MSB first). If `status_detect` is `Some`, the CMAC also covers
/// the status block, packed into five bytes: one byte for the two status characters, then the data.
///
/// The chip [truncates](crate::SdmMac::truncate) this CMAC to eight bytes and writes the eight bytes into the URL.
/// Returns `None` if a status character is invalid, or if the key was prepared for a scheme other than
/// [`Scheme::Suncmac`].
#[doc(alias = "SUNCMAC")]
#[must_use]
pub fn suncmac(
    key: &impl FileReadKey,
    uid: Uid,
    ctr: SdmReadCtr,
    status_detect: Option<StatusDetect>,
) -> Option<[u8; 16]> {
    let status = match status_detect {
        Some(block) => Some(block.packed()?),
        None => None,
    };
    let message = uid.as_bytes().iter().copied().chain(ctr.to_msb_first()).chain(status.into_iter().flatten());
    key.cmac_in(Scheme::Suncmac, chunks(message))
}
