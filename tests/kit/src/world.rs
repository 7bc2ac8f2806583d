//! The tags of the golden files, as rows of a registry and as software tags.

use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext};
use suntap::platform::rules::{Comparison, Equality, Rule};
use suntap::platform::{Standing, State};
use suntap::{Mark, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, Uid};

use crate::registry::{OwnRules, Row, RowKeys, Tags};
use crate::{Tag, Tap};

/// The server secret that opens the sealed keys of these tags.
pub const SECRET: ServerSecret = ServerSecret::from_bytes([0x5E; 16]);
const ECODE: ECode = ECode::from_bytes([0x2A; 16]);
const ECODE_TEXT: &str = "fivcukrkfivcukrkfivcukrkfi";
const META_KEY: [u8; 16] = [0xC0; 16];

const AUTHENTIC: Rule = Rule::TagAuthentication;

/// Returns the UID and file-read key of the ixkio tag whose UID ends with this byte.
fn ixkio_chip(last: u8) -> (Uid, SdmFileReadKey) {
    (Uid::from_bytes([0x04, 0xAA, 0xBB, 0xCC, 0x11, 0x22, last]), SdmFileReadKey::from_bytes([last; 16]))
}

fn etrnl_chip(last: u8) -> (Uid, SdmFileReadKey) {
    (Uid::from_bytes([0x04, 0xE7, 0xE7, 0xE7, 0xE7, 0xE7, last]), SdmFileReadKey::from_bytes([0x50 + last; 16]))
}

fn rules(groups: &[(&[Rule], &str)], default: &str) -> OwnRules {
    let groups = groups.iter().map(|(rules, response)| (rules.to_vec(), String::from(*response))).collect();
    OwnRules { groups, default: default.into() }
}

fn ixkio(xuid: &str, last: u8, template: &str) -> Row {
    let (uid, file) = ixkio_chip(last);
    Row {
        xuid: Some(xuid.into()),
        uid: Some(uid),
        tag: "Left shoe".into(),
        layout: Some(SdmLayout::new(Scheme::Aes, template).unwrap()),
        keys: RowKeys::Held { meta: None, file },
        group_rules: rules(&[(&[AUTHENTIC], "Pass")], "Fail"),
        ..Row::new(1)
    }
}

fn etrnl(number: u64, template: &str) -> Row {
    let (uid, file) = etrnl_chip(u8::try_from(number - 1000).unwrap());
    Row {
        number: Some(number),
        uid: Some(uid),
        layout: Some(SdmLayout::new(Scheme::Aes, template).unwrap()),
        keys: RowKeys::Held { meta: Some(SdmMetaReadKey::from_bytes(META_KEY)), file },
        ..Row::new(1)
    }
}

/// Returns all tags.
#[allow(clippy::too_many_lines, reason = "a table of tags")]
pub fn tags() -> Tags {
    const COUNTER: &str = "https://t.ixkio.com/{:xuid}?n={ctr}&e={mac}";
    const BOTH: &str = "https://t.ixkio.com/{:xuid}?u={uid}&n={ctr}&e={mac}";
    const FILE_DATA: &str = "https://t.ixkio.com/{:xuid}?u={uid}&n={ctr}&e=[[{enc:32,tt@0}{mac}";
    const PLAIN: &str = "https://etrnl.example/{:tagId}?e={picc:uid,ctr}&c={mac}&k={:eCode}";
    const TAMPER: &str = "https://etrnl.example/{:tagId}?k={:eCode}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}";
    let off = State::Inactive;
    let extended = |name: &str, value: &str, shown| (String::from(name), String::from(value), shown);

    let sealed = {
        let (uid, file) = etrnl_chip(1);
        let tag = TagContext { tag_id: 1001, uid, epoch: 0 };
        let keys = SealedKeys::seal(&SECRET, &ECODE, &tag, &SdmMetaReadKey::from_bytes(META_KEY), &file);
        RowKeys::Sealed { keys, tag }
    };
    let rows = vec![
        Row { cuid: Some("SHOE-0042".into()), ..ixkio("q8w3sbcz", 0x33, COUNTER) },
        ixkio("u1d2ctr3", 0x34, BOTH),
        Row {
            tamper: true,
            group_rules: rules(
                &[
                    (&[AUTHENTIC, Rule::Tamper(Equality::NotEqual, *b"CC")], "Opened"),
                    (&[AUTHENTIC, Rule::Tamper(Equality::Equal, *b"CC")], "Pass, seal CC"),
                ],
                "Fail",
            ),
            ..ixkio("f1ledata", 0x35, FILE_DATA)
        },
        Row { standing: Standing { folder: off, batch: off, ..Standing::ACTIVE }, ..ixkio("fold3r00", 0x36, COUNTER) },
        Row {
            standing: Standing { tag_group: off, tag_code: off, ..Standing::ACTIVE },
            ..ixkio("gr0up000", 0x37, COUNTER)
        },
        Row { standing: Standing { batch: off, ..Standing::ACTIVE }, ..ixkio("b4tch000", 0x38, COUNTER) },
        Row { standing: Standing { tag_code: off, ..Standing::ACTIVE }, ..ixkio("t4gc0de0", 0x39, COUNTER) },
        Row { needs_token: true, ..ixkio("t0ken000", 0x3A, COUNTER) },
        Row { keys: RowKeys::NotLoaded, ..ixkio("n0keys00", 0x3B, COUNTER) },
        Row {
            xuid: Some("pl41n000".into()),
            group_rules: rules(&[(&[AUTHENTIC], "never")], "https://example.com/{xuid}"),
            ..Row::new(1)
        },
        Row {
            group_rules: rules(
                &[
                    (&[AUTHENTIC, Rule::ScanCount(Comparison::LessThan, 2)], "Welcome {TagName}"),
                    (&[AUTHENTIC], "{scount}/{ccount} {uid} {folder}/{taggroup}/{batch}{cuid} {browser} {x"),
                ],
                "no: {scount}|{ccount}",
            ),
            extended: vec![
                extended("Scan Count", "{scount}", true),
                extended("Colour", "red {SIZE}", true),
                extended("Size", "42", false),
            ],
            ..ixkio("rul3s000", 0x3D, COUNTER)
        },
        Row {
            group_rules: rules(&[(&[AUTHENTIC], "Group pass")], "Group says: {tagcodedr}!"),
            tag_rules: Some(rules(&[(&[AUTHENTIC], "never")], "own {xuid}")),
            ..ixkio("l4yer000", 0x3E, COUNTER)
        },
        Row { tag_rules: Some(rules(&[(&[AUTHENTIC], "mine")], "not mine")), ..ixkio("0wnrul3s", 0x3F, COUNTER) },
        Row {
            group_rules: rules(
                &[
                    (&[AUTHENTIC], "{scount}/{ccount}"),
                    (&[Rule::ScanCount(Comparison::MoreThan, 6)], "seen {scount} times, last at {ccount}"),
                ],
                "Fail",
            ),
            last_seen: Some(Mark { ctr: SdmReadCtr::new(41).unwrap(), at: None, taps: 7 }),
            ..ixkio("s33nb4fr", 0x40, COUNTER)
        },
        Row {
            keys: sealed,
            metadata: Some(r#"{"sku": "A-1",  "sizes":[41, 42.0], "owner":null}"#.into()),
            ..etrnl(1001, PLAIN)
        },
        // The example from the vendor's documentation: a tag whose last authentic counter is 11.
        Row {
            number: Some(123),
            uid: Some(Uid::from_bytes([0x04, 0xC1, 0x48, 0xEA, 0xC3, 0x71, 0x80])),
            layout: Some(SdmLayout::new(Scheme::Aes, PLAIN).unwrap()),
            keys: RowKeys::Held {
                meta: Some(SdmMetaReadKey::from_bytes(META_KEY)),
                file: SdmFileReadKey::from_bytes([0xD0; 16]),
            },
            metadata: Some(r#"{"nftId":"1"}"#.into()),
            ..Row::new(1)
        },
        Row { tamper: true, ..etrnl(1002, TAMPER) },
        Row { standing: Standing { tag_code: off, ..Standing::ACTIVE }, ..etrnl(1003, PLAIN) },
        Row { keys: RowKeys::NotLoaded, ..etrnl(1004, PLAIN) },
        Row { organisation: 2, ..etrnl(1005, PLAIN) },
        etrnl(1006, PLAIN),
        Row { number: Some(1007), ..Row::new(1) },
        Row { organisation: 2, standing: Standing { tag_code: off, ..Standing::ACTIVE }, ..etrnl(1008, PLAIN) },
        etrnl(1009, "https://etrnl.example/{:tagId}?e={picc:uid}&c={mac}&k={:eCode}"),
    ];
    Tags { rows, ..Tags::default() }
        .with_token("rt_one", 1)
        .with_token("rt_two", 2)
        .with_api_key("pk_live_one", 1)
        .with_api_key("pk_live_two", 2)
}

/// Returns the mirrors that a request for this tap contains, as text.
pub fn mirrors(row: &Row, ctr: u32, tt: &str) -> Vec<String> {
    let (name, uid) = (row.xuid.clone().unwrap_or_default(), *row.uid.unwrap().as_bytes());
    let number = row.number.unwrap_or_default().to_string();
    let file_key = match row.number {
        Some(_) => [0x50 + uid[6]; 16],
        None => [uid[6]; 16],
    };
    let tag = Tag { lrp: false, meta_key: META_KEY, file_key, uid };
    let mut file_data = [b'x'; 16];
    file_data[..tt.len()].copy_from_slice(tt.as_bytes());
    let padding = [ctr.to_le_bytes()[0]; 12];
    let template = row.layout.as_ref().unwrap().template();
    let texts = [("{:xuid}", &*name), ("{:tagId}", &number), ("{:eCode}", ECODE_TEXT)];
    let template = texts.iter().fold(template.to_owned(), |url, (element, text)| url.replace(element, text));
    // The software tag does not support pinned lengths.
    let template = template.replace("{enc:32,tt@0}", "{enc}");
    let tap = Tap { ctr, padding, file_data: file_data.to_vec(), tt: *b"CC" };
    let url = tag.write(&template, &tap).url;
    let query = url.split_once('?').unwrap().1;
    let values = query.split('&').map(|pair| pair.split_once('=').unwrap());
    // The server takes a plain UID from the record, so the request does not contain it.
    values.filter(|(name, _)| *name != "u").map(|(_, value)| value.to_owned()).collect()
}
