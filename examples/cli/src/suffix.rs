//! The options for the input of AN10922 after the UID.

use crate::hex::Bytes;

/// The input of AN10922 after the UID: the AID, and then the suffix.
#[derive(clap::Args)]
pub(crate) struct SuffixArgs {
    /// The application identifier after the UID, in the input of AN10922 [without a value: 3042F5]
    #[arg(long, value_name = "HEX", num_args = 0..=1, require_equals = true, default_missing_value = "3042F5")]
    aid: Option<Bytes>,
    /// The bytes at the end of the input of AN10922, which may be empty
    #[arg(long, value_name = "HEX")]
    suffix: Option<Bytes>,
    /// The end of the input of AN10922 as text
    #[arg(long, value_name = "TEXT", conflicts_with = "suffix")]
    suffix_text: Option<String>,
}

impl SuffixArgs {
    /// Returns the bytes after the UID, or `None` if no option is given.
    pub(crate) fn bytes(&self) -> Option<Vec<u8>> {
        let suffix = self.suffix.as_ref().map(|bytes| &*bytes.0).or(self.suffix_text.as_deref().map(str::as_bytes));
        let aid = self.aid.as_ref().map(|bytes| &*bytes.0);
        let is_given = aid.is_some() || suffix.is_some();
        is_given.then(|| [aid.unwrap_or_default(), suffix.unwrap_or_default()].concat())
    }
}
