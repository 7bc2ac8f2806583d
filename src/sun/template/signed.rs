//! Checks the rules of layouts whose taps are signed.
//!
//! The session key of a MAC is derived from the UID and the counter, so a MAC always proves both. The key of a signature
//! is independent of them, so a signature proves only the text that it covers. Source: NXP/nxmw v02.07.00,
//! `demos/nx/sdm`.

use super::error::LayoutError;
use super::is_mac_input_empty;
use crate::sun::error::Field;
use crate::sun::layout::{ElementKind, LayoutElement, SdmLayout};
use crate::value::Scheme;

impl SdmLayout {
    /// Checks that `{sig}` is used with [`Scheme::Ecdsa`] only, and that the signature covers the UID and the counter.
    pub(super) const fn check_signed(&self) -> Result<(), LayoutError> {
        let (mut signature, mut mac, mut tamper, mut window) = (false, false, self.tt_at.is_some(), false);
        let mut is_covered = false;
        // The first `{uid}`, `{ctr}` or `{picc}` that is not between `[[` and `{sig}`.
        let mut unsigned = None;
        let mut elements: &[LayoutElement] = &self.elements;
        while let [element, rest @ ..] = elements {
            elements = rest;
            match element.kind {
                ElementKind::MacInput => (window, is_covered) = (window || !is_mac_input_empty(rest), true),
                ElementKind::Value(Field::Signature) => (signature, is_covered) = (true, false),
                ElementKind::Value(Field::SdmMac) => mac = true,
                ElementKind::Value(Field::TtStatus) => tamper = true,
                ElementKind::Value(mirror @ (Field::Uid | Field::SdmReadCtr | Field::PiccData))
                    if !is_covered && unsigned.is_none() =>
                {
                    unsigned = Some(mirror);
                }
                ElementKind::Value(_) | ElementKind::End => {}
            }
        }
        match (self.scheme, unsigned) {
            _ if signature && mac => Err(LayoutError::SignatureAndMac),
            (Scheme::Ecdsa, _) if !signature => Err(LayoutError::NoSignature),
            (Scheme::Ecdsa, _) if !window => Err(LayoutError::NoMacInput),
            (Scheme::Ecdsa, Some(mirror)) => Err(LayoutError::Unsigned(mirror)),
            (Scheme::Ecdsa, None) if tamper => Err(LayoutError::SignatureAndTamper),
            (Scheme::Ecdsa, None) => Ok(()),
            _ if signature => Err(LayoutError::UnexpectedSignature),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_must_cover_what_it_proves() {
        let ecdsa = |template| SdmLayout::new(Scheme::Ecdsa, template).map(|_| ());
        for template in [
            "https://a.b/?m=[[{uid}&c={ctr}&s={sig}",
            "https://a.b/?[[v=1&s={sig}",
            "https://a.b/?e=[[{picc:uid,ctr}{sig}",
            "https://a.b/[[{:gpio}/{picc}/{enc}{sig}",
            "[[https://{uid}.a.b/{sig}/static",
        ] {
            assert_eq!(ecdsa(template), Ok(()), "{template}");
        }
        for (template, error) in [
            ("https://a.b/?m={uid}&c={ctr}&s={sig}", LayoutError::NoMacInput),
            ("https://a.b/?s={sig}", LayoutError::NoMacInput),
            ("https://a.b/?s=[[{sig}", LayoutError::NoMacInput),
            ("https://a.b/?m={uid}&c=[[{ctr}&s={sig}", LayoutError::Unsigned(Field::Uid)),
            ("https://a.b/?c={ctr}&m=[[{uid}&s={sig}", LayoutError::Unsigned(Field::SdmReadCtr)),
            ("https://a.b/?e={picc}[[&s={sig}", LayoutError::Unsigned(Field::PiccData)),
            ("https://a.b/?[[s={sig}&m={uid}", LayoutError::Unsigned(Field::Uid)),
            ("https://a.b/?[[m={uid}&s={sig}&c={ctr}", LayoutError::Unsigned(Field::SdmReadCtr)),
            ("https://a.b/?[[s={sig}&e={picc}", LayoutError::Unsigned(Field::PiccData)),
            ("https://a.b/?s={sig}[[{uid}", LayoutError::MacInputAfterMac),
            ("https://a.b/?[[{uid}&c={mac}", LayoutError::NoSignature),
            ("https://a.b/?[[{uid}{sig}{mac}", LayoutError::SignatureAndMac),
            ("https://a.b/?{mac}[[{uid}{sig}", LayoutError::SignatureAndMac),
            ("https://a.b/?[[{uid}{sig}{sig}", LayoutError::Repeated(Field::Signature)),
            ("https://a.b/?s={sig}[[", LayoutError::MacInputAfterMac),
            ("https://a.b/?[[{uid}[[{sig}", LayoutError::RepeatedMacInput),
            ("https://a.b/?t={tt}[[{uid}{sig}", LayoutError::SignatureAndTamper),
            ("https://a.b/?[[{picc}{enc:32,tt@0}{sig}", LayoutError::SignatureAndTamper),
            ("https://a.b/?e={enc:32}[[{picc}{sig}", LayoutError::EncOutsideMacInput),
            ("https://a.b/?[[{picc}{sig}{enc:32}", LayoutError::EncOutsideMacInput),
            ("https://a.b/?[[{uid}{enc:32}{sig}", LayoutError::EncNeedsUidAndCtr),
            ("https://a.b/?[[{picc}{uid}{sig}", LayoutError::PiccDataAndPlain),
            ("https://a.b/?[[{uid}%7bsig%7d", LayoutError::PercentEncoded { at: 20 }),
        ] {
            assert_eq!(ecdsa(template), Err(error), "{template}");
        }
        for scheme in Scheme::ALL.iter().filter(|scheme| !scheme.is_signed()) {
            let layout = SdmLayout::new(*scheme, "https://a.b/?[[{uid}{ctr}{sig}");
            assert_eq!(layout, Err(LayoutError::UnexpectedSignature), "{scheme}");
        }
    }

    #[test]
    fn a_tag_without_cryptography_has_no_signature() {
        let layout = SdmLayout::compile(Scheme::Aes, "https://a.b/?{uid}{sig}", false);
        assert_eq!(layout, Err(LayoutError::CounterTag));
    }
}
