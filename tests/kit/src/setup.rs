//! Random healthy set-ups of a tag, and the URL that a chip writes for any SDM offsets, also for wrong ones.

use fastrand::Rng;
use suntap::{Scheme, SdmLayout};

use crate::{Tag, sdm_mac};

/// A mirror of a set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    Picc,
    Uid,
    Ctr,
    Tt,
    Enc,
    Mac,
}

/// A piece of the text in the file: static text or the placeholder of a mirror.
#[derive(Clone, Debug)]
pub enum Piece {
    Text(String),
    Mirror(Mirror),
}

/// The offset of each mirror, and of the MAC input, in the text of the URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    pub mirrors: Vec<(Mirror, usize)>,
    pub window: usize,
}

/// A tag with its keys, the text of its file, and the content of one tap.
#[derive(Clone, Debug)]
pub struct Setup {
    pub tag: Tag,
    pub pieces: Vec<Piece>,
    /// The offset at which the MAC input begins. It is the offset of the MAC if the MAC covers no text.
    pub window: usize,
    pub ctr: u32,
    pub padding: [u8; 12],
    pub file_data: Vec<u8>,
    pub tt: [u8; 2],
    pub picc_values: [bool; 2],
}

/// Returns one of the values.
pub fn pick<T: Copy>(rng: &mut Rng, values: &[T]) -> T {
    values[rng.usize(..values.len())]
}

pub fn random_key(rng: &mut Rng) -> [u8; 16] {
    core::array::from_fn(|_| rng.u8(..))
}

/// Returns the UID of a random chip of NXP.
pub fn random_uid(rng: &mut Rng) -> [u8; 7] {
    let mut uid: [u8; 7] = core::array::from_fn(|_| rng.u8(..));
    uid[0] = 0x04;
    uid
}

fn random_ctr(rng: &mut Rng) -> u32 {
    if rng.bool() { rng.u32(1..2000) } else { rng.u32(1..0xFF_FFFF) }
}

impl Setup {
    /// Returns a random set-up that a chip accepts and a verifier can use.
    pub fn random(rng: &mut Rng) -> Self {
        loop {
            let setup = Self::draft(rng);
            if SdmLayout::new(setup.scheme(), &setup.template()).is_ok() {
                return setup;
            }
        }
    }

    fn draft(rng: &mut Rng) -> Self {
        let lrp = rng.u8(..10) < 3;
        let tag = Tag { lrp, meta_key: random_key(rng), file_key: random_key(rng), uid: random_uid(rng) };
        let pieces = random_pieces(rng);
        let mut setup = Self {
            tag,
            pieces,
            window: 0,
            ctr: random_ctr(rng),
            padding: core::array::from_fn(|_| rng.u8(..)),
            file_data: (0..pick(rng, &[16, 16, 32])).map(|_| rng.u8(b'a'..=b'z')).collect(),
            tt: pick(rng, &[*b"CC", *b"CC", *b"II"]),
            picc_values: [true, true],
        };
        setup.window = setup.random_window(rng);
        setup
    }

    /// Returns the start of a mirror or of a parameter before the MAC. The MAC input must include the file data and the
    /// tamper status.
    fn random_window(&self, rng: &mut Rng) -> usize {
        let offsets = self.offsets();
        let of = |wanted: Mirror| offsets.mirrors.iter().find(|(mirror, _)| *mirror == wanted).map(|(_, at)| *at);
        let mac = of(Mirror::Mac).unwrap();
        let last = [of(Mirror::Enc), of(Mirror::Tt)].into_iter().flatten().min().unwrap_or(mac);
        if last == mac && rng.bool() {
            return mac;
        }
        let text = self.placeholder_text();
        let is_separator = |at: usize| at > 8 && matches!(text.as_bytes()[at - 1], b'?' | b'&' | b'/' | b'=');
        let starts: Vec<usize> = (9..=last).filter(|at| is_separator(*at) || *at == last).collect();
        pick(rng, &starts)
    }

    pub fn scheme(&self) -> Scheme {
        if self.tag.lrp { Scheme::Lrp } else { Scheme::Aes }
    }

    pub fn chars(&self, mirror: Mirror) -> usize {
        match mirror {
            Mirror::Picc if self.tag.lrp => 48,
            Mirror::Picc => 32,
            Mirror::Uid => 14,
            Mirror::Ctr => 6,
            Mirror::Tt => 2,
            Mirror::Enc => self.file_data.len() * 2,
            Mirror::Mac => 16,
        }
    }

    pub fn has(&self, wanted: Mirror) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Mirror(mirror) if *mirror == wanted))
    }

    /// Returns the text of the file, with zeros in all placeholders.
    pub fn placeholder_text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Mirror(mirror) => "0".repeat(self.chars(*mirror)),
            })
            .collect()
    }

    /// Returns the right offsets.
    pub fn offsets(&self) -> Offsets {
        let (mut at, mut mirrors) = (0, Vec::new());
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => at += text.len(),
                Piece::Mirror(mirror) => {
                    mirrors.push((*mirror, at));
                    at += self.chars(*mirror);
                }
            }
        }
        Offsets { mirrors, window: self.window }
    }

    /// Returns the template of the layout.
    pub fn template(&self) -> String {
        self.template_with_window(self.window)
    }

    /// Returns the template with `[[` at this offset of the URL.
    pub fn template_with_window(&self, window: usize) -> String {
        let mac = self.offset_of(Mirror::Mac);
        let (mut template, mut at) = (String::new(), 0);
        let mut mark = Some(window).filter(|window| *window < mac);
        for piece in &self.pieces {
            let len = match piece {
                Piece::Text(text) => text.len(),
                Piece::Mirror(mirror) => self.chars(*mirror),
            };
            let inside = mark.take_if(|mark| (at..at + len).contains(mark)).map(|mark| mark - at);
            match piece {
                Piece::Text(text) => {
                    let (head, tail) = text.split_at(inside.unwrap_or(0));
                    template += head;
                    template += if inside.is_some() { "[[" } else { "" };
                    template += tail;
                }
                Piece::Mirror(mirror) => {
                    template += if inside.is_some() { "[[" } else { "" };
                    let enc = format!("{{enc:{}}}", self.chars(Mirror::Enc));
                    template += match mirror {
                        Mirror::Picc => "{picc}",
                        Mirror::Uid => "{uid}",
                        Mirror::Ctr => "{ctr}",
                        Mirror::Tt => "{tt}",
                        Mirror::Enc => &enc,
                        Mirror::Mac => "{mac}",
                    };
                }
            }
            at += len;
        }
        template
    }

    pub fn offset_of(&self, wanted: Mirror) -> usize {
        self.offsets().mirrors.iter().find(|(mirror, _)| *mirror == wanted).unwrap().1
    }

    /// Returns the values in the session vector.
    pub fn fields(&self) -> Vec<u8> {
        let [uid, ctr] =
            if self.has(Mirror::Picc) { self.picc_values } else { [self.has(Mirror::Uid), self.has(Mirror::Ctr)] };
        self.tag.fields(uid, ctr, self.ctr)
    }

    /// Returns the text of a mirror other than the MAC.
    pub fn mirror_text(&self, mirror: Mirror) -> String {
        match mirror {
            Mirror::Picc => self.tag.picc_data(self.picc_values[0], self.picc_values[1], self.ctr, &self.padding),
            Mirror::Uid => base16ct::upper::encode_string(&self.tag.uid),
            Mirror::Ctr => format!("{:06X}", self.ctr),
            Mirror::Tt => String::from_utf8(self.tt.to_vec()).unwrap(),
            Mirror::Enc => self.tag.file_data(&self.fields(), self.ctr, &self.file_data),
            Mirror::Mac => String::new(),
        }
    }

    /// Returns the URL with all mirrors but the MAC at these offsets.
    pub fn write_without_mac(&self, offsets: &Offsets) -> String {
        let mut text = self.placeholder_text().into_bytes();
        for (mirror, at) in &offsets.mirrors {
            overwrite(&mut text, *at, self.mirror_text(*mirror).as_bytes());
        }
        String::from_utf8(text).unwrap()
    }

    /// Returns the URL that the chip writes with these offsets. Digits after the end of the URL are lost.
    pub fn write(&self, offsets: &Offsets) -> String {
        let mut text = self.write_without_mac(offsets).into_bytes();
        let mac_at = offsets.mirrors.iter().find(|(mirror, _)| *mirror == Mirror::Mac).map(|(_, at)| *at);
        if let Some(mac_at) = mac_at {
            let cmac = self.tag.cmac(&self.fields(), &text[offsets.window.min(mac_at)..mac_at]);
            overwrite(&mut text, mac_at, sdm_mac(&cmac).as_bytes());
        }
        String::from_utf8(text).unwrap()
    }

    /// Returns the URL of a healthy tap.
    pub fn url(&self) -> String {
        self.write(&self.offsets())
    }

    /// Returns the text that the MAC of a healthy tap covers.
    pub fn mac_input(&self) -> String {
        self.write_without_mac(&self.offsets())[self.window..self.offset_of(Mirror::Mac)].to_owned()
    }
}

fn overwrite(text: &mut [u8], at: usize, value: &[u8]) {
    for (index, byte) in value.iter().enumerate() {
        if let Some(place) = text.get_mut(at + index) {
            *place = *byte;
        }
    }
}

/// Returns the text of a file and its mirrors, in one of the shapes that are in use.
fn random_pieces(rng: &mut Rng) -> Vec<Piece> {
    let scheme = pick(rng, &["https://", "https://", "https://www.", "http://", "lnurlw://"]);
    let host = pick(rng, &["shop.example", "tap.example.com", "a.b", "id.brand-name.example", "card.example:8080"]);
    let path = pick(rng, &["/", "/t", "/nfc/verify", "/item_1", "/Tap/Check", "/p/7731"]);
    let mut mirrors = if rng.bool() { vec![Mirror::Picc] } else { vec![Mirror::Uid, Mirror::Ctr] };
    if rng.u8(..10) < 2 {
        mirrors.push(Mirror::Tt);
    }
    if rng.u8(..10) < 3 {
        mirrors.push(Mirror::Enc);
    }
    mirrors.push(Mirror::Mac);
    let mut pieces = Vec::new();
    let mut text = format!("{scheme}{host}{path}");
    let in_path = rng.u8(..10) < 2;
    for (index, mirror) in mirrors.iter().enumerate() {
        if in_path {
            text += if text.ends_with('/') { "" } else { "/" };
        } else {
            text += if index == 0 { "?" } else { "&" };
            if index == 0 && rng.u8(..10) < 3 {
                text += pick(rng, &["id=42&", "lang=de&", "v=1&", "sku=20251122&", "ref=nfc-a&"]);
            }
            text += match mirror {
                Mirror::Picc => pick(rng, &["picc_data=", "p=", "e=", "d="]),
                Mirror::Uid => pick(rng, &["uid=", "u=", "id="]),
                Mirror::Ctr => pick(rng, &["ctr=", "n=", "counter="]),
                Mirror::Tt => pick(rng, &["tt=", "tamper="]),
                Mirror::Enc => pick(rng, &["enc=", "data="]),
                Mirror::Mac => pick(rng, &["cmac=", "c=", "m=", "mac="]),
            };
        }
        pieces.push(Piece::Text(core::mem::take(&mut text)));
        pieces.push(Piece::Mirror(*mirror));
    }
    if rng.u8(..10) < 2 {
        pieces.push(Piece::Text(pick(rng, &["&src=tag", "&v=2", "#top"]).to_owned()));
    }
    pieces
}
