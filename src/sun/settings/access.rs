//! The settings of a tag that are not part of its layout: access rights, SDM options, and static texts that differ from
//! tag to tag.

use crate::value::SdmReadCtr;

// Bits of SDMOptions. Source: NT4H2421Gx Table 69.
pub(super) const UID: u8 = 1 << 7;
pub(super) const READ_CTR: u8 = 1 << 6;
pub(super) const READ_CTR_LIMIT: u8 = 1 << 5;
pub(super) const ENC_FILE_DATA: u8 = 1 << 4;
pub(super) const TT_STATUS: u8 = 1 << 3;
pub(super) const ASCII: u8 = 1;

// Access conditions. Source: NT4H2421Gx Tables 10 and 11.
pub(super) const FREE: u8 = 0xE;
pub(super) const NO_ACCESS: u8 = 0xF;

/// The number of an application key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyNumber {
    /// Key 0: the application master key.
    Key0,
    /// Key 1.
    Key1,
    /// Key 2.
    Key2,
    /// Key 3.
    Key3,
    /// Key 4.
    Key4,
}

impl KeyNumber {
    /// Returns the `KeyNumber` for a number from 0 to 4, or `None` for a larger number.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Key0),
            1 => Some(Self::Key1),
            2 => Some(Self::Key2),
            3 => Some(Self::Key3),
            4 => Some(Self::Key4),
            _ => None,
        }
    }

    /// Returns the number, from 0 to 4.
    #[must_use]
    pub const fn get(self) -> u8 {
        match self {
            Self::Key0 => 0,
            Self::Key1 => 1,
            Self::Key2 => 2,
            Self::Key3 => 3,
            Self::Key4 => 4,
        }
    }
}

/// An access condition of the chip: who may do something, for example read the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Only a reader that has authenticated with this key has access.
    Key(KeyNumber),
    /// Everybody has access (`Eh`).
    Free,
    /// Nobody has access (`Fh`).
    Never,
}

impl Access {
    pub(super) const fn nibble(self) -> u8 {
        match self {
            Self::Key(number) => number.get(),
            Self::Free => FREE,
            Self::Never => NO_ACCESS,
        }
    }

    pub(super) const fn read(nibble: u8) -> Option<Self> {
        match nibble {
            FREE => Some(Self::Free),
            NO_ACCESS => Some(Self::Never),
            number => match KeyNumber::new(number) {
                Some(number) => Some(Self::Key(number)),
                None => None,
            },
        }
    }
}

/// The SDM settings of a tag that are not in its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdmAccess {
    /// SDMMetaRead: the application key that encrypts PICCData. Use `None` for a layout without `{picc}`. SDMMetaRead
    /// is then `Eh` (free access) if the layout has `{uid}` or `{ctr}`, and `Fh` (no access) otherwise.
    pub meta_read: Option<KeyNumber>,
    /// SDMFileRead: the application key from which the session keys are derived. If the tag signs its taps, this key
    /// encrypts the file data only.
    pub file_read: KeyNumber,
    /// The number of the ECC key with which the tag signs its taps, in bits 7 to 4 of SDMAccessRights. Use `None` for a
    /// layout without `{sig}`: these bits are then `Fh`. Source: NXP/nxmw v02.07.00, `nx_ChangeFileSettings`, which calls
    /// them SDMFileRead2.
    pub ecc_key: Option<KeyNumber>,
    /// SDMCtrRet: who may read the counter with the command GetFileCounters. The value must be `Never` if the layout
    /// does not mirror the counter.
    pub ctr_ret: Access,
    /// SDMReadCtrLimit: after the counter has reached this value, the file can no longer be read without
    /// authentication, so the tag makes no more taps. The limit must be at least 1. The layout must mirror the counter
    /// if a limit is set.
    pub read_ctr_limit: Option<SdmReadCtr>,
}

/// The texts that the file of one tag contains in addition to the static text of the layout.
#[derive(Clone, Copy, Debug, Default)]
pub struct TagTexts<'a> {
    /// The texts of the `{:name}` elements, as pairs of name and text.
    pub captured: &'a [(&'a str, &'a str)],
    /// The plaintext of `{enc:N}`: at most N/2 printable ASCII characters. A shorter text is padded with `0`
    /// characters. With `{enc:N,tt@K}`, the tag overwrites the two characters at offsets K and K + 1 with its tamper
    /// status. A text that reaches these two positions must have `0` there.
    pub file_data: &'a str,
}
