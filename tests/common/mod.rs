//! A tag in software, for tests: written from the data sheet on the `aes` and `cmac` crates, sharing no code with suntap, so
//! that one mistake can not hide in both.

#![allow(dead_code, reason = "each test uses what it needs")]

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use cmac::{Cmac, Mac as _};

/// Keys and identity of a tag.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) meta_key: [u8; 16],
    pub(crate) file_key: [u8; 16],
    pub(crate) uid: [u8; 7],
}

/// What one tap is to say.
#[derive(Clone, Debug)]
pub(crate) struct Tap {
    pub(crate) ctr: u32,
    pub(crate) padding: [u8; 12],
    pub(crate) file_data: Vec<u8>,
    pub(crate) tt: [u8; 2],
}

/// What a tag wrote.
pub(crate) struct Written {
    pub(crate) url: String,
    /// The characters that the tag vouches for: the mirrors that identify it, the MAC window, and the MAC itself.
    pub(crate) covered: Vec<usize>,
    /// The characters that are digits of a mirror.
    pub(crate) digits: Vec<usize>,
}

impl Tag {
    /// What the tag writes for a template of plain elements: no pins, no captured text.
    pub(crate) fn write(&self, template: &str, tap: &Tap) -> Written {
        let ctr = &tap.ctr.to_le_bytes()[..3];
        let picc = template.contains("{picc}");
        let mut fields = Vec::new();
        if picc || template.contains("{uid}") {
            fields.extend_from_slice(&self.uid);
        }
        if picc || template.contains("{ctr}") {
            fields.extend_from_slice(ctr);
        }

        let (mut url, mut covered, mut digits, mut window) = (String::new(), Vec::new(), Vec::new(), None);
        let mut rest = template;
        while let Some(at) = rest.find(['[', '{']) {
            let from = url.len();
            url += &rest[..at];
            if window.is_some() {
                covered.extend(from..url.len());
            }
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("[[") {
                (window, rest) = (Some(url.len()), after);
                continue;
            }
            let (element, after) = rest.split_at(rest.find('}').unwrap() + 1);
            rest = after;
            let text = match element {
                "{picc}" => {
                    let plain = [[0xC7].as_slice(), &self.uid, ctr, &tap.padding].concat();
                    upper(&encrypt(&self.meta_key, &plain[..16]))
                }
                "{uid}" => upper(&self.uid),
                "{ctr}" => format!("{:06X}", tap.ctr),
                "{tt}" => String::from_utf8(tap.tt.to_vec()).unwrap(),
                "{enc}" => self.file_data(&fields, ctr, &tap.file_data),
                "{mac}" => {
                    let input = window.take().map_or("", |from| &url[from..]);
                    let key = cmac(&self.file_key, &session_vector([0x3C, 0xC3], &fields));
                    let mac: Vec<u8> = cmac(&key, input.as_bytes()).into_iter().skip(1).step_by(2).collect();
                    upper(&mac)
                }
                other => panic!("{other}"),
            };
            let place = url.len()..url.len() + text.len();
            if window.is_some() || element != "{tt}" {
                covered.extend(place.clone());
            }
            if element != "{tt}" {
                digits.extend(place);
            }
            url += &text;
        }
        url += rest;
        Written { url, covered, digits }
    }

    fn file_data(&self, fields: &[u8], ctr: &[u8], plain: &[u8]) -> String {
        let key = cmac(&self.file_key, &session_vector([0xC3, 0x3C], fields));
        let mut chain = encrypt(&key, &[ctr, &[0; 13]].concat());
        let mut text = String::new();
        for block in plain.chunks(16) {
            let mixed: Vec<u8> = block.iter().zip(&chain).map(|(byte, chain)| byte ^ chain).collect();
            chain = encrypt(&key, &mixed);
            text += &upper(&chain);
        }
        text
    }
}

fn session_vector(label: [u8; 2], fields: &[u8]) -> Vec<u8> {
    let mut vector = [&label, [0x00, 0x01, 0x00, 0x80].as_slice(), fields].concat();
    vector.resize(16, 0);
    vector
}

fn encrypt(key: &[u8; 16], block: &[u8]) -> [u8; 16] {
    let mut block = aes::Block::try_from(block).unwrap();
    Aes128::new(key.into()).encrypt_block(&mut block);
    block.into()
}

fn cmac(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let mut mac = Cmac::<Aes128>::new(key.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}
