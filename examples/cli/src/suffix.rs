//! The options for the input of AN10922 after the UID.

use crate::hex::Bytes;

/// An application identifier.
#[derive(Clone, Copy)]
pub(crate) struct Aid(pub(crate) [u8; 3]);

impl std::str::FromStr for Aid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Bytes(bytes) = text.parse()?;
        bytes.try_into().map(Self).map_err(|_| "an application identifier has 3 bytes")
    }
}

/// The option for the application identifier.
#[derive(clap::Args)]
pub(crate) struct AidArg {
    /// The application identifier after the UID in the input of AN10922, 3 bytes. It can stand alone or before a suffix.
    /// That of the example in AN10922 is 3042F5
    #[arg(long, value_name = "HEX")]
    pub(crate) aid: Option<Aid>,
}

/// The input of AN10922 after the UID: the AID, and then the suffix.
#[derive(clap::Args)]
pub(crate) struct SuffixArgs {
    #[command(flatten)]
    aid: AidArg,
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
        let aid = self.aid.aid.as_ref().map(|aid| &aid.0[..]);
        let is_given = aid.is_some() || suffix.is_some();
        is_given.then(|| [aid.unwrap_or_default(), suffix.unwrap_or_default()].concat())
    }
}
