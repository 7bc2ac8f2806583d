//! All between the record and the counter: no input, no output.

use heapless::Vec;

use super::{Examined, Presented, Proof, Refusal, Request, Seen, Service, Values};
use crate::platform::record::{Keys, Names, OrganisationId, Record};
use crate::sun::error::{Field, Malformed, VerifyError};
use crate::sun::layout::{MAX_NAMES, SdmLayout};
use crate::sun::received::Mirrors;
use crate::sun::tap::UnverifiedTap;
use crate::value::Uid;

/// The name of the captured text that opens sealed keys.
const ECODE: &str = "eCode";

impl Service<'_> {
    /// Takes a tap as far as it goes without the store. `asker` is the owner of a token that was looked up, `mirrors` what the tap
    /// and the [texts](Texts) of its record make together.
    pub(super) fn examine<'a>(
        &self,
        request: &Request<'a>,
        asker: Option<OrganisationId>,
        record: &Record<'a>,
        mirrors: &'a Mirrors<'a>,
    ) -> Result<Examined<'a>, Refusal> {
        if !request.caller.may_ask(asker, record) {
            return Err(Refusal::NotTheOwner);
        }
        if let Some(level) = record.standing.inactive() {
            return Err(Refusal::Inactive(level));
        }
        let chip = record.chip.as_ref().ok_or(Refusal::NoChip)?;
        let layout = chip.layout;

        let tap = request.tap.shaped(layout, mirrors);
        let ecode = request.tap.captured(&tap, ECODE)?;
        let opened = layout.has(Field::PiccData);
        // Before the shape of separate values is judged: a client is told of a wrong eCode first.
        let keys = self.keys(&chip.keys, layout.scheme(), opened, record.uid, ecode)?;
        let tap = tap.map_err(Refusal::Malformed)?;

        let claimed = match &keys.meta {
            Some(key) => tap.open(&**key),
            None => tap.read_plain(),
        };
        // A key that was derived from the eCode can be wrong as a seal can.
        let derived = matches!(chip.keys, Keys::ECode { .. });
        let unopened = if derived { Refusal::SealBroken } else { Refusal::NotOpened };
        let claimed = claimed.map_err(|error| refusal(error, unopened))?;
        // Also where the record knows none, or the PICCData has none and could: the tap of another tag under the same keys would
        // do for any such record.
        let expected = claimed.uid().is_some() || layout.mirrored().uid;
        if expected && (claimed.uid().is_none() || claimed.uid() != record.uid) {
            return Err(Refusal::OtherUid);
        }
        let tap = claimed.verify(&*keys.file).map_err(|error| refusal(error, Refusal::NotAuthentic))?;
        let tamper = if chip.tamper { tap.message().tamper() } else { None };
        let seen = Seen { uid: tap.uid().or(record.uid), ctr: tap.ctr(), tamper };
        let counter = chip.counter.unwrap_or_else(|| keys.file.counter_id(tap.uid()));
        Ok(Examined { tap, seen, counter })
    }
}

/// What an error of the sun means at a step that fails so if it fails.
fn refusal(error: VerifyError, step: Refusal) -> Refusal {
    match error {
        VerifyError::NoCounter => Refusal::NoCounter,
        // The record's own fault.
        VerifyError::WrongScheme | VerifyError::Encrypted | VerifyError::NotEncrypted => Refusal::NoKeys,
        VerifyError::WrongTag => Refusal::OtherUid,
        VerifyError::NotAuthentic | VerifyError::HasCounter => step,
    }
}

/// The texts that a tap of separate values has from its record and its layout.
pub(super) struct Texts<'a> {
    /// The digits of the UID.
    uid: Option<[u8; 14]>,
    /// For each `{:name}` of the layout, as far as there is one.
    captured: Vec<(&'a str, &'a str), MAX_NAMES>,
}

impl<'a> Texts<'a> {
    pub(super) fn of(tap: &Presented<'a>, record: &Record<'a>) -> Self {
        let mut texts = Self { uid: None, captured: Vec::new() };
        let (Presented::Values(values), Some(chip)) = (tap, &record.chip) else { return texts };
        texts.uid = record.uid.filter(|_| chip.layout.has(Field::Uid)).map(Uid::to_ascii);
        for name in chip.layout.names() {
            // A layout has no more names than there is room for.
            let _ = values.text(name, &record.names).map(|text| texts.captured.push((name, text)));
        }
        texts
    }
}

impl<'a> Presented<'a> {
    /// The mirrors of a tap of separate values; of any other none, for they are in its text.
    pub(super) fn mirrors<'t>(&self, record: &Record<'t>, texts: &'t Texts<'t>) -> Mirrors<'t>
    where
        'a: 't,
    {
        let (Self::Values(values), Some(chip)) = (self, &record.chip) else { return Mirrors::default() };
        let (enc, mac) = match values.proof {
            None => (None, None),
            Some(Proof::EncMac(text)) => cut(text),
            Some(Proof::ByLayout(text)) if chip.layout.has(Field::EncFileData) => cut(text),
            Some(Proof::Mac(text) | Proof::ByLayout(text)) => (None, Some(text)),
        };
        Mirrors {
            picc_data: values.picc_data,
            uid: texts.uid.as_ref().and_then(|digits| str::from_utf8(digits).ok()),
            ctr: values.ctr,
            tt_status: values.tt_status,
            enc_file_data: enc,
            mac,
            captured: &texts.captured,
        }
    }

    /// The tap, if it has the shape of the layout.
    fn shaped<'t>(&self, layout: &'t SdmLayout, mirrors: &'t Mirrors<'t>) -> Result<UnverifiedTap<'t>, Malformed>
    where
        'a: 't,
    {
        match self {
            Self::Url(url) => layout.parse(url),
            Self::OriginForm(target) => layout.parse_origin_form(target),
            Self::Values(_) => layout.assemble(mirrors),
        }
    }

    /// The captured text of this name. Separate values may bring one that the layout does not have.
    fn captured<'t>(&self, tap: &Result<UnverifiedTap<'t>, Malformed>, name: &str) -> Result<Option<&'t str>, Refusal>
    where
        'a: 't,
    {
        match (self, tap) {
            (Self::Values(values), _) => Ok(values.captured(name)),
            (_, Ok(tap)) => Ok(tap.captured(name)),
            (_, Err(error)) => Err(Refusal::Malformed(*error)),
        }
    }
}

impl<'a> Values<'a> {
    fn captured(&self, name: &str) -> Option<&'a str> {
        self.captured.iter().find(|(given, _)| *given == name).map(|(_, text)| *text)
    }

    /// As [`captured`](Self::captured), or from the record.
    fn text(&self, name: &str, names: &Names<'a>) -> Option<&'a str> {
        self.captured(name).or(match name {
            "xuid" => names.xuid,
            "cuid" => names.cuid,
            _ => None,
        })
    }
}

/// File data and the 16 digits of the MAC. A text too short to be cut is taken for a MAC, to be found too short.
fn cut(text: &str) -> (Option<&str>, Option<&str>) {
    let cut = text.len().checked_sub(16).and_then(|at| text.split_at_checked(at));
    cut.map_or((None, Some(text)), |(enc, mac)| (Some(enc), Some(mac)))
}
