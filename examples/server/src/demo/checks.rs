//! The five checks of a tap, for people.

use suntap::platform::{Accepted, Refusal, Verdict};

use super::decision::{Decision, its};
use super::link::Role;
use crate::http::page::Sign;

/// One of the five checks.
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) result: CheckResult,
    pub(super) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum CheckResult {
    Passed,
    Failed,
    NoAnswer,
    NotReached,
}

impl CheckResult {
    pub(super) fn sign(self) -> Sign {
        match self {
            Self::Passed => Sign::Genuine,
            Self::Failed => Sign::NotRecognised,
            Self::NoAnswer => Sign::NoAnswer,
            Self::NotReached => Sign::NotReached,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Passed => "Passed.",
            Self::Failed => "Failed.",
            Self::NoAnswer => "No answer.",
            Self::NotReached => "Not reached.",
        }
    }
}

const NAMES: [&str; 5] = ["Readable", "Known", "Opened", "Genuine", "New"];

/// Returns the checks in their order. After the first one that failed, none is reached.
pub(super) fn checks(decision: &Decision) -> Vec<Check> {
    let end = End::new(decision);
    let checks = NAMES.iter().enumerate().map(|(index, name)| {
        let (result, text) = match &end {
            Some(end) if index == end.index => (end.result, end.text.clone()),
            Some(end) if index > end.index => (CheckResult::NotReached, not_reached(index).into()),
            _ => (CheckResult::Passed, passed(decision, index)),
        };
        Check { name, result, text }
    });
    checks.collect()
}

/// The check that ended the decision, if not all passed.
struct End {
    index: usize,
    result: CheckResult,
    text: String,
}

impl End {
    fn new(decision: &Decision) -> Option<Self> {
        let name = decision.tag.text;
        let refusal = match &decision.verdict {
            Some(Verdict::Fresh(_)) => return None,
            None => {
                return Some(Self {
                    index: 1,
                    result: CheckResult::NoAnswer,
                    text: "The store did not answer.".into(),
                });
            }
            Some(Verdict::Refused(refusal)) => refusal,
        };
        let (index, text) = match refusal {
            Refusal::Malformed(_) | Refusal::OtherLayout => {
                (0, "The link does not have the form that this kind of tag writes.".into())
            }
            Refusal::UnknownTag => (1, format!("Nobody has registered a tag with the name {name}.")),
            Refusal::Inactive(level) => (1, format!("Tag {name} is registered, but {} is switched off.", its(*level))),
            Refusal::SealBroken => (2, "The code in the link does not open the tag’s stored keys.".into()),
            Refusal::NotOpened => (2, "The encrypted part does not open with the tag’s key.".into()),
            Refusal::OtherUid => (2, "The link has the number of another chip.".into()),
            Refusal::NotAuthentic => (3, "The proof does not match: nobody with this tag’s secret key made it.".into()),
            Refusal::NoCounter => (4, "The link has no counter.".into()),
            Refusal::Replayed { tap, stored } => {
                (4, format!("Its counter is {}, but counter {} was already accepted.", tap.ctr.get(), stored.ctr.get()))
            }
            _ => (1, format!("Tag {name} is registered, but its record is not complete.")),
        };
        Some(Self { index, result: CheckResult::Failed, text })
    }
}

fn not_reached(index: usize) -> &'static str {
    if index == 4 { "Not reached. The counter of an unproven link moves nothing." } else { "Not reached." }
}

fn passed(decision: &Decision, index: usize) -> String {
    let is_encrypted = decision.tag.parts.iter().any(|(_, role)| *role == Role::PiccData);
    match index {
        0 => "The link has the form that this kind of tag writes.".into(),
        1 => format!("Tag {} is registered; it, its batch and its group are in use.", decision.tag.text),
        2 if is_encrypted => "The encrypted part opens with the tag’s key and names the registered chip.".into(),
        2 => "Nothing is encrypted in this link; the counter is read as it stands.".into(),
        3 => "The proof was made with this tag’s secret key.".into(),
        _ => match &decision.verdict {
            Some(Verdict::Fresh(Accepted { tap, previous, .. })) => {
                let last = match previous {
                    Some(mark) => format!("the last accepted one was {}", mark.ctr.get()),
                    None => "no tap of this tag was seen before".into(),
                };
                format!("Its counter is {}, and {last}.", tap.ctr.get())
            }
            _ => String::new(),
        },
    }
}
