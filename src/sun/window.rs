//! The MAC input: the text that SDMMAC or the signature covers. Source: NT4H2421Gx §9.3.8.

use core::iter;

use super::error::Field;
use super::layout::{ElementKind, MAX_ELEMENTS, SdmLayout};
use super::received::Received;
use crate::cipher::Chunk;

/// A piece of text in the MAC window, and a flag. The flag is `true` if the text is a mirror that consists of
/// hexadecimal digits.
pub(crate) type Piece<'a> = (&'a [u8], bool);

/// Joins the pieces of the window into the MAC input.
///
/// The chip writes hexadecimal digits in upper case and computes the MAC over the upper-case digits. Some phones change
/// the case of a URL, so this function converts the hexadecimal digits of each mirror to upper case.
pub(crate) fn input<'a>(mut pieces: impl Iterator<Item = Piece<'a>>) -> impl Iterator<Item = Chunk> {
    let (mut text, mut digits): Piece<'a> = (&[], false);
    iter::from_fn(move || {
        let mut chunk = Chunk::EMPTY;
        while let free @ [_, ..] = chunk.free() {
            if text.is_empty() {
                let Some(piece) = pieces.next() else { break };
                (text, digits) = piece;
            }
            let len = free.len().min(text.len());
            let Some((part, rest)) = text.split_at_checked(len) else { break };
            for (free, byte) in free.iter_mut().zip(part) {
                *free = if digits { byte.to_ascii_uppercase() } else { *byte };
            }
            (text, chunk.len) = (rest, chunk.len.saturating_add(len));
        }
        (chunk.len > 0).then_some(chunk)
    })
}

/// Returns the MAC input of a tap: the text between `[[` and the hexadecimal digits of `{mac}` or `{sig}`.
pub(super) fn mac_input<'a>(layout: &'a SdmLayout, received: &'a Received<'a>) -> impl Iterator<Item = Chunk> {
    let authenticator = layout.authenticator();
    let mut index = layout.window_from;
    let mut value = None;
    input(iter::from_fn(move || {
        if let Some(value) = value.take() {
            return Some(value);
        }
        let element = layout.elements.get(index)?;
        let field = if let ElementKind::Value(field) = element.kind { Some(field) } else { None };
        if field == Some(authenticator) {
            // The MAC covers the static text before `{mac}`, but not the hexadecimal digits of the MAC itself.
            index = MAX_ELEMENTS;
        } else {
            let digits = !matches!(field, Some(Field::TtStatus | Field::Captured));
            value = received.text(layout, index).map(|text| (text, digits));
            index = index.saturating_add(1);
        }
        Some((layout.text(element.text), false))
    }))
}
