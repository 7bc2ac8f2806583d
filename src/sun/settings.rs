//! Conversion between a layout and the bytes that personalise a tag. Source: NT4H2421Gx §10.7.1, Tables 69 and 73.

use core::fmt;

use super::error::Field;
use super::template::LayoutError;
use crate::value::SdmReadCtr;

mod read;
mod write;

#[cfg(feature = "emulator")]
pub(crate) use write::Offsets;

// SDMOptions, Table 69.
const UID: u8 = 1 << 7;
const READ_CTR: u8 = 1 << 6;
const READ_CTR_LIMIT: u8 = 1 << 5;
const ENC_FILE_DATA: u8 = 1 << 4;
const TT_STATUS: u8 = 1 << 3;
const ASCII: u8 = 1;

// Access conditions, Tables 10 and 11.
const FREE: u8 = 0xE;
const NO_ACCESS: u8 = 0xF;

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
    /// Returns the key with this number, or `None` if the number is above 4.
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

    /// Returns the number.
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

/// An access condition: who may use a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Only a reader that has authenticated with this key.
    Key(KeyNumber),
    /// Anybody (`Eh`).
    Free,
    /// Nobody (`Fh`).
    Never,
}

impl Access {
    const fn nibble(self) -> u8 {
        match self {
            Self::Key(number) => number.get(),
            Self::Free => FREE,
            Self::Never => NO_ACCESS,
        }
    }

    const fn read(nibble: u8) -> Option<Self> {
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
    /// SDMMetaRead: the application key that encrypts PICCData, if the layout has `{picc}`. Otherwise `None`: plain
    /// mirrors are free (`Eh`), and a tag without any has no access (`Fh`).
    pub meta_read: Option<KeyNumber>,
    /// SDMFileRead: the application key from which the session keys are derived.
    pub file_read: KeyNumber,
    /// SDMCtrRet: who may read the counter with GetFileCounters. It is `Never` if the counter is not mirrored.
    pub ctr_ret: Access,
    /// SDMReadCtrLimit: the chip cannot be read any more once the counter has reached it. It is at least 1, and is set
    /// only if the counter is mirrored.
    pub read_ctr_limit: Option<SdmReadCtr>,
}

/// The texts that one tag has in its file in addition to the static text of the layout.
#[derive(Clone, Copy, Debug, Default)]
pub struct TagTexts<'a> {
    /// The texts of `{:name}`, as pairs of name and text.
    pub captured: &'a [(&'a str, &'a str)],
    /// The text in the plaintext half of `{enc:N}`: at most N/2 printable ASCII characters. Zeros (`0`) fill it up. It
    /// must also have zeros where the tag writes its tamper status.
    pub file_data: &'a str,
}

/// The reason why a layout and settings do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsError {
    /// The caller's buffer is too small: 256 bytes are enough for a file, 27 for settings.
    BufferTooSmall,
    /// The layout is of an NTAG 22x, which does not have SDM.
    NoSdm,
    /// The layout has `{picc}` and the settings name no key for it, or the reverse.
    MetaReadKey,
    /// The length of `{enc}` is not pinned: use `{enc:N}`.
    EncNotPinned,
    /// The text of a `{:name}` is missing, is given twice or is not `[A-Za-z0-9_-]+`, or a text is given for a name
    /// that the layout does not have.
    CapturedText,
    /// The file data is longer than the plaintext half of `{enc:N}`, is not printable ASCII, or overlaps the tamper
    /// status, or the layout has no `{enc}`.
    FileData,
    /// The counter is not mirrored, but the settings make it readable or limit it; or its limit is 0.
    Counter,
    /// The URL with these texts does not fit into the 256-byte file.
    FileTooLong,
    /// The settings are too short, too long, or not those of a standard data file.
    Shape,
    /// SDM is off in the settings.
    SdmOff,
    /// A bit of FileOption, SDMOptions or SDMAccessRights does not have its required value: a reserved bit, or ASCII.
    Options,
    /// An access right has a reserved value.
    AccessRight,
    /// The file is not an NDEF message of one short URI record with a code of 00h to 04h.
    NotUri,
    /// A mirror lies outside the URL.
    OutsideUrl(Field),
    /// The MAC input begins outside the URL.
    MacInputOutsideUrl,
    /// A mirror overlaps another.
    Overlap(Field),
    /// The MAC input begins inside a mirror, which no template can express.
    MacInputInside(Field),
    /// SDMMetaRead and SDMOptions contradict each other: there is a key or free access but neither UID nor counter is
    /// mirrored, or one of them is mirrored without access. It is then unknown what the MAC covers.
    MetaRead,
    /// The static text of the URL holds a brace or `[[`, which no template can express.
    StaticText,
    /// The layout that the settings describe breaks a rule.
    Layout(LayoutError),
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall => f.write_str("the buffer is too small: 256 bytes for a file, 27 for settings"),
            Self::NoSdm => f.write_str("an NTAG 22x has no SDM settings"),
            Self::MetaReadKey => f.write_str("an SDMMetaRead key is named exactly where the layout has {picc}"),
            Self::EncNotPinned => f.write_str("{enc} needs its length: {enc:N}"),
            Self::CapturedText => f.write_str("a captured text is missing, is not wanted, or is not [A-Za-z0-9_-]+"),
            Self::FileData => f.write_str("the file data does not go into the plaintext half of {enc:N}"),
            Self::Counter => {
                f.write_str("a counter that is not mirrored is neither read nor limited, and a limit is not 0")
            }
            Self::FileTooLong => f.write_str("the URL does not fit into the 256-byte file"),
            Self::Shape => f.write_str("these are no whole settings of a standard data file"),
            Self::SdmOff => f.write_str("SDM is off"),
            Self::Options => f.write_str("a bit for future use is set, or ASCII is off"),
            Self::AccessRight => f.write_str("an access right is for future use"),
            Self::NotUri => f.write_str("the file is no single short URI record with a code of 00h to 04h"),
            Self::OutsideUrl(field) => write!(f, "{field} lies outside the URL"),
            Self::MacInputOutsideUrl => f.write_str("SDMMACInputOffset lies outside the URL"),
            Self::Overlap(field) => write!(f, "{field} overlaps another mirror"),
            Self::MacInputInside(field) => write!(f, "SDMMACInputOffset lies inside {field}"),
            Self::MetaRead => f.write_str("SDMMetaRead and what SDMOptions mirrors do not go together"),
            Self::StaticText => f.write_str("the static text holds a brace or [["),
            Self::Layout(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Layout(error) => Some(error),
            _ => None,
        }
    }
}

impl From<LayoutError> for SettingsError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}
