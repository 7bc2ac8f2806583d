//! A layout as the bytes that personalise a tag, and back. Source: NT4H2421Gx §10.7.1, Tables 69 and 73.

use core::fmt;

use super::template::LayoutError;
use crate::error::Field;
use crate::types::SdmReadCtr;

mod read;
mod write;

// SDMOptions, Table 69.
const UID: u8 = 1 << 7;
const READ_CTR: u8 = 1 << 6;
const READ_CTR_LIMIT: u8 = 1 << 5;
const ENC_FILE_DATA: u8 = 1 << 4;
const TT_STATUS: u8 = 1 << 3;
const ASCII: u8 = 1 << 0;

// Access conditions, Table 10 and 11.
const FREE: u8 = 0xE;
const NO_ACCESS: u8 = 0xF;

/// The number of an application key: 0 to 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyNumber(u8);

impl KeyNumber {
    /// A key number; `None` above 4.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number <= 4 { Some(Self(number)) } else { None }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Whoever has authenticated with this key.
    Key(KeyNumber),
    /// Anybody (`Eh`).
    Free,
    /// Nobody (`Fh`).
    Never,
}

impl Access {
    const fn nibble(self) -> u8 {
        match self {
            Self::Key(number) => number.0,
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

/// What the SDM settings of a tag hold beside its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdmAccess {
    /// SDMMetaRead: the application key that encrypts PICCData, where the layout has `{picc}`. `None` otherwise: plain mirrors
    /// are free (`Eh`), and without any there is no access (`Fh`).
    pub meta_read: Option<KeyNumber>,
    /// SDMFileRead: the application key at the root of the session keys.
    pub file_read: KeyNumber,
    /// SDMCtrRet: who may read the counter by GetFileCounters.
    pub ctr_ret: Access,
    /// SDMReadCtrLimit: the chip can not be read any more when the counter has reached it.
    pub read_ctr_limit: Option<SdmReadCtr>,
}

/// What one tag writes into its file besides the layout's own text.
#[derive(Clone, Copy, Debug, Default)]
pub struct TagTexts<'a> {
    /// The texts of `{:name}`, as pairs of name and text.
    pub captured: &'a [(&'a str, &'a str)],
    /// What stands in the plaintext half of `{enc:N}`: at most N/2 printable characters; zeros (`0`) fill it up.
    pub file_data: &'a str,
}

/// Why a layout and settings do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsError {
    /// The caller's buffer is too small: 256 bytes are enough for a file, 27 for settings.
    BufferTooSmall,
    /// The layout is of an NTAG 22x, which knows no SDM.
    NoSdm,
    /// The layout has `{picc}` and no key is named for it, or the reverse.
    MetaReadKey,
    /// `{enc}` without a pinned length: say `{enc:N}`.
    EncNotPinned,
    /// The text of a `{:name}` is missing, or it is not `[A-Za-z0-9_-]+`.
    CapturedText,
    /// The file data is longer than the plaintext half of `{enc:N}`, or not printable ASCII.
    FileData,
    /// The URL with these texts does not fit into the 256-byte file.
    FileTooLong,
    /// The settings end too early, go on too long, or are not those of a standard data file.
    Shape,
    /// SDM is off in the settings.
    SdmOff,
    /// An SDMOptions bit is set that is for future use, or the one for ASCII is not.
    Options,
    /// An access right is for future use.
    AccessRight,
    /// The file is no NDEF message of one short URI record with a code of 00h to 04h.
    NotUri,
    /// A mirror lies outside the URL.
    OutsideUrl(Field),
    /// The MAC input begins outside the URL.
    MacInputOutsideUrl,
    /// A mirror overlaps another.
    Overlap(Field),
    /// The MAC input begins inside a mirror, which no template can say.
    MacInputInside(Field),
    /// SDMMetaRead names a key, but neither UID nor counter is to be mirrored.
    PiccDataEmpty,
    /// The static text of the URL holds a brace or `[[`, which no template can say.
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
            Self::CapturedText => f.write_str("a captured text is missing or is not [A-Za-z0-9_-]+"),
            Self::FileData => f.write_str("the file data is too long for {enc:N} or not printable"),
            Self::FileTooLong => f.write_str("the URL does not fit into the 256-byte file"),
            Self::Shape => f.write_str("these are no whole settings of a standard data file"),
            Self::SdmOff => f.write_str("SDM is off"),
            Self::Options => f.write_str("SDMOptions has a bit for future use, or ASCII is off"),
            Self::AccessRight => f.write_str("an access right is for future use"),
            Self::NotUri => f.write_str("the file is no single short URI record with a code of 00h to 04h"),
            Self::OutsideUrl(field) => write!(f, "{field} lies outside the URL"),
            Self::MacInputOutsideUrl => f.write_str("SDMMACInputOffset lies outside the URL"),
            Self::Overlap(field) => write!(f, "{field} overlaps another mirror"),
            Self::MacInputInside(field) => write!(f, "SDMMACInputOffset lies inside {field}"),
            Self::PiccDataEmpty => f.write_str("PICCData holds neither UID nor counter"),
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

/// Bytes put one after another into a buffer.
struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    fn new(buffer: &'b mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), SettingsError> {
        let end = self.len.saturating_add(bytes.len());
        let free = self.buffer.get_mut(self.len..end).ok_or(SettingsError::BufferTooSmall)?;
        free.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// A number of three bytes, least significant first, as all offsets and lengths are.
    fn put_number(&mut self, number: usize) -> Result<(), SettingsError> {
        let [low, mid, ..] = number.to_le_bytes();
        self.put(&[low, mid, 0])
    }

    fn written(self) -> &'b [u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes()).map_err(|_| fmt::Error)
    }
}
