//! One tap through the whole line, and what is printed of it for a person.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io::Write;

use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard};
use suntap::{
    Advance, CommitError, CounterId, CounterStore, IssuerKey, Mark, MasterKey, PreparedFileReadKey,
    PreparedMetaReadKey, SdmFileReadKey, SdmLayout, SdmReadCtr, SunMessage, TtStatus, Uid, UnixMillis, VerifyError,
};

/// What a tap is checked against.
pub(crate) struct Check {
    pub(crate) layout: SdmLayout,
    pub(crate) meta_key: Option<PreparedMetaReadKey>,
    pub(crate) keys: FileKeys,
}

pub(crate) enum FileKeys {
    Static(PreparedFileReadKey),
    An10922 { master: MasterKey, suffix: Vec<u8> },
    BoltCard { issuer: IssuerKey, version: u32 },
    SdmBackend(Master),
}

impl FileKeys {
    /// The key of the tag that a tap claims to be of; `None` if it claims none, and its key is derived from the UID.
    fn of(&self, check: &Check, uid: Option<Uid>) -> Result<Option<FileKey<'_>>, suntap::ConfigError> {
        let key: SdmFileReadKey = match (self, uid) {
            (Self::Static(key), _) => return Ok(Some(FileKey::Kept(key))),
            (_, None) => return Ok(None),
            (Self::An10922 { master, suffix }, Some(uid)) => an10922::derive(master, &[uid.as_bytes(), suffix])?,
            (Self::BoltCard { issuer, version }, Some(uid)) => boltcard::file_read_key(issuer, uid, *version),
            (Self::SdmBackend(master), Some(uid)) => master.file_read_key(uid),
        };
        Ok(Some(FileKey::Derived(Box::new(key.prepare(check.layout.scheme())))))
    }
}

/// A key that serves all taps, or this one only.
enum FileKey<'a> {
    Kept(&'a PreparedFileReadKey),
    Derived(Box<PreparedFileReadKey>),
}

impl FileKey<'_> {
    fn get(&self) -> &PreparedFileReadKey {
        match self {
            Self::Kept(key) => key,
            Self::Derived(key) => key,
        }
    }
}

/// Counters in a map, as large as memory is.
#[derive(Default)]
pub(crate) struct Counters(HashMap<CounterId, Mark>);

impl CounterStore for Counters {
    type Error = Infallible;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Infallible> {
        let advance = Advance::decide(self.0.get(id).copied(), ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            self.0.insert(*id, now);
        }
        Ok(advance)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fresh,
    Replayed,
    Verified,
    NotAuthentic,
    Malformed,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Replayed => "replayed",
            Self::Verified => "verified",
            Self::NotAuthentic => "not_authentic",
            Self::Malformed => "malformed",
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Fresh | Self::Verified)
    }
}

/// A verdict and, once the MAC was compared, what the tag said.
pub(crate) struct Answer {
    pub(crate) verdict: Verdict,
    pub(crate) why: Option<String>,
    pub(crate) content: Content,
}

#[derive(Default)]
pub(crate) struct Content {
    pub(crate) uid: Option<Uid>,
    pub(crate) ctr: Option<SdmReadCtr>,
    pub(crate) tt: Option<TtStatus>,
    pub(crate) file_data: Option<Vec<u8>>,
}

impl Content {
    fn of(message: &SunMessage<'_>) -> Self {
        let mut buffer = [0; 128];
        Self {
            uid: message.uid(),
            ctr: message.ctr(),
            tt: message.tamper(),
            file_data: message.file_data(&mut buffer).map(<[u8]>::to_vec),
        }
    }
}

impl Answer {
    fn refused(verdict: Verdict, why: &dyn fmt::Display) -> Self {
        Self { verdict, why: Some(why.to_string()), content: Content::default() }
    }
}

/// The verdict on one URL. Without counters, replay is not checked.
///
/// An error means that the check itself can not be made.
pub(crate) fn check(check: &Check, url: &str, counters: Option<&mut Counters>) -> Result<Answer, Box<dyn Error>> {
    let tap = match check.layout.parse(url) {
        Ok(tap) => tap,
        Err(why) => return Ok(Answer::refused(Verdict::Malformed, &why)),
    };
    let claimed = match &check.meta_key {
        Some(key) => tap.open(key),
        None => tap.read_plain(),
    };
    let claimed = match claimed {
        Err(why @ VerifyError::NotAuthentic) => return Ok(Answer::refused(Verdict::NotAuthentic, &why)),
        claimed => claimed?,
    };
    // Where the key comes from the UID, the layout mirrors it; what opens without it is no tap of these tags.
    let Some(file_key) = check.keys.of(check, claimed.uid())? else {
        return Ok(Answer::refused(Verdict::NotAuthentic, &VerifyError::NotAuthentic));
    };
    let file_key = file_key.get();
    if claimed.ctr().is_none() {
        return Ok(match claimed.verify_replayable(file_key) {
            Ok(tap) => Answer {
                verdict: Verdict::Verified,
                why: Some("without a counter a copy of this URL is as good as the tag".into()),
                content: Content::of(tap.message()),
            },
            Err(why) => Answer::refused(Verdict::NotAuthentic, &why),
        });
    }
    let verified = match claimed.verify(file_key) {
        Ok(tap) => tap,
        Err(why) => return Ok(Answer::refused(Verdict::NotAuthentic, &why)),
    };
    let content = Content::of(verified.message());
    let Some(counters) = counters else {
        return Ok(Answer { verdict: Verdict::Verified, why: Some("replay was not checked".into()), content });
    };
    Ok(match verified.commit(counters, None) {
        Ok(_) => Answer { verdict: Verdict::Fresh, why: None, content },
        Err(why @ CommitError::Replayed { .. }) => {
            Answer { verdict: Verdict::Replayed, why: Some(why.to_string()), content }
        }
        Err(error) => return Err(error.into()),
    })
}

/// Verdicts on URLs, printed a line each. `true` if all are good.
pub(crate) fn run(what: &Check, urls: &[String], out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    let mut counters = Counters::default();
    let mut all_good = true;
    for url in urls {
        let answer = check(what, url, Some(&mut counters))?;
        all_good &= answer.verdict.is_good();
        writeln!(out, "{answer}")?;
    }
    Ok(all_good)
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.name())?;
        let Content { uid, ctr, tt, file_data } = &self.content;
        if let Some(uid) = uid {
            write!(f, "  uid {uid}")?;
        }
        if let Some(ctr) = ctr {
            write!(f, "  ctr {ctr}")?;
        }
        if let Some(tt) = tt {
            let unauthenticated = if tt.is_authenticated() { "" } else { ", not authenticated" };
            write!(f, "  tamper {tt} ({:?}{unauthenticated})", tt.state())?;
        }
        if let Some(data) = file_data {
            write!(f, "  file data \"{}\"", data.escape_ascii())?;
        }
        match &self.why {
            Some(why) => write!(f, "  ({why})"),
            None => Ok(()),
        }
    }
}
