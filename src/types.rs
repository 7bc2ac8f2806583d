//! The plain values that pass between the rooms of the house.

use core::fmt;

use crate::error::ParseHexError;
use crate::hex;

/// The seven-byte unique identifier of a chip, in the order the chip sends and mirrors it.
///
/// Source: NT4H2421Gx §9.3.3, Table 20. Printed as 14 upper-case hexadecimal digits.
///
/// ```
/// # use suntap::Uid;
/// let uid = Uid::from_hex("04de5f1eacc040")?;
/// assert_eq!(uid.to_string(), "04DE5F1EACC040");
/// # Ok::<(), suntap::ParseHexError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 7]);

impl Uid {
    /// A UID from its seven bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 7]) -> Self {
        Self(bytes)
    }

    /// A UID from 14 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`ParseHexError`] if the length is not 14 or a character is no digit.
    pub fn from_hex(text: &str) -> Result<Self, ParseHexError> {
        hex::decode(text.as_bytes()).map(Self)
    }

    /// The seven bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 7] {
        &self.0
    }

    /// The 14 upper-case digits that the chip mirrors.
    #[must_use]
    pub fn to_ascii(self) -> [u8; 14] {
        hex::encode_upper(&self.0)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_upper(&self.0, f)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// The 24-bit SDM read counter. This type is the only place that knows its byte order.
///
/// The chip sets it to 0 when SDM is enabled and raises it before the first read of a run, so a genuine tap carries 1 or
/// more. It is **LSB first** inside PICCData, the session vectors and the file-data IV, and **MSB first** only in the plain
/// ASCII mirror. Source: NT4H2421Gx §9.3.1.
#[doc(alias = "SDMReadCtr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SdmReadCtr(u32);

impl SdmReadCtr {
    /// A counter that no tap carries.
    pub const ZERO: Self = Self(0);
    /// `FFFFFFh`: a chip that reached it can not be read any more.
    pub const MAX: Self = Self(0x00FF_FFFF);

    /// A counter from its value; `None` above [`Self::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// From three bytes, least significant first.
    #[must_use]
    pub const fn from_lsb_first([low, mid, high]: [u8; 3]) -> Self {
        Self(u32::from_le_bytes([low, mid, high, 0]))
    }

    /// From the six digits of the plain ASCII mirror, most significant first, in either case.
    ///
    /// # Errors
    /// [`ParseHexError`] if the length is not 6 or a character is no digit.
    pub fn from_msb_ascii(text: &str) -> Result<Self, ParseHexError> {
        hex::decode(text.as_bytes()).map(Self::from_msb_first)
    }

    pub(crate) const fn from_msb_first([high, mid, low]: [u8; 3]) -> Self {
        Self::from_lsb_first([low, mid, high])
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Three bytes, least significant first.
    #[must_use]
    pub const fn to_lsb_first(self) -> [u8; 3] {
        let [low, mid, high, _] = self.0.to_le_bytes();
        [low, mid, high]
    }

    pub(crate) const fn to_msb_first(self) -> [u8; 3] {
        let [low, mid, high] = self.to_lsb_first();
        [high, mid, low]
    }

    /// The six upper-case digits of the plain ASCII mirror, most significant first.
    #[must_use]
    pub fn to_msb_ascii(self) -> [u8; 6] {
        hex::encode_upper(&self.to_msb_first())
    }
}

impl fmt::Display for SdmReadCtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of one counter in a [`CounterStore`](crate::CounterStore): 16 opaque bytes.
///
/// It names the counter, not the text of a URL: two spellings of one tap meet at the same `TagId`. A store should treat it as
/// a key and nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId([u8; 16]);

impl TagId {
    /// A name of the caller's own choosing, for instance that of a record whose tag mirrors no UID.
    ///
    /// Two tags must never share one, and one tag must never have two while its keys stay the same: a tap that was accepted
    /// under the first would be new again under the second. No type can see to that here; prefer
    /// [`PreparedFileReadKey::tag_id`](crate::PreparedFileReadKey::tag_id), which does.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The name of the counter of the chip with this UID: the UID followed by nine zero bytes.
    ///
    /// For a chip that is personalised once. One that is set up again counts from 0, and would be refused under this name until
    /// it has caught up; give it a new key, and [the name that follows the key](crate::PreparedFileReadKey::tag_id).
    #[must_use]
    pub const fn from_uid(uid: Uid) -> Self {
        let mut id = [0; 16];
        if let Some(head) = id.first_chunk_mut() {
            *head = uid.0;
        }
        Self(id)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TagId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagId(")?;
        write_upper(&self.0, f)?;
        f.write_str(")")
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, as the caller's clock has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

/// What a store remembers of a tag: the last tap it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The counter of that tap.
    pub ctr: SdmReadCtr,
    /// When it was accepted; `None` where the caller has no clock.
    pub at: Option<UnixMillis>,
    /// How many taps of this tag were accepted, that one included. It stays at `u32::MAX` once there.
    pub taps: u32,
}

fn write_upper(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
}

/// How a chip computes: fixed by its application, so pinned by the layout and never chosen by who sends a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// AES-128: CBC, CMAC and session keys as in NT4H2421Gx §9.3.
    Aes,
    /// The leakage-resilient primitive: NT4H2421Gx §9.3, AN12304. A chip is switched to it once and for all.
    #[cfg(feature = "lrp")]
    Lrp,
    /// NTAG 223 DNA and NTAG 224 DNA, StatusDetect or not: SUNCMAC, see [`ntag22x`](crate::ntag22x).
    Ntag22x,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NT4H2421Gx §9.3.1: LSB first in binary, MSB first in ASCII.
    #[test]
    fn ctr_byte_orders() {
        let ctr = SdmReadCtr::from_lsb_first([0x56, 0x34, 0x12]);
        assert_eq!(ctr.get(), 0x0012_3456);
        assert_eq!(&ctr.to_msb_ascii(), b"123456");
        assert_eq!(SdmReadCtr::from_msb_ascii("123456"), Ok(ctr));
        assert_eq!(ctr.to_lsb_first(), [0x56, 0x34, 0x12]);
    }

    #[test]
    fn ctr_is_24_bit() {
        assert_eq!(SdmReadCtr::new(0x00FF_FFFF), Some(SdmReadCtr::MAX));
        assert_eq!(SdmReadCtr::new(0x0100_0000), None);
        assert_eq!(SdmReadCtr::from_lsb_first([0xFF; 3]), SdmReadCtr::MAX);
    }

    #[test]
    fn tag_ids_of_two_uids_differ() {
        let id = |last| TagId::from_uid(Uid::from_bytes([4, 1, 2, 3, 4, 5, last]));
        assert_ne!(id(0), id(1));
        assert_eq!(id(9).as_bytes(), &[4, 1, 2, 3, 4, 5, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
