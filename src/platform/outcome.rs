//! The outcome of a request: the verdict, the record and the response text.

use core::fmt;

use super::record::{ExtendedData, Record, TagRecord};
use super::rules::{Filled, RuleInput, Subtag, Subtags};
use super::verdict::{Refusal, Verdict};
use crate::sun::message::SunMessage;
use crate::sun::tamper::TtStatus;
use crate::value::Mark;

/// The verdict about a tap, the record of the tag, and the content of a verified tap.
#[derive(Debug)]
#[must_use = "this is the verdict"]
pub struct Outcome<'a, R, E> {
    /// The record of the tag. This field is `None` if the service found no record of the tag, and it can be `None` if
    /// the registry failed. If the request does not name the tag, this field is also `None` if the service found no
    /// record whose keys verify the tap.
    pub record: Option<&'a R>,
    /// The verdict.
    pub verdict: Result<Verdict, E>,
    /// The data that [`TagRecord::record`] returned for the field `record`.
    pub view: Option<Record<'a>>,
    /// The content of the tap: file data, the tamper status, and the texts of `{:name}` elements. The content is
    /// present if the tap was accepted, if the tap is a replay, or if the counter store failed. In all other cases,
    /// this field is `None`.
    pub message: Option<SunMessage<'a>>,
}

impl<R, E> Outcome<'_, R, E> {
    /// Creates an outcome without a record.
    pub(super) fn without_record(verdict: Result<Verdict, E>) -> Self {
        Self { record: None, verdict, view: None, message: None }
    }
}

/// The response text that the rules of a tag chose for a tap. The text can contain subtags, which are placeholders such
/// as `{scount}`. `Display` writes the text with each known subtag replaced by its value.
///
/// The known subtags are `xuid`, `cuid`, `uid`, `scount`, `ccount`, `folder`, `batch`, `taggroup`, `tagname`,
/// `tagcodedr`, and the names of extended data fields. Case is ignored. In the name of an extended data field, a space
/// matches a `_`. `scount` is the number of accepted taps, `ccount` is the counter of the last accepted tap, and
/// `tagcodedr` is the tag's own default response. A known subtag without a value is replaced with an empty text.
///
/// Writing fails if the text does not fit into your output buffer. After a failure, the buffer may contain the
/// beginning of the text. Do not send a partial text.
#[derive(Debug)]
pub struct Response<'a, R> {
    pub(super) record: &'a R,
    pub(super) view: Record<'a>,
    pub(super) mark: Option<Mark>,
    pub(super) text: &'a str,
}

impl<'a, R: TagRecord, E> Outcome<'a, R, E> {
    /// Returns the response that the rules of the tag choose. Returns `None` if the tag is unknown, is inactive or
    /// belongs to another organisation. Also returns `None` if there is no verdict, because the registry or the counter
    /// store failed.
    ///
    /// A tap that is not genuine or not new also gets a response, usually the default response. A tag without a chip
    /// cannot be authenticated and always gets the default response. For a tap that did not advance the counter, the
    /// values of the placeholders `{scount}` and `{ccount}` come from the field
    /// [`last_seen`](crate::platform::Record::last_seen) of the record.
    #[must_use]
    pub fn response(&self) -> Option<Response<'a, R>> {
        let (record, view) = self.record.zip(self.view)?;
        let (mark, text) = match self.verdict.as_ref().ok()? {
            Verdict::Refused(Refusal::UnknownTag | Refusal::NotTheOwner | Refusal::Inactive(_)) => return None,
            Verdict::Refused(Refusal::NoChip) => (view.last_seen, view.rules.default_response()),
            Verdict::Refused(_) => {
                let scans = view.last_seen.map(|mark| mark.taps);
                let input = RuleInput { authentic: false, scans, tamper: None };
                (view.last_seen, view.rules.response(&input))
            }
            Verdict::Fresh(accepted) => {
                let tamper = accepted.tap.tamper.filter(TtStatus::is_authenticated);
                let tamper = tamper.map(|status| [status.perm(), status.curr()]);
                let input = RuleInput { authentic: true, scans: Some(accepted.now.taps), tamper };
                (Some(accepted.now), view.rules.response(&input))
            }
        };
        Some(Response { record, view, mark, text })
    }
}

impl<'a, R: TagRecord> Response<'a, R> {
    /// Returns `text` with its subtags (placeholders such as `{scount}`) replaced by their values. Use this method for
    /// the values of extended data fields, which are a customer's own fields for a tag.
    #[must_use]
    pub fn fill(&'a self, text: &'a str) -> Filled<'a, Self> {
        Filled::new(text, self)
    }

    /// Returns the extended data fields (a customer's own fields for a tag) that belong in the answer, in the order of
    /// the record. These are the fields with [`in_response`](ExtendedData::in_response) set to `true`.
    pub fn extended_data(&self) -> impl Iterator<Item = ExtendedData<'a>> {
        fields(self.record).filter(|field| field.in_response)
    }
}

pub(super) fn fields<R: TagRecord>(record: &R) -> impl Iterator<Item = ExtendedData<'_>> {
    (0..).map_while(|index| record.extended_data(index))
}

impl<R> Response<'_, R> {
    /// Returns the value of a subtag that is not the name of an extended data field.
    pub(super) fn built_in(&self, name: &str) -> Option<Subtag<'_>> {
        let view = &self.view;
        let names = view.names;
        let text = |text: Option<_>| Subtag::Text(text.unwrap_or_default());
        let number = |number: Option<u32>| number.map_or(Subtag::Text(""), Subtag::Number);
        let known = [
            ("xuid", text(names.xuid)),
            ("cuid", text(names.cuid)),
            ("uid", view.uid.map_or(Subtag::Text(""), Subtag::Uid)),
            ("scount", number(self.mark.map(|mark| mark.taps))),
            ("ccount", number(self.mark.map(|mark| mark.ctr.get()))),
            ("folder", text(names.folder)),
            ("batch", text(names.batch)),
            ("taggroup", text(names.tag_group)),
            ("tagname", text(names.tag)),
            ("tagcodedr", Subtag::Nested(view.rules.layer())),
        ];
        known.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, subtag)| subtag)
    }
}

impl<R: TagRecord> Subtags for Response<'_, R> {
    fn subtag(&self, name: &str) -> Option<Subtag<'_>> {
        self.built_in(name).or_else(|| {
            let field = fields(self.record).find(|field| field.is_called(name))?;
            Some(Subtag::Nested(field.value))
        })
    }
}

impl<R: TagRecord> fmt::Display for Response<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Filled::new(self.text, self).fmt(f)
    }
}
