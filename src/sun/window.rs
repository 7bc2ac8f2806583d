//! The MAC input: the text that SDMMAC covers. Source: NT4H2421Gx §9.3.8.

use core::slice;

use super::error::Field;
use super::layout::{Kind, SdmLayout};
use super::received::Received;

/// The text from `[[` to `{mac}`, as the tag wrote it. The chip writes its digits in upper case; some phones do not keep it.
pub(super) fn input<'a>(layout: &'a SdmLayout, received: &'a Received<'a>) -> impl Iterator<Item = u8> {
    let mut behind = received.texts(layout);
    // The MAC is not its own input, only the text before it is.
    let mut ended = !behind.any(|(element, _)| matches!(element.kind, Kind::MacInput));
    let nothing: slice::Iter<'_, u8> = [].iter();
    let (mut text, mut value, mut digits) = (nothing.clone(), nothing, false);
    core::iter::from_fn(move || {
        loop {
            if let Some(byte) = text.next() {
                return Some(*byte);
            }
            if let Some(byte) = value.next() {
                return Some(if digits { byte.to_ascii_uppercase() } else { *byte });
            }
            if ended {
                return None;
            }
            let (element, received) = behind.next()?;
            let field = if let Kind::Value(field) = element.kind { Some(field) } else { None };
            ended = field == Some(Field::SdmMac);
            text = layout.text(element.text).iter();
            value = if ended { [].iter() } else { received.iter() };
            digits = field.is_some_and(is_digits);
        }
    })
}

/// Whether an element is written as hexadecimal digits, which a tag writes in upper case.
fn is_digits(field: Field) -> bool {
    !matches!(field, Field::TtStatus | Field::Captured)
}
