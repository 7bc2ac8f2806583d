//! The reasons why a layout and the settings of a tag cannot be converted into each other.

use core::fmt;

use crate::sun::error::Field;
use crate::sun::template::LayoutError;

/// The reason why a layout and the settings of a tag cannot be converted into each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsError {
    /// The caller's buffer is too small: 256 bytes are enough for a file, 27 for settings.
    BufferTooSmall,
    /// The layout describes an NTAG 22x, which does not have SDM.
    NoSdm,
    /// Either the layout has `{picc}` but the settings name no key for it, or the settings name a key but the layout
    /// has no `{picc}`.
    MetaReadKey,
    /// The length of `{enc}` is not pinned: use `{enc:N}`.
    EncNotPinned,
    /// There is no text for this `{:name}` of the layout.
    MissingText(CapturedName),
    /// There are two texts for this `{:name}`.
    RepeatedText(CapturedName),
    /// The text for this `{:name}` is not `[A-Za-z0-9_-]+`.
    InvalidText(CapturedName),
    /// There is a text for a name that is not in the layout.
    UnexpectedText(CapturedName),
    /// The file data is longer than the plaintext half of `{enc:N}`, is not printable ASCII, or overlaps the tamper
    /// status with characters other than `0`. The error also occurs if there is file data but the layout has no
    /// `{enc}`.
    FileData,
    /// The settings make the counter readable or limit it, but the layout does not mirror the counter. The error also
    /// occurs if the limit is 0.
    Counter,
    /// The URL with these texts does not fit into the 256-byte file.
    FileTooLong,
    /// The settings are too short or too long, or do not belong to a standard data file.
    Shape,
    /// SDM is off in the settings.
    SdmOff,
    /// A reserved bit of FileOption, SDMOptions or SDMAccessRights has the wrong value, or the ASCII bit of SDMOptions
    /// is off.
    Options,
    /// An access right has a reserved value, or SDMFileRead grants free access.
    AccessRight,
    /// SDMFileRead names no key, so the tag writes no MAC.
    NoFileRead,
    /// The file is not an NDEF message with exactly one short URI record and a URI code of 00h to 04h.
    NotUri,
    /// This mirror lies outside the URL.
    OutsideUrl(Field),
    /// The MAC input begins outside the URL.
    MacInputOutsideUrl,
    /// This mirror overlaps another mirror.
    Overlap(Field),
    /// The MAC input begins inside this mirror. A template cannot express this.
    MacInputInside(Field),
    /// SDMMetaRead and SDMOptions contradict each other. SDMMetaRead must grant access if the UID or the counter is
    /// mirrored, and deny access if neither is mirrored. Otherwise, it is unknown what the MAC covers.
    MetaRead,
    /// The static text of the URL contains a brace or `[[`. A template cannot express this text.
    StaticText,
    /// The layout that the settings describe breaks this rule.
    Layout(LayoutError),
}

/// The name of a captured text in an error. A longer name is cut to at most 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapturedName {
    bytes: [u8; 32],
    len: usize,
}

impl CapturedName {
    pub(super) fn new(name: &str) -> Self {
        let len = (0..=name.len().min(32)).rev().find(|len| name.is_char_boundary(*len)).unwrap_or_default();
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(name.bytes().take(len)).for_each(|(place, byte)| *place = byte);
        Self { bytes, len }
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.bytes.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Display for CapturedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CapturedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BufferTooSmall => f.write_str("the buffer is too small: 256 bytes for a file, 27 for settings"),
            Self::NoSdm => f.write_str("an NTAG 22x has no SDM settings"),
            Self::MetaReadKey => f.write_str("name an SDMMetaRead key if the layout has {picc}, and only then"),
            Self::EncNotPinned => f.write_str("the length of {enc} is not pinned: use {enc:N}"),
            Self::MissingText(name) => write!(f, "there is no text for {{:{name}}}"),
            Self::RepeatedText(name) => write!(f, "there are two texts for {{:{name}}}"),
            Self::InvalidText(name) => write!(f, "the text for {{:{name}}} is not [A-Za-z0-9_-]+"),
            Self::UnexpectedText(name) => write!(f, "there is a text for {name}, and the layout has no {{:{name}}}"),
            Self::FileData => {
                f.write_str("the file data must be printable ASCII and fit into the plaintext half of {enc:N}")
            }
            Self::Counter => f.write_str("the counter is readable or limited but not mirrored, or its limit is 0"),
            Self::FileTooLong => f.write_str("the URL does not fit into the 256-byte file"),
            Self::Shape => {
                f.write_str("expected the whole answer to GetFileSettings for a standard data file, without its status")
            }
            Self::SdmOff => f.write_str("SDM is off in the settings"),
            Self::Options => f.write_str("a reserved bit has the wrong value, or the ASCII bit is off"),
            Self::AccessRight => f.write_str("an access right has a reserved value, or SDMFileRead grants free access"),
            Self::NoFileRead => f.write_str("SDMFileRead names no key, so the tag writes no MAC"),
            Self::NotUri => f.write_str("the file is not a single short URI record with a URI code of 00h to 04h"),
            Self::OutsideUrl(field) => write!(f, "{field} lies outside the URL"),
            Self::MacInputOutsideUrl => f.write_str("SDMMACInputOffset lies outside the URL"),
            Self::Overlap(field) => write!(f, "{field} overlaps another mirror"),
            Self::MacInputInside(field) => write!(f, "SDMMACInputOffset lies inside {field}"),
            Self::MetaRead => f.write_str(
                "SDMMetaRead contradicts SDMOptions: it must grant access if UID or counter is mirrored, and only then",
            ),
            Self::StaticText => f.write_str("the static text contains a brace or [["),
            Self::Layout(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SettingsError {}

impl From<LayoutError> for SettingsError {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}
