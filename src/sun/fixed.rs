//! Describes the URLs of a layout that fixes the length of each element. All URLs of such a layout have the same length,
//! and each mirror is always at the same offset.

use super::error::Field;

/// Maximum length of a URL in a 256-byte file, in characters. In the file, a one-byte URI code stands for up to 12
/// characters at the start of the URL. At most 249 more characters fit into the file after this code.
pub(crate) const MAX_URL: usize = 261;

/// `false` on a microcontroller, to save flash: each layout would take 280 bytes more, and the code about 430 bytes. The
/// parser that explains errors then also reads valid URLs.
const ENABLED: bool = cfg!(not(target_pointer_width = "32"));

/// The length of [`FixedUrl::text`].
const SIZE: usize = if ENABLED { MAX_URL } else { 0 };

/// The number of characters that are compared together. A shorter URL is left to the parser that explains errors.
const BLOCK: usize = 32;

/// The form of all URLs of a layout, if the layout fixes the length of each element.
#[derive(Clone, Copy)]
pub(super) struct FixedUrl {
    /// The static text of the URL, with a zero byte for each character of a mirror.
    text: [u8; SIZE],
    /// The length of the URL.
    len: usize,
    offsets: Offsets,
}

/// The offset of each mirror in the URL, or 0 if the layout does not have the mirror.
#[derive(Clone, Copy)]
struct Offsets([u16; 6]);

impl Offsets {
    const fn offset_mut(&mut self, mirror: Field) -> Option<&mut u16> {
        let [picc_data, uid, ctr, tt, enc, mac] = &mut self.0;
        match mirror {
            Field::PiccData => Some(picc_data),
            Field::Uid => Some(uid),
            Field::SdmReadCtr => Some(ctr),
            Field::TtStatus => Some(tt),
            Field::EncFileData => Some(enc),
            Field::SdmMac => Some(mac),
            // A layout never has both.
            #[cfg(feature = "ecdsa")]
            Field::Signature => Some(mac),
            Field::Captured => None,
        }
    }
}

impl FixedUrl {
    pub(super) const ENABLED: bool = ENABLED;
    /// The form of a URL without text.
    pub(super) const EMPTY: Self = Self { text: [0; SIZE], len: 0, offsets: Offsets([0; 6]) };

    /// Appends static text. Returns `None` if the URL is too long, or if this module does nothing on this target.
    pub(super) const fn with_text(mut self, text: &[u8]) -> Option<Self> {
        let Some((_, free)) = self.text.split_at_mut_checked(self.len) else { return None };
        let Some((start, _)) = free.split_at_mut_checked(text.len()) else { return None };
        start.copy_from_slice(text);
        self.len = self.len.saturating_add(text.len());
        if ENABLED { Some(self) } else { None }
    }

    /// Appends a mirror. Returns `None` for a `{:name}` element.
    pub(super) const fn with_mirror(mut self, mirror: Field, chars: usize) -> Option<Self> {
        let Some(offset) = self.offsets.offset_mut(mirror) else { return None };
        *offset = to_u16(self.len);
        self.len = self.len.saturating_add(chars);
        Some(self)
    }

    #[inline]
    pub(super) fn has(&self, mirror: Field) -> bool {
        let mut offsets = self.offsets;
        offsets.offset_mut(mirror).is_some_and(|offset| *offset != 0)
    }

    /// Returns the text of a mirror. `input` is a URL of the layout, or the end of such a URL.
    #[inline]
    pub(super) fn mirror<'a>(&self, input: &'a [u8], mirror: Field, chars: usize) -> Option<&'a [u8]> {
        let mut offsets = self.offsets;
        let skipped = self.len.checked_sub(input.len())?;
        let start = usize::from(*offsets.offset_mut(mirror)?).checked_sub(skipped)?;
        input.get(start..)?.get(..chars)
    }

    /// Returns `true` if `input` is as long as a URL without its first `skipped` characters, and has the same static
    /// text. Does not check the mirrors.
    #[allow(clippy::inline_always, reason = "the call would take a tenth of the time to read a URL")]
    #[allow(clippy::needless_bitwise_bool, reason = "`||` would branch on each character")]
    #[inline(always)]
    pub(super) fn fits(&self, input: &[u8], skipped: usize) -> bool {
        if skipped.checked_add(input.len()) != Some(self.len) {
            return false;
        }
        let Some(text) = self.text.get(skipped..).and_then(|text| text.get(..input.len())) else { return false };
        // This closure compares whole blocks without branches, so the compiler can use vector instructions.
        let same = |(input, text): (&[u8; BLOCK], &[u8; BLOCK])| {
            input.iter().zip(text).fold(true, |same, (received, text)| same & ((*text == 0) | (received == text)))
        };
        let ((blocks, _), (texts, _)) = (input.as_chunks(), text.as_chunks());
        // The last block overlaps the block before it if the length is not a multiple of the block length.
        blocks.iter().zip(texts).all(same) && input.last_chunk().zip(text.last_chunk()).is_some_and(same)
    }
}

/// Converts a number that is below 65,536. A `const fn` cannot call `try_from`.
const fn to_u16(number: usize) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}
