//! A tap of a visitor, decided once.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};
use suntap::UnixMillis;
use suntap::platform::{
    Accepted, Answer, Level, Names, Outcome, Record, Refusal, TagRef, TapValues, Verdict, etrnl, ixkio,
};

use super::link::Link;
use super::secure::Pass;
use super::tags::TagOfDemo;
use crate::app::App;
use crate::http::Sender;
use crate::http::page::{self, Decided, Draft, Reply, Seal, Sign, Told};
use crate::time::now;

/// What was decided about a tap.
pub(super) struct Decision {
    pub(super) tag: &'static TagOfDemo,
    pub(super) link: Link,
    pub(super) at: Option<UnixMillis>,
    /// `None` if the store failed.
    pub(super) verdict: Option<Verdict>,
    /// What the page of a phone tells.
    pub(super) told: Told,
    /// The way to the page that opens only just after a tap.
    pub(super) pass: Option<Pass>,
    /// The same decision in the formats of ixkio and ETRNL.
    pub(super) answers: [Written; 2],
}

/// An answer of an API.
pub(super) struct Written {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Decision {
    /// Sends the link to the server, which spends the tap. Also returns the cookie that the answer sets. Returns `None` if no layout reads
    /// the link.
    pub(super) async fn new(
        app: &Arc<App>,
        sender: &Sender,
        tag: &'static TagOfDemo,
        link: Link,
        headers: &HeaderMap,
    ) -> Option<(Self, Option<HeaderValue>)> {
        let target = link.sent.strip_prefix(&*app.demo.as_ref()?.origin)?;
        let at = now();
        let conclude = |by: Option<TagRef<'_>>, outcome: &Decided<'_>| {
            let draft = Draft::new(by, outcome, at, headers);
            (outcome.verdict.as_ref().ok().copied(), draft, Pass::new(outcome, at), written(tag, outcome))
        };
        let (verdict, draft, pass, answers) = page::decide(app, sender, target, at, conclude).await?;
        let Reply { told, cookie } = draft.settle(app, at).await;
        let pass = pass.filter(|_| matches!(told, Told::Genuine(..)));
        Some((Self { tag, link, at, verdict, told, pass, answers }, cookie))
    }

    /// Returns the values of a tap that is genuine, even if it is a replay.
    pub(super) fn values(&self) -> Option<&TapValues> {
        match &self.verdict {
            Some(Verdict::Fresh(Accepted { tap, .. }) | Verdict::Refused(Refusal::Replayed { tap, .. })) => Some(tap),
            _ => None,
        }
    }

    /// Returns the sign, the headline and the explanation of the verdict.
    pub(super) fn headline(&self) -> (Sign, &'static str, String) {
        if matches!(self.told, Told::TapOnceMore { .. }) {
            let text =
                "The tag is the original, and the tap is new. Its group asks for a second tap within one minute.";
            return (Sign::OnceMore, "Tap once more", text.into());
        }
        let refusal = match &self.verdict {
            None => {
                let text = "The store did not answer. That says nothing about the tag.";
                return (Sign::NoAnswer, "No answer right now", text.into());
            }
            Some(Verdict::Fresh(Accepted { tap, .. })) => {
                let (sign, title, seal) = match Seal::new(tap.tamper) {
                    Seal::None => {
                        return (
                            Sign::Genuine,
                            "Genuine and new",
                            "The tag is the original, and the tap is new.".into(),
                        );
                    }
                    Seal::Closed => (Sign::Genuine, "Genuine and new", "the seal was never opened"),
                    Seal::Open => (Sign::Open, "Genuine, but opened", "the seal is open"),
                    Seal::OpenedBefore => {
                        (Sign::OpenedBefore, "Genuine, but opened before", "the seal was opened and closed again")
                    }
                    Seal::Unknown => (Sign::SealUnknown, "Genuine, seal unknown", "the state of the seal is not known"),
                };
                return (sign, title, format!("The tag is the original, the tap is new, and {seal}."));
            }
            Some(Verdict::Refused(refusal)) => refusal,
        };
        let text = match refusal {
            Refusal::Replayed { .. } => {
                return (Sign::Used, "Link already used", "The tag is the original, but this link is not new.".into());
            }
            Refusal::UnknownTag => format!("Nobody has registered a tag with the name {}.", self.tag.text),
            Refusal::Inactive(level) => format!("The tag is registered, but {} is switched off.", its(*level)),
            Refusal::NotAuthentic if self.link.is_changed() => {
                "One digit of the link was changed, so its proof no longer fits.".into()
            }
            _ => "The link does not prove that this tag wrote it.".into(),
        };
        (Sign::NotRecognised, "Not recognised", text)
    }
}

pub(super) fn its(level: Level) -> &'static str {
    match level {
        Level::Folder => "its folder",
        Level::TagGroup => "its group",
        Level::Batch => "its batch",
        Level::TagCode => "the tag itself",
    }
}

/// Writes one decision in the formats of both APIs. A tag of the registry has either an XUID or a number, so a tag with a number gets an
/// XUID for this answer.
fn written(tag: &TagOfDemo, outcome: &Decided<'_>) -> [Written; 2] {
    let view = outcome.view.map(|record| {
        let names = Names { xuid: record.names.xuid.or(Some(tag.text)), ..record.names };
        Record { names, ..record }
    });
    let verdict = outcome.verdict.as_ref().copied();
    let outcome = Outcome { record: outcome.record, verdict, view, message: None };
    let by_xuid = TagRef::Xuid(tag.text);
    [Written::new(ixkio::write_answer(by_xuid, &outcome)), Written::new(etrnl::write_answer(&outcome))]
}

impl Written {
    fn new<E>(answer: Answer<E>) -> Self {
        Self { status: answer.status, body: answer.body }
    }
}
