//! The MAC input: the text that SDMMAC or the signature covers. Source: NT4H2421Gx §9.3.8.

use core::{iter, slice};

use super::error::Field;
use super::layout::{ElementKind, SdmLayout};
use super::received::Received;

/// A piece of text in the MAC window, and a flag. The flag is `true` if the text is a mirror that consists of
/// hexadecimal digits.
pub(crate) type Piece<'a> = (&'a [u8], bool);

/// Joins the pieces of the window into the MAC input.
///
/// The chip writes hexadecimal digits in upper case and computes the MAC over the upper-case digits. Some phones change
/// the case of a URL, so this function converts the hexadecimal digits of each mirror to upper case.
pub(crate) fn input<'a>(mut pieces: impl Iterator<Item = Piece<'a>>) -> impl Iterator<Item = u8> {
    let nothing: slice::Iter<'_, u8> = [].iter();
    let (mut text, mut digits) = (nothing, false);
    // This code does not use `flat_map`, because `flat_map` takes more instructions for each byte.
    iter::from_fn(move || {
        loop {
            if let Some(byte) = text.next() {
                return Some(if digits { byte.to_ascii_uppercase() } else { *byte });
            }
            let (next, is_digits) = pieces.next()?;
            (text, digits) = (next.iter(), is_digits);
        }
    })
}

/// Returns the MAC input of a tap: the text between `[[` and the hexadecimal digits of `{mac}` or `{sig}`.
pub(super) fn of<'a>(layout: &'a SdmLayout, received: &'a Received<'a>) -> impl Iterator<Item = u8> {
    let mut elements = layout.elements().enumerate();
    // This call of `any` skips the elements up to and including `[[`. Without `[[`, the MAC input is empty.
    let mut ended = !elements.any(|(_, element)| matches!(element.kind, ElementKind::MacInput));
    let authenticator = layout.authenticator();
    let mut value = None;
    input(iter::from_fn(move || {
        if let Some(value) = value.take() {
            return Some(value);
        }
        if ended {
            return None;
        }
        let (index, element) = elements.next()?;
        let field = if let ElementKind::Value(field) = element.kind { Some(field) } else { None };
        // The MAC covers the static text before `{mac}`, but not the hexadecimal digits of the MAC itself.
        ended = field == Some(authenticator);
        if !ended {
            let digits = !matches!(field, Some(Field::TtStatus | Field::Captured));
            value = received.text(layout, index).map(|text| (text, digits));
        }
        Some((layout.text(element.text), false))
    }))
}
