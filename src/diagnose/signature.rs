//! Finds out how a signed tap was made: which text the signature covers, and in which form the signature is written.

use heapless::Vec;

use super::assumptions::Assumptions;
use super::candidates::KeyTier;
use super::checks::{
    check_case, check_public_keys, check_values, compare_keys, compare_second_tap, covered_text, is_factory, verify,
};
use super::contents::Contents;
use super::diagnosis::{Conclusion, Diagnosis, Explanation, Findings, add};
use super::finding::Finding;
use super::readings;
use super::repair::Tap;
use super::search::{ClaimedValues, Search, WindowStarts, is_tried, pieces};
use super::url_parts::UrlParts;
use crate::key::TagPublicKey;
use crate::sun::fixed::MAX_URL;
use crate::sun::layout::{SIGNATURE_CHARS, SdmLayout};
use crate::sun::window;
use crate::value::{Scheme, hex};

/// The cost of verifying one signature, in MACs.
pub(super) const COST: u32 = 256;
/// Maximum length of a signature in DER form in bytes: three headers of 2 bytes, and two numbers of 33 bytes.
const MAX_DER: usize = 72;

/// A text and a form of the signature that verify under the public key.
pub(super) struct Signed<'a> {
    parts: UrlParts,
    /// The most likely UID and counter; `None` if no key that was tried decrypts the PICCData.
    claimed: Option<ClaimedValues<'a>>,
    /// The form of the signature; `None` for the form that a chip writes.
    form: Option<&'static str>,
    key: &'a TagPublicKey,
}

/// Searches for the text that the signature covers. Returns `None` if no public key is given, or if no text verifies.
pub(super) fn find<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
) -> Option<Signed<'a>> {
    let (url, key) = (tap.url, assumptions.public_key?);
    if url.len() > MAX_URL {
        return None;
    }
    let parts = locate(tap)?;
    let (window_start, form) = find_window(search, url, &parts, key)?;
    // A signature does not show which key decrypts the PICCData, so a result that is probably that of a wrong key is
    // dropped. Without a UID, only derived keys are in doubt.
    let doubt = |claimed: &ClaimedValues<'_>| match claimed.doubt(assumptions) {
        None if claimed.uid.is_none() && !claimed.has_derived_key() => Some(usize::MAX),
        doubt => doubt,
    };
    let claims = search.open(url, &parts, Scheme::Ecdsa, KeyTier::Derived).into_iter();
    let doubts = claims.filter_map(|claimed| Some((doubt(&claimed)?, claimed)));
    let claimed = doubts.min_by_key(|(doubt, _)| *doubt).map(|(_, claimed)| claimed);
    Some(Signed { parts: UrlParts { window_start, ..parts }, claimed, form, key })
}

/// Returns `true` if the second tap verifies under the public key.
pub(super) fn is_second_signed<'a>(search: &mut Search<'_, 'a>, assumptions: &Assumptions<'a>, tap: &Tap<'_>) -> bool {
    assumptions.second_url.is_some_and(|url| {
        let second = Tap { url, layout: tap.layout, layout_error: None };
        find(search, assumptions, &second).is_some()
    })
}

/// Returns the parts of a URL with a signature: those of the layout if it fits, and otherwise a guess.
pub(super) fn locate(tap: &Tap<'_>) -> Option<UrlParts> {
    let assumed = tap.assumed_parts().filter(|parts| parts.mac.len() == SIGNATURE_CHARS);
    assumed.or_else(|| guess(tap.url))
}

/// Returns the parts of a URL without a layout. The start of the signed text is the start of the first mirror.
fn guess(url: &str) -> Option<UrlParts> {
    let mac = readings::signature(url).or_else(|| readings::last_run(url, |run| from_der(run).is_some()))?;
    let mirrors = readings::without_mac(url).unwrap_or_default();
    let enc = mirrors.enc.filter(|enc| !enc.overlaps(mac));
    let first = [mirrors.picc_data, mirrors.uid, mirrors.ctr].into_iter().flatten().map(|part| part.from).min();
    let window_start = first.unwrap_or(mac.from).min(mac.from);
    Some(UrlParts { enc, mac, window_start, ..mirrors })
}

/// Returns where the signed text begins, and the form of the signature.
///
/// Tries a signature in the form that a chip writes with each start, and the other forms with the likely starts.
fn find_window(
    search: &mut Search<'_, '_>,
    url: &str,
    parts: &UrlParts,
    key: &TagPublicKey,
) -> Option<(usize, Option<&'static str>)> {
    for (form, signature) in forms(parts.mac.slice(url)) {
        let starts = if form.is_none() { WindowStarts::All } else { WindowStarts::Likely };
        let others = (0..=parts.mac.from).rev().filter(|start| is_tried(url, parts, *start, starts));
        for start in core::iter::once(parts.window_start).chain(others) {
            search.count(COST);
            if key.has_signed(window::input(pieces(url, parts, start)), &signature) {
                return Some((start, form));
            }
            if search.is_over() {
                return None;
            }
        }
    }
    None
}

type Forms = Vec<(Option<&'static str>, [u8; 64]), 3>;

/// Returns the signatures that these digits can stand for, each with the name of its form. The form of a chip has no
/// name and is first.
fn forms(digits: &str) -> Forms {
    let mut forms = Forms::new();
    // There are at most three forms, so `push` cannot fail.
    let mut add = |form, signature| {
        let _ = forms.push((form, signature));
    };
    if let Ok(signature) = hex::decode::<64>(digits.as_bytes()) {
        let (r, s) = signature.split_at(32);
        add(None, signature);
        add(Some("s and then r"), joined(s.iter(), r.iter()));
        add(Some("r and s with their bytes in reverse order"), joined(r.iter().rev(), s.iter().rev()));
    } else if let Some(signature) = from_der(digits) {
        add(Some("a DER sequence"), signature);
    }
    forms
}

fn joined<'b>(first: impl Iterator<Item = &'b u8>, second: impl Iterator<Item = &'b u8>) -> [u8; 64] {
    let mut signature = [0; 64];
    signature.iter_mut().zip(first.chain(second)).for_each(|(place, byte)| *place = *byte);
    signature
}

/// Reads a signature in DER form: a SEQUENCE of two INTEGERs of at most 32 bytes. Source: RFC 3279 §2.2.3.
fn from_der(digits: &str) -> Option<[u8; 64]> {
    let mut der = [0; MAX_DER];
    let der = der.get_mut(..digits.len().div_ceil(2))?;
    hex::decode_into(digits.as_bytes(), der).ok()?;
    let [0x30, len, integers @ ..] = &*der else { return None };
    let (r, rest) = integer(integers)?;
    let (s, rest) = integer(rest)?;
    (usize::from(*len) == integers.len() && rest.is_empty()).then(|| joined(r.iter(), s.iter()))
}

/// Reads a DER INTEGER as 32 bytes, MSB first, and returns the bytes after it.
fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, len, rest @ ..] = der else { return None };
    let (value, rest) = rest.split_at_checked(usize::from(*len))?;
    let value = value.strip_prefix(&[0]).unwrap_or(value);
    let mut number = [0; 32];
    number.get_mut(32_usize.checked_sub(value.len())?..)?.copy_from_slice(value);
    Some((number, rest))
}

/// Compares the assumptions with the way in which the tap was signed.
pub(super) fn report<'a>(
    search: &Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    signed: &Signed<'a>,
    mut findings: Findings<'a>,
) -> Diagnosis<'a> {
    let Signed { parts, claimed, form, key } = signed;
    let explanation = explain(tap, signed);
    let earlier_findings = findings.len();
    if tap.layout.is_some_and(|layout| !layout.scheme().is_signed()) {
        add(&mut findings, Finding::Mode { actual: Scheme::Ecdsa });
    } else if let Some(error) = tap.layout_error.filter(|_| form.is_none()) {
        add(&mut findings, Finding::Layout(error));
    }
    if let Some(form) = *form {
        add(&mut findings, Finding::SignatureForm { form });
    }
    let covered = covered_text(assumptions, tap, parts);
    let mirrors = parts.mirrors().filter(|(_, part)| *part != parts.mac);
    let unsigned = mirrors.filter(|(_, part)| !parts.covers(*part));
    let assumed = tap.assumed_parts().filter(|assumed| assumed.mac == parts.mac);
    if let Some((mirror, _)) = unsigned.min_by_key(|(_, part)| part.from) {
        add(&mut findings, Finding::Unsigned { mirror, covered });
    } else if assumed.is_some_and(|assumed| assumed.window_start != parts.window_start) {
        add(&mut findings, Finding::SignatureInput { covered });
    }
    if claimed.is_none() {
        add(&mut findings, Finding::MetaKey);
    }
    compare_keys(assumptions, &explanation, &mut findings);
    let is_other = tap.layout.is_some() && explanation.layout.as_ref() != tap.layout;
    if is_other && findings.len() == earlier_findings && tap.layout_error.is_none() {
        add(&mut findings, Finding::Parts);
    }
    if claimed.is_some() {
        check_values(assumptions, explanation.uid, explanation.ctr, &mut findings);
    }
    // Each chip has a key pair of its own.
    compare_second_tap(assumptions, &explanation, *key, true, &mut findings);
    check_public_keys(assumptions, &explanation, &mut findings);
    if explanation.meta_key.as_ref().is_some_and(|(key, _)| is_factory(key.expose_bytes())) {
        add(&mut findings, Finding::FactoryKey { meta: true, file: false });
    }
    check_case(parts, tap.url, &mut findings);
    let contents = claimed.as_ref().and_then(|claimed| {
        let (mut contents, _) = Contents::claimed(assumptions, tap.url, parts, Scheme::Aes, claimed)?;
        contents.is_proven = claimed.is_certain(assumptions) && !findings.iter().any(Finding::allows_forgery);
        Some(contents)
    });
    let conclusion = Conclusion::from_findings(&findings);
    Diagnosis { conclusion, explanation: Some(explanation), contents, tried: search.tried(), complete: true, findings }
}

/// Returns the layout and the keys of a signed tap. If the assumed layout verifies the tap, returns the assumed layout.
fn explain<'a>(tap: &Tap<'_>, signed: &Signed<'a>) -> Explanation<'a> {
    let Signed { parts, claimed, key, .. } = signed;
    let meta_key = claimed.as_ref().and_then(|claimed| claimed.meta_key.clone());
    let fits = |layout: &SdmLayout| match claimed {
        Some(_) => verify(layout, tap.url, meta_key.as_ref().map(|(key, _)| key), *key).is_some(),
        // Without the SDMMetaReadKey, only the signed text can be compared.
        None => UrlParts::locate(layout, tap.url).is_ok_and(|located| located.covered() == parts.covered()),
    };
    let assumed = tap.layout.filter(|layout| layout.scheme().is_signed() && fits(layout));
    let built = || parts.build_layout(Scheme::Ecdsa, tap.url, tap.layout).ok().filter(fits);
    Explanation {
        layout: assumed.cloned().or_else(built),
        scheme: Scheme::Ecdsa,
        uid: claimed.as_ref().and_then(|claimed| claimed.uid),
        ctr: claimed.as_ref().and_then(|claimed| claimed.ctr),
        meta_key,
        file_key: None,
    }
}
