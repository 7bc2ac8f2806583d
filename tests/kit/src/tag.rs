//! A tag in software, written from the data sheet.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use cmac::{Cmac, Mac as _};

/// The keys and the UID of a tag.
#[derive(Clone, Debug)]
pub struct Tag {
    pub lrp: bool,
    pub meta_key: [u8; 16],
    pub file_key: [u8; 16],
    pub uid: [u8; 7],
}

/// The content of one tap.
#[derive(Clone, Debug)]
pub struct Tap {
    pub ctr: u32,
    pub padding: [u8; 12],
    pub file_data: Vec<u8>,
    pub tt: [u8; 2],
}

/// The URL that a tag wrote.
pub struct Written {
    pub url: String,
    /// The positions of the characters that the MAC authenticates: all text in the MAC window, and all mirrors except a
    /// `{tt}` outside the window.
    pub covered: Vec<usize>,
    /// The positions of all hexadecimal digits of mirrors.
    pub digits: Vec<usize>,
}

impl Tag {
    /// Returns the URL that the tag writes for a template. The elements of the template also determine which values
    /// the chip mirrors.
    ///
    /// # Panics
    /// Panics if the template contains a `{:name}`.
    pub fn write(&self, template: &str, tap: &Tap) -> Written {
        let has = |elements: [&str; 4]| elements.iter().any(|element| template.contains(element));
        let has_uid = has(["{uid}", "{picc}", "{picc:uid}", "{picc:uid,ctr}"]);
        let has_ctr = has(["{ctr}", "{picc}", "{picc:ctr}", "{picc:uid,ctr}"]);
        let fields = self.fields(has_uid, has_ctr, tap.ctr);

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
                "{picc}" | "{picc:uid}" | "{picc:ctr}" | "{picc:uid,ctr}" => {
                    self.picc_data(has_uid, has_ctr, tap.ctr, &tap.padding)
                }
                "{uid}" => upper(&self.uid),
                "{ctr}" => format!("{:06X}", tap.ctr),
                "{tt}" => String::from_utf8(tap.tt.to_vec()).unwrap(),
                element if element.starts_with("{enc") => self.file_data(&fields, tap.ctr, &tap.file_data),
                "{mac}" => {
                    let input = window.take().map_or("", |from| &url[from..]);
                    sdm_mac(&self.cmac(&fields, input.as_bytes()))
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

    /// Returns the values in the session vector: UID and counter, as far as the tag mirrors them.
    pub fn fields(&self, has_uid: bool, has_ctr: bool, ctr: u32) -> Vec<u8> {
        let uid = if has_uid { &self.uid[..] } else { &[] };
        let ctr = if has_ctr { &ctr.to_le_bytes()[..3] } else { &[] };
        [uid, ctr].concat()
    }

    /// Returns the mirror of PICCData.
    pub fn picc_data(&self, has_uid: bool, has_ctr: bool, ctr: u32, padding: &[u8; 12]) -> String {
        let tag = (u8::from(has_uid) * 0x87) | (u8::from(has_ctr) * 0x40);
        let plain = [&[tag], &self.fields(has_uid, has_ctr, ctr)[..], padding].concat();
        if self.lrp {
            let rand = &padding[4..];
            upper(rand) + &upper(&encrypt(&eval(&self.meta_key, 0, rand), &plain[..16]))
        } else {
            upper(&encrypt(&self.meta_key, &plain[..16]))
        }
    }

    /// Returns the full CMAC of a MAC input, under the session key of SDMMAC.
    pub fn cmac(&self, fields: &[u8], input: &[u8]) -> [u8; 16] {
        if self.lrp {
            cmac_lrp(&self.lrp_master(fields), input)
        } else {
            cmac(&cmac(&self.file_key, &session_vector(&[0x3C, 0xC3], fields)), input)
        }
    }

    /// Returns the full CMAC of a MAC input under the key of the tag itself, as no chip computes it.
    pub fn cmac_without_session(&self, input: &[u8]) -> [u8; 16] {
        if self.lrp { cmac_lrp(&self.file_key, input) } else { cmac(&self.file_key, input) }
    }

    /// Returns the mirror of the encrypted file data.
    pub fn file_data(&self, fields: &[u8], ctr: u32, plain: &[u8]) -> String {
        let ctr = &ctr.to_le_bytes()[..3];
        if self.lrp {
            let master = self.lrp_master(fields);
            let block = |(index, block): (usize, &[u8])| {
                let counter = u64::from_be_bytes([ctr, &[0; 5]].concat().try_into().unwrap()) >> 16;
                let counter = (counter + u64::try_from(index).unwrap()).to_be_bytes();
                upper(&encrypt(&eval(&master, 1, &counter[2..]), block))
            };
            return plain.chunks(16).enumerate().map(block).collect();
        }
        let key = cmac(&self.file_key, &session_vector(&[0xC3, 0x3C], fields));
        let mut chain = encrypt(&key, &[ctr, &[0; 13]].concat());
        let mut text = String::new();
        for block in plain.chunks(16) {
            let mixed: Vec<u8> = block.iter().zip(&chain).map(|(byte, chain)| byte ^ chain).collect();
            chain = encrypt(&key, &mixed);
            text += &upper(&chain);
        }
        text
    }

    fn lrp_master(&self, fields: &[u8]) -> [u8; 16] {
        let mut vector = session_vector(&[], fields);
        vector[14..].copy_from_slice(&[0x1E, 0xE1]);
        cmac_lrp(&self.file_key, &vector)
    }
}

/// Returns the mirror of SDMMAC: the bytes of the CMAC with odd indices.
pub fn sdm_mac(cmac: &[u8; 16]) -> String {
    upper(&cmac.iter().copied().skip(1).step_by(2).collect::<Vec<u8>>())
}

fn session_vector(label: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut vector = [label, &[0x00, 0x01, 0x00, 0x80], fields].concat();
    vector.resize(16, 0);
    vector
}

/// Evaluates LRP over all nibbles of the input, and finalizes the result. `updated` selects updated key 0 or 1. Source:
/// AN12304.
fn eval(key: &[u8; 16], updated: usize, input: &[u8]) -> [u8; 16] {
    let chain = |mut secret: [u8; 16], steps: usize| {
        for _ in 0..steps {
            secret = encrypt(&secret, &[0x55; 16]);
        }
        encrypt(&secret, &[0xAA; 16])
    };
    let mut state = chain(encrypt(key, &[0xAA; 16]), updated);
    for nibble in input.iter().flat_map(|byte| [byte / 16, byte % 16]) {
        state = encrypt(&state, &chain(encrypt(key, &[0x55; 16]), nibble.into()));
    }
    encrypt(&state, &[0; 16])
}

/// Computes the CMAC of NIST SP 800-38B with LRP as the block cipher.
fn cmac_lrp(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    let cipher = |block: u128| u128::from_be_bytes(eval(key, 0, &block.to_be_bytes()));
    let double = |value: u128| (value << 1) ^ if value >> 127 == 1 { 0x87 } else { 0 };
    let k1 = double(cipher(0));
    let mut padded = message.to_vec();
    let subkey = if !message.is_empty() && message.len().is_multiple_of(16) {
        k1
    } else {
        padded.push(0x80);
        padded.resize(padded.len().next_multiple_of(16), 0);
        double(k1)
    };
    let blocks: Vec<u128> = padded.chunks(16).map(|block| u128::from_be_bytes(block.try_into().unwrap())).collect();
    let (last, first) = blocks.split_last().unwrap();
    let state = first.iter().fold(0, |state, block| cipher(state ^ block));
    cipher(state ^ last ^ subkey).to_be_bytes()
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
