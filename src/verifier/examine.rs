//! All between the record and the counter: no input, no output.

use super::{Examined, Presented, Proof, Refusal, Request, Seen, Values, Verifier};
use crate::error::{Field, Malformed, VerifyError};
use crate::registry::{Keys, Names, OrganisationId, Record};
use crate::sun::{Mirrors, SdmLayout, UnverifiedTap};

/// The name of the captured text that opens sealed keys.
const ECODE: &str = "eCode";

impl Verifier<'_> {
    /// Takes a tap as far as it goes without the store. `asker` is the owner of a token that was looked up, `uid` that of the
    /// record, in digits.
    pub(super) fn examine<'a>(
        &self,
        request: &Request<'a>,
        asker: Option<OrganisationId>,
        record: &Record<'a>,
        uid: Option<&'a [u8; 14]>,
    ) -> Result<Examined<'a>, Refusal> {
        if !request.caller.may_ask(asker, record) {
            return Err(Refusal::NotTheOwner);
        }
        if let Some(level) = record.standing.inactive() {
            return Err(Refusal::Inactive(level));
        }
        let chip = record.chip.as_ref().ok_or(Refusal::NoChip)?;
        let layout = chip.layout;

        let tap = request.tap.shaped(layout, &record.names, uid);
        let ecode = request.tap.captured(&tap, ECODE)?;
        let opened = layout.has(Field::PiccData);
        // Before the shape of separate values is judged: a client is told of a wrong eCode first.
        let keys = self.keys(&chip.keys, layout.mode(), opened, record.uid, ecode)?;
        let tap = tap.map_err(Refusal::Malformed)?;

        let claimed = match &keys.meta {
            Some(key) => tap.open(key),
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
        let counter = chip.counter.unwrap_or_else(|| keys.file.tag_id(tap.uid()));
        Ok(Examined { tap, seen, counter })
    }
}

/// What an error of the sun means at a step that fails so if it fails.
fn refusal(error: VerifyError, step: Refusal) -> Refusal {
    match error {
        VerifyError::NoCounter => Refusal::NoCounter,
        // The record's own fault.
        VerifyError::WrongMode | VerifyError::Encrypted | VerifyError::NotEncrypted => Refusal::NoKeys,
        VerifyError::WrongTag => Refusal::OtherUid,
        VerifyError::NotAuthentic | VerifyError::HasCounter => step,
    }
}

impl<'a> Presented<'a> {
    /// The tap, if it has the shape of the layout.
    fn shaped(
        &self,
        layout: &'a SdmLayout,
        names: &Names<'a>,
        uid: Option<&'a [u8; 14]>,
    ) -> Result<UnverifiedTap<'a>, Malformed> {
        match self {
            Self::Url(url) => layout.parse(url),
            Self::OriginForm(target) => layout.parse_origin_form(target),
            Self::Values(values) => layout.assemble_with(&values.mirrors(layout, uid), |name| {
                values.captured(name).or(match name {
                    "xuid" => names.xuid,
                    "cuid" => names.cuid,
                    _ => None,
                })
            }),
        }
    }

    /// The captured text of this name. Separate values may bring one that the layout does not have.
    fn captured(&self, tap: &Result<UnverifiedTap<'a>, Malformed>, name: &str) -> Result<Option<&'a str>, Refusal> {
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

    fn mirrors(&self, layout: &SdmLayout, uid: Option<&'a [u8; 14]>) -> Mirrors<'a> {
        let uid = uid.filter(|_| layout.has(Field::Uid));
        let (enc, mac) = match self.proof {
            None => (None, None),
            Some(Proof::EncMac(text)) => cut(text),
            Some(Proof::ByLayout(text)) if layout.has(Field::EncFileData) => cut(text),
            Some(Proof::Mac(text) | Proof::ByLayout(text)) => (None, Some(text)),
        };
        Mirrors {
            picc_data: self.picc_data,
            uid: uid.and_then(|digits| str::from_utf8(digits).ok()),
            ctr: self.ctr,
            tt_status: self.tt_status,
            enc_file_data: enc,
            mac,
            captured: &[],
        }
    }
}

/// File data and the 16 digits of the MAC. A text too short to be cut is taken for a MAC, to be found too short.
fn cut(text: &str) -> (Option<&str>, Option<&str>) {
    let cut = text.len().checked_sub(16).and_then(|at| text.split_at_checked(at));
    cut.map_or((None, Some(text)), |(enc, mac)| (Some(enc), Some(mac)))
}
