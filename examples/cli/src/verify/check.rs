//! Decides on one tap.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use suntap::{
    Advance, ClaimedTap, CommitError, CounterId, CounterStore, FileReadKey, Mark, SdmLayout, SdmReadCtr, SunMessage,
    TtStatus, Uid, UnixMillis, VerifyError,
};

use super::scheme::{FileKeys, Keys};

/// What a tap is checked against.
pub(super) struct Check {
    pub(super) layout: Arc<SdmLayout>,
    pub(super) keys: Keys,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fresh,
    Replayed,
    Verified,
    NotAuthentic,
    Malformed,
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Replayed => "replayed",
            Self::Verified => "verified",
            Self::NotAuthentic => "not_authentic",
            Self::Malformed => "malformed",
        }
    }

    pub(super) fn is_good(self) -> bool {
        matches!(self, Self::Fresh | Self::Verified)
    }
}

/// A verdict and, if the MAC or signature matches, the content of the tap.
pub(super) struct Answer {
    pub(super) verdict: Verdict,
    pub(super) reason: Option<String>,
    pub(super) content: Content,
}

#[derive(Default)]
pub(super) struct Content {
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
    pub(super) tt: Option<TtStatus>,
    pub(super) file_data: Option<Vec<u8>>,
}

/// The answer for a tap whose counter was not compared yet.
pub(super) struct Checked {
    /// The answer if there is no counter store.
    pub(super) answer: Answer,
    /// The counter to commit, if the tap is genuine and has one.
    pub(super) counter: Option<(CounterId, SdmReadCtr)>,
}

impl Check {
    /// Verifies a tap, but does not commit its counter.
    ///
    /// An error means that the tap cannot be checked.
    pub(super) fn check(&self, url: &str) -> Result<Checked, VerifyError> {
        let tap = match self.layout.parse(url) {
            Ok(tap) => tap,
            Err(reason) => return Ok(Checked::refused(Verdict::Malformed, &reason)),
        };
        let claimed = match &self.keys.meta_key {
            Some(key) => tap.open(key),
            None => tap.read_plain(),
        };
        let claimed = match claimed {
            Err(reason @ VerifyError::NotAuthentic) => return Ok(Checked::refused(Verdict::NotAuthentic, &reason)),
            claimed => claimed?,
        };
        match &self.keys.file_keys {
            FileKeys::Static(key) => return Ok(verify(claimed, &**key)),
            FileKeys::Public(key) => return Ok(verify(claimed, key)),
            _ => {}
        }
        // The layout mirrors a UID, so PICCData without a UID is not from one of these tags.
        match claimed.uid().map(|uid| self.keys.file_keys.derive(uid)).transpose()?.flatten() {
            Some(key) => Ok(verify(claimed, &key)),
            None => Ok(Checked::refused(Verdict::NotAuthentic, &VerifyError::NotAuthentic)),
        }
    }
}

fn verify(claimed: ClaimedTap<'_>, key: &impl FileReadKey) -> Checked {
    let good = |message: &SunMessage<'_>, reason: &str| Answer {
        verdict: Verdict::Verified,
        reason: Some(reason.into()),
        content: Content::read(message),
    };
    if claimed.ctr().is_none() {
        return match claimed.verify_replayable(key) {
            Ok(tap) => {
                let answer = good(tap.message(), "without a counter, a copy of this URL is as good as the tag");
                Checked { answer, counter: None }
            }
            Err(reason) => Checked::refused(Verdict::NotAuthentic, &reason),
        };
    }
    match claimed.verify(key) {
        Ok(tap) => Checked {
            answer: good(tap.message(), "replays are not detected"),
            counter: Some((tap.counter_id(), tap.ctr())),
        },
        Err(reason) => Checked::refused(Verdict::NotAuthentic, &reason),
    }
}

impl Checked {
    fn refused(verdict: Verdict, reason: &dyn fmt::Display) -> Self {
        let answer = Answer { verdict, reason: Some(reason.to_string()), content: Content::default() };
        Self { answer, counter: None }
    }

    /// Commits the counter of a genuine tap, and returns the answer.
    pub(super) fn commit(self, counters: &mut Counters) -> Answer {
        let Self { mut answer, counter } = self;
        if let Some((id, ctr)) = counter {
            (answer.verdict, answer.reason) = match counters.commit(&id, ctr) {
                Ok(()) => (Verdict::Fresh, None),
                Err(replayed) => (Verdict::Replayed, Some(replayed.to_string())),
            };
        }
        answer
    }
}

impl Content {
    fn read(message: &SunMessage<'_>) -> Self {
        let mut buffer = [0; 128];
        Self {
            uid: message.uid(),
            ctr: message.ctr(),
            tt: message.tamper(),
            file_data: message.file_data(&mut buffer).map(<[u8]>::to_vec),
        }
    }

    /// Writes the content as fields of a JSON object.
    pub(super) fn write_fields(&self, out: &mut String) -> fmt::Result {
        let lower = base16ct::lower::encode_string;
        match self.uid {
            Some(uid) => write!(out, r#""uid":"{}""#, lower(uid.as_bytes()))?,
            None => out.write_str(r#""uid":null"#)?,
        }
        match self.ctr {
            Some(ctr) => write!(out, r#","ctr":{ctr}"#)?,
            None => out.write_str(r#","ctr":null"#)?,
        }
        match self.tt {
            Some(tt) => {
                let text = serde_json::Value::from(tt.to_string());
                write!(out, r#","tt":{text},"tt_authenticated":{}"#, tt.is_authenticated())?;
            }
            None => out.write_str(r#","tt":null,"tt_authenticated":null"#)?,
        }
        match &self.file_data {
            Some(data) => write!(out, r#","file_data":"{}""#, lower(data)),
            None => out.write_str(r#","file_data":null"#),
        }
    }
}

impl Answer {
    /// Returns the answer as a JSON object with the fields of a batch, and the reason instead of an id.
    pub(super) fn to_json(&self) -> String {
        let mut text = format!(r#"{{"verdict":"{}","#, self.verdict.name());
        let reason = serde_json::Value::from(self.reason.as_deref());
        // Writing to a string cannot fail.
        let _ = self.content.write_fields(&mut text).and_then(|()| write!(text, r#","reason":{reason}}}"#));
        text
    }
}

/// Counters in memory, for any number of tags.
#[derive(Default)]
pub(super) struct Counters(HashMap<CounterId, Mark>);

impl Counters {
    /// Advances a counter, like [`VerifiedTap::commit`](suntap::VerifiedTap::commit). A batch commits a tap when its text
    /// is gone already, so there is no `VerifiedTap` any more.
    pub(super) fn commit(&mut self, id: &CounterId, ctr: SdmReadCtr) -> Result<(), CommitError<Infallible>> {
        match self.advance(id, ctr, None).map_err(CommitError::Store)? {
            Advance::Advanced { .. } => Ok(()),
            Advance::Stale { stored } => Err(CommitError::Replayed { ctr, stored }),
        }
    }
}

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
