//! The ECDSA signature of an NTAG X DNA, which takes the place of SDMMAC.
//!
//! The chip signs the text of its file from SDMMACInputOffset to the signature, with SHA-256 on the curve P-256. The
//! signature is `r || s`, in 128 hexadecimal digits.

use std::io::{self, Write};

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::{Value, json};

use crate::hex::Bytes;
use crate::style::{BAD, GOOD};

const SIGNATURE_DIGITS: usize = 128;

/// The result of the check of a signature.
pub(super) struct Checked<'u> {
    /// The text that the signature covers; `None` if the signature is not from this key.
    covered: Option<&'u str>,
}

/// Reads an uncompressed or compressed point, with or without its tag byte.
pub(super) fn public_key(text: &str) -> Result<VerifyingKey, &'static str> {
    let Bytes(mut point) = text.parse()?;
    if point.len() == 64 {
        point.insert(0, 0x04);
    }
    VerifyingKey::from_sec1_bytes(&point).map_err(|_| "expected a point on the curve P-256, in 65, 64 or 33 bytes")
}

/// Checks the signature in a URL. Returns `None` if the URL has none.
pub(super) fn check<'u>(url: &'u str, key: &VerifyingKey) -> Option<Checked<'u>> {
    let (at, digits) = digit_runs(url).filter(|(_, digits)| digits.len() == SIGNATURE_DIGITS).last()?;
    let bytes = base16ct::mixed::decode_vec(digits).ok()?;
    let signature = Signature::from_slice(&bytes).ok()?;
    let message = url.get(..at)?;
    let texts = message.char_indices().rev().filter_map(|(start, _)| message.get(start..));
    let covered = texts.into_iter().find(|text| key.verify(text.as_bytes(), &signature).is_ok());
    Some(Checked { covered })
}

/// Returns the runs of hexadecimal digits in a URL, with their offsets.
fn digit_runs(url: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 0_usize;
    url.split(|c: char| !c.is_ascii_hexdigit()).map(move |run| {
        let at = offset;
        // Only ASCII and multi-byte characters separate runs; the next run starts after the separator.
        let separator = url.get(at.saturating_add(run.len())..).and_then(|rest| rest.chars().next());
        offset = at.saturating_add(run.len()).saturating_add(separator.map_or(0, char::len_utf8));
        (at, run)
    })
}

impl Checked<'_> {
    /// Returns `true` if the signature is right and covers a UID and a counter, plain or in PICCData. There is no session
    /// key, so a signature proves only the text that it covers.
    pub(super) fn is_proof(&self) -> bool {
        self.covered.is_some_and(|covered| {
            let has = |len| digit_runs(covered).any(|(_, run)| run.len() == len);
            has(32) || (has(14) && has(6))
        })
    }

    pub(super) fn text(&self, out: &mut impl Write) -> io::Result<()> {
        match self.covered {
            Some(covered) if self.is_proof() => {
                writeln!(out, "\n{GOOD}Verified: the signature is right.{GOOD:#} It covers \"{covered}\".")
            }
            Some(covered) => writeln!(
                out,
                "\n{BAD}The signature is right, but proves neither UID nor counter.{BAD:#} It covers only \"{covered}\". Let \
                 SDMMACInputOffset point before the mirrors."
            ),
            None => writeln!(out, "\n{BAD}The signature is not from this public key.{BAD:#}"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "verified": self.covered.is_some(), "covers": self.covered, "proof": self.is_proof() })
    }
}
