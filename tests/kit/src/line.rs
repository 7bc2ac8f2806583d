//! Functions that verify a URL and return the content of the tap, and a list of layouts to test with.

use suntap::{
    ClaimedTap, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, SunMessage, UnverifiedTap, VerifyError,
};

use crate::{Tag, Tap};

/// Layouts with UID and counter, with only one of them, and with neither. The MAC window starts at different places.
pub const TEMPLATES: &[&str] = &[
    "https://example.com/t?picc_data={picc}&cmac={mac}",
    "https://example.com/t?p=[[{picc}&enc={enc}&cmac={mac}",
    "https://example.com/t?cmac={mac}&p={picc}",
    "https://www.example.com/t/{uid}/{ctr}/{mac}",
    "https://example.com/t?u=[[{uid}x{ctr}x{mac}",
    "https://[[example.com/t?id=7&n={ctr}&c={mac}",
    "lnurlw://example.com?p={picc}&c={mac}",
    "https://example.com/?d={picc}&tt=[[{enc}{mac}",
    "https://example.com/?e={picc}[[{enc}{mac}&v=1",
    "https://example.com/?u={uid}&n={ctr}&tt=[[{tt}&e={enc}&c={mac}",
    "https://example.com/?u={uid}&tt={tt}&c={mac}",
    "https://[[example.com/?id=7&c={mac}",
    "https://example.com/?p={picc:uid}&c={mac}",
    "https://example.com/?p=[[{picc:ctr}&c={mac}",
];

/// The content of a tap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub uid: Option<[u8; 7]>,
    pub ctr: Option<u32>,
    pub file_data: Option<Vec<u8>>,
    pub tt: Option<[u8; 2]>,
}

impl Said {
    /// Returns the expected content of a tap of one of the [`TEMPLATES`].
    pub fn expected(template: &str, tag: &Tag, tap: &Tap) -> Self {
        let has = |element: &str| template.contains(element);
        Self {
            uid: (has("{picc}") || has("uid}")).then_some(tag.uid),
            ctr: (has("{picc}") || has("ctr}")).then_some(tap.ctr),
            file_data: has("{enc}").then(|| tap.file_data.clone()),
            tt: has("{tt}").then_some(tap.tt),
        }
    }

    pub fn by(message: &SunMessage<'_>) -> Self {
        let mut buffer = [0; 128];
        Self {
            uid: message.uid().map(|uid| *uid.as_bytes()),
            ctr: message.ctr().map(SdmReadCtr::get),
            file_data: message.file_data(&mut buffer).map(<[u8]>::to_vec),
            tt: message.tamper().map(|tt| [tt.perm(), tt.curr()]),
        }
    }
}

/// Returns the request target that a server receives for a URL.
pub fn target(url: &str) -> String {
    url.splitn(4, '/').nth(3).map_or_else(|| format!("/{}", &url[url.find('?').unwrap()..]), |path| format!("/{path}"))
}

/// `true` if suntap is built with the feature `lrp`.
pub const LRP: bool = cfg!(feature = "lrp");

/// Every scheme except AES.
pub const OTHER_SCHEMES: &[Scheme] = &[
    Scheme::Suncmac,
    #[cfg(feature = "lrp")]
    Scheme::Lrp,
];

/// Returns the scheme for a value of [`Tag::lrp`].
pub fn scheme(lrp: bool) -> Scheme {
    #[cfg(feature = "lrp")]
    if lrp {
        return Scheme::Lrp;
    }
    assert!(!lrp, "suntap is built without LRP");
    Scheme::Aes
}

pub fn claim<'a>(tag: &Tag, tap: UnverifiedTap<'a>, template: &str) -> Result<ClaimedTap<'a>, VerifyError> {
    if template.contains("{picc") {
        tap.open(&SdmMetaReadKey::from_bytes(tag.meta_key).prepare(scheme(tag.lrp)))
    } else {
        tap.read_plain()
    }
}

/// Verifies a tap, with or without a counter, and returns its content.
pub fn said(tag: &Tag, layout: &SdmLayout, tap: UnverifiedTap<'_>) -> Result<Said, VerifyError> {
    let claimed = claim(tag, tap, layout.template())?;
    let key = SdmFileReadKey::from_bytes(tag.file_key).prepare(scheme(tag.lrp));
    match claimed.ctr() {
        Some(_) => Ok(Said::by(claimed.verify(&key)?.message())),
        None => Ok(Said::by(claimed.verify_replayable(&key)?.message())),
    }
}
