//! Edits of taps: cut up, recombined with parts of other taps, changed.

use arbitrary::Arbitrary;

/// One edit of a text. Offsets are reduced to the length of the text.
#[derive(Arbitrary, Debug)]
pub enum Edit {
    Set {
        at: u16,
        byte: u8,
    },
    Insert {
        at: u16,
        byte: u8,
    },
    Remove {
        at: u16,
        len: u8,
    },
    /// Copies a part of any tap to any offset.
    Graft {
        donor: u8,
        from: u16,
        len: u8,
        to: u16,
    },
    LowerCase {
        at: u16,
        len: u8,
    },
}

/// Returns one of the URLs after at most twelve edits. Returns `None` if it is not UTF-8 any more.
#[must_use]
pub fn edited(urls: &[String], base: u8, edits: &[Edit]) -> Option<String> {
    String::from_utf8(edited_bytes(urls, base, edits)).ok()
}

/// Returns one of the texts after at most twelve edits.
#[must_use]
pub fn edited_bytes(texts: &[impl AsRef<[u8]>], base: u8, edits: &[Edit]) -> Vec<u8> {
    let mut text = texts[usize::from(base) % texts.len()].as_ref().to_vec();
    for edit in edits.iter().take(12) {
        let place = |at: u16| usize::from(at) % (text.len() + 1);
        match *edit {
            Edit::Set { at, byte } => {
                let at = place(at);
                if let Some(place) = text.get_mut(at) {
                    *place = byte;
                }
            }
            Edit::Insert { at, byte } => text.insert(place(at), byte),
            Edit::Remove { at, len } => {
                let from = place(at);
                let to = text.len().min(from + usize::from(len));
                text.drain(from..to);
            }
            Edit::Graft { donor, from, len, to } => {
                let donor = texts[usize::from(donor) % texts.len()].as_ref();
                let from = usize::from(from) % donor.len();
                let part = &donor[from..donor.len().min(from + usize::from(len))];
                let to = place(to);
                let end = text.len().min(to + part.len());
                text.splice(to..end, part.iter().copied());
            }
            Edit::LowerCase { at, len } => {
                let from = place(at);
                let to = text.len().min(from + usize::from(len));
                text[from..to].make_ascii_lowercase();
            }
        }
    }
    text
}
