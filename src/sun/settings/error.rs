//! Defines the error for a failed conversion from a layout to the settings of a tag, or vice versa.

use core::fmt;

use crate::sun::error::Field;
use crate::sun::template::LayoutError;

/// The reason why a layout cannot be converted to the settings of a tag, or the settings to a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingsError {
    /// The caller's buffer is too small. 256 bytes are always enough for a file, and 27 bytes for settings.
    BufferTooSmall,
    /// The layout describes an NTAG 22x, which does not have SDM.
    NoSdm,
    /// The layout has `{sig}`, but `SdmAccess::ecc_key` is `None`, or the layout has no `{sig}`, but `SdmAccess::ecc_key`
    /// is a key. When settings are read, the scheme contradicts the ECC key in the settings. An emulated tag needs a
    /// private key if, and only if, the layout has `{sig}`.
    EccKey,
    /// The settings of a tag that signs its taps mirror the GPIO status, for which a template has no element.
    GpioStatus,
    /// The layout has `{picc}`, but `SdmAccess::meta_read` is `None`. The error also occurs if the layout has no
    /// `{picc}`, but `SdmAccess::meta_read` is a key.
    MetaReadKey,
    /// The layout has `{enc}` without a fixed length. Use `{enc:N}`.
    EncNotPinned,
    /// The caller gave no text for this `{:name}` element of the layout.
    MissingText(CapturedName),
    /// The caller gave two texts for this `{:name}` element of the layout.
    RepeatedText(CapturedName),
    /// The text for this `{:name}` element is empty or has a character that is not in `[A-Za-z0-9_-]`.
    InvalidText(CapturedName),
    /// The caller gave a text with this name, but the layout has no `{:name}` element with this name.
    UnexpectedText(CapturedName),
    /// `TagTexts::file_data` does not fit into the N/2 bytes of plaintext in `{enc:N}`, is not printable ASCII, or has
    /// characters other than `0` at the position of the tamper status. The error also occurs if the caller gave file
    /// data, but the layout has no `{enc}`.
    FileData,
    /// `SdmAccess` makes the counter readable or sets a limit for it, but the layout does not mirror the counter. The
    /// error also occurs if the limit is 0.
    Counter,
    /// The URL does not fit into the 256-byte file, because the static text or the `TagTexts` are too long.
    FileTooLong,
    /// The settings are too short or too long, or their first byte (FileType) is not 00h, the type of a standard data
    /// file.
    Shape,
    /// SDM is off in the settings.
    SdmOff,
    /// A reserved bit of FileOption, SDMOptions or SDMAccessRights has the wrong value, or the ASCII bit of SDMOptions
    /// is off.
    Options,
    /// An access right has a reserved value, or SDMFileRead grants free access.
    AccessRight,
    /// SDMFileRead names no key, so the tag writes no MAC. The error also occurs for a tag that signs its taps, because it
    /// is unknown which offsets the answer to GetFileSettings has without this key.
    NoFileRead,
    /// The NDEF message in the file does not consist of exactly one short URI record, or the URI code of the record is
    /// above 04h.
    NotUri,
    /// This mirror lies outside the URL.
    OutsideUrl(Field),
    /// The MAC input begins outside the URL.
    MacInputOutsideUrl,
    /// This mirror overlaps another mirror.
    Overlap(Field),
    /// The MAC input begins inside this mirror. A template cannot express such a MAC input.
    MacInputInside(Field),
    /// SDMMetaRead and SDMOptions contradict each other. SDMMetaRead must grant access if the UID or the counter is
    /// mirrored, and must deny access if neither is mirrored. If the settings contradict each other, it is unknown what
    /// the MAC of the tag covers.
    MetaRead,
    /// The static text of the URL contains a brace or `[[`, has a `[` directly before the MAC input, or is not UTF-8. A
    /// template cannot express such text.
    StaticText,
    /// The settings describe a layout that breaks this rule.
    Layout(LayoutError),
}

/// The name of a `{:name}` element in an error. A name that is longer than 32 bytes is truncated.
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
            Self::EccKey => f.write_str("name an ECC key if the layout has {sig}, and only then"),
            Self::GpioStatus => f.write_str("the settings mirror the GPIO status, for which a template has no element"),
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
            Self::StaticText => f.write_str("the static text contains a brace or [[, or is not UTF-8"),
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
