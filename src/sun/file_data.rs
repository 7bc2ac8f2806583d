//! SDMENCFileData: file content that the tag encrypts for one tap. Source: NT4H2421Gx §9.3.6.

use core::fmt;

/// Upper limit of the decrypted SDMENCFileData in bytes: half the file, as the mirror has two hex digits for each byte.
pub(super) const MAX_FILE_DATA: usize = 128;

/// The reason why [`SunMessage::file_data`](crate::SunMessage::file_data) returns no file data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileDataError {
    /// The layout has no `{enc}`.
    NotMirrored,
    /// The caller's buffer is too small.
    BufferTooSmall {
        /// The number of bytes that the buffer needs.
        needed: usize,
    },
}

impl fmt::Display for FileDataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMirrored => f.write_str("the layout has no file data"),
            Self::BufferTooSmall { needed } => write!(f, "the file data needs a buffer of {needed} bytes"),
        }
    }
}

impl core::error::Error for FileDataError {}
