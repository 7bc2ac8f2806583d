//! The rules of the chip. Sources: NT4H2421Gx §9.3.3 to §9.3.7, §10.7.1, Tables 10, 11, 69, 71 and 73; NXP/nxmw v02.07.00,
//! `nx_ChangeFileSettings`, for a tag that signs its taps.

use suntap::Scheme;

use super::explain::access;
use super::fields::{
    ASCII, ENC_FILE_DATA, FREE, FileSettings, NEVER, Number, READ_CTR, READ_CTR_LIMIT, SDM_ON, Sdm, TT_STATUS, UID,
};
use crate::ndef::HEADER;

/// Adds a text for each rule that is broken.
type Faults = Vec<String>;

/// Returns a text for each rule that the settings break.
pub(crate) fn broken(settings: &FileSettings, scheme: Scheme) -> Faults {
    let mut faults = Faults::new();
    let mut require = |holds: bool, text: &str| {
        if !holds {
            faults.push(text.to_owned());
        }
    };
    require(settings.file_type == 0, "FileType must be 00h: only a standard data file has SDM");
    require(settings.option & !(SDM_ON | 0b11) == 0, "FileOption has a reserved bit: only bits 0, 1 and 6 may be set");
    require(settings.sdm.is_some(), "FileOption turns SDM off: set bit 6 (40h)");
    for nibble in settings.rights.into_iter().flat_map(|byte| [byte >> 4, byte & 0x0F]) {
        require(is_valid(nibble), &format!("AccessRights has the value {}", access(nibble)));
    }
    if let Some(sdm) = &settings.sdm {
        shape(sdm, &mut require);
        rights(sdm, scheme, &mut require);
        offsets(sdm, size(settings), scheme, &mut require);
        encryption(sdm, &mut require);
    }
    faults
}

fn is_valid(nibble: u8) -> bool {
    matches!(nibble, 0..=4 | FREE | NEVER)
}

fn size(settings: &FileSettings) -> usize {
    let [low, mid, high] = settings.size;
    usize::from(low) | usize::from(mid) << 8 | usize::from(high) << 16
}

fn shape(sdm: &Sdm, require: &mut impl FnMut(bool, &str)) {
    let reserved = !(UID | READ_CTR | READ_CTR_LIMIT | ENC_FILE_DATA | TT_STATUS | ASCII);
    require(!sdm.has(reserved), "SDMOptions has a reserved bit: bits 1 and 2 must be 0");
    require(sdm.has(ASCII), "SDMOptions must have bit 0 (ASCII)");
    if let Some(number) = sdm.missing {
        require(false, &format!("{} is missing: SDMOptions and SDMAccessRights announce it", number.name()));
    }
    let more = "there are more bytes than SDMOptions and SDMAccessRights announce";
    require(sdm.rest.is_empty() || sdm.missing.is_some(), more);
}

fn rights(sdm: &Sdm, scheme: Scheme, require: &mut impl FnMut(bool, &str)) {
    if scheme == Scheme::Ecdsa {
        let is_key = matches!(sdm.ecc_key(), 0..=4);
        require(is_key, "SDMAccessRights must have the number of an ECC key, 0 to 4, in bits 7 to 4");
        require(!sdm.has(TT_STATUS), "SDMOptions bit 3 mirrors the GPIO status, for which a template has no element");
    } else {
        let is_reserved = sdm.ecc_key() == NEVER;
        require(
            is_reserved,
            "SDMAccessRights has a reserved part, bits 7 to 4, that must be F, or a key with --mode ecdsa",
        );
    }
    for (name, nibble) in
        [("SDMMetaRead", sdm.meta_read()), ("SDMFileRead", sdm.file_read()), ("SDMCtrRet", sdm.ctr_ret())]
    {
        require(is_valid(nibble), &format!("{name} has the value {}", access(nibble)));
    }
    require(sdm.file_read() != FREE, "SDMFileRead must name a key: it cannot be free (E)");
    require(
        sdm.file_read() != NEVER || scheme == Scheme::Ecdsa,
        "SDMFileRead is F: the tag writes no MAC, so no tap can be verified",
    );
    let mirrored = sdm.has(UID) || sdm.has(READ_CTR);
    require(mirrored || sdm.meta_read() == NEVER, "SDMMetaRead must be F, because neither UID nor counter is mirrored");
    require(
        !mirrored || sdm.meta_read() != NEVER,
        "SDMMetaRead is F, but SDMOptions mirrors UID or counter: use E, or a key",
    );
    let counts = sdm.has(READ_CTR);
    require(counts || sdm.ctr_ret() == NEVER, "SDMCtrRet must be F, because the counter is not mirrored");
    require(counts || !sdm.has(READ_CTR_LIMIT), "SDMReadCtrLimit needs the counter (bit 6 of SDMOptions)");
    require(sdm.number(Number::Limit) != Some(0), "SDMReadCtrLimit is 0, so the tag can never be read");
}

fn offsets(sdm: &Sdm, size: usize, scheme: Scheme, require: &mut impl FnMut(bool, &str)) {
    let mirrors = sdm.mirrors(scheme);
    for (index, mirror) in mirrors.iter().enumerate() {
        let name = mirror.name;
        require(mirror.from >= HEADER, &format!("{name} begins in the header of the file, which has 7 bytes"));
        require(mirror.end() <= size, &format!("{name} ends at {}, after the end of the file at {size}", mirror.end()));
        for other in mirrors.iter().skip(index.saturating_add(1)).filter(|other| mirror.overlaps(other)) {
            let is_allowed = name == "TTStatus" && other.name == "SDMENCFileData";
            require(is_allowed, &format!("{name} and {} overlap", other.name));
        }
    }
    let (Some(input), Some(mac)) = (sdm.number(Number::MacInput), sdm.number(Number::Mac)) else { return };
    require(
        input <= mac,
        &format!("SDMMACInputOffset is {input}, but it must not be greater than SDMMACOffset, {mac}"),
    );
    require(input >= HEADER, "the MAC input begins in the header of the file: no verifier sees these bytes");
    for mirror in mirrors.iter().filter(|mirror| mirror.from < input && mirror.contains(input)) {
        require(false, &format!("the MAC input begins inside {}", mirror.name));
    }
}

fn encryption(sdm: &Sdm, require: &mut impl FnMut(bool, &str)) {
    if !sdm.has(ENC_FILE_DATA) {
        return;
    }
    require(sdm.has(UID) && sdm.has(READ_CTR), "SDMENCFileData needs both UID and counter mirrored");
    let number = |number| sdm.number(number);
    let (Some(enc), Some(length)) = (number(Number::Enc), number(Number::EncLength)) else { return };
    require(
        length > 0 && length.is_multiple_of(32),
        &format!("SDMENCLength is {length}, but it must be a positive multiple of 32"),
    );
    let end = enc.saturating_add(length);
    if let Some(input) = number(Number::MacInput) {
        require(
            input <= enc,
            "SDMENCFileData must be inside the MAC input: SDMMACInputOffset must not be greater than SDMENCOffset",
        );
    }
    if let Some(mac) = number(Number::Mac) {
        require(end <= mac, "SDMENCFileData must end at or before SDMMACOffset");
    }
    if let Some(tt) = number(Number::TtStatus)
        && (enc..end).contains(&tt)
    {
        let half = enc.saturating_add(length / 2);
        require(
            tt.saturating_add(2) <= half,
            "TTStatus must be in the first half of SDMENCFileData, which holds the plaintext",
        );
    }
}

/// Returns what is allowed, but rarely intended.
pub(crate) fn remarks(settings: &FileSettings) -> Vec<String> {
    let [low, high] = settings.rights;
    let (read, write, read_write, change) = (high >> 4, high & 0x0F, low >> 4, low & 0x0F);
    let is_file_number = settings.is_command && settings.option == 0x02 && low & !0b11 == SDM_ON;
    let remarks = [
        (is_file_number, "the first byte, 02h, looks like the number of the file: the data begins after it"),
        (read != FREE && read_write != FREE, "a phone cannot read the file, because reading needs a key"),
        (write == FREE || read_write == FREE, "anybody can write the file, because writing is free"),
        (change == FREE, "anybody can change these settings, because changing them is free"),
        (change == NEVER, "nobody can ever change these settings again"),
    ];
    let remarks = remarks.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned());
    remarks.chain(settings.sdm.as_ref().map(unprotected).unwrap_or_default()).collect()
}

/// Returns what the chip can be set up to do, but no verifier can rely on.
fn unprotected(sdm: &Sdm) -> Vec<String> {
    let (Some(input), Some(mac)) = (sdm.number(Number::MacInput), sdm.number(Number::Mac)) else { return Vec::new() };
    let mut remarks = Vec::new();
    if !sdm.mirrors_ctr() {
        let what =
            if sdm.mirrors_uid() { "the counter is not mirrored" } else { "neither UID nor counter is mirrored" };
        remarks.push(format!("{what}, so replays cannot be detected: a copy of the URL is as good as the tag"));
    }
    if let Some(tt) = sdm.number(Number::TtStatus)
        && (tt < input || tt.saturating_add(2) > mac)
    {
        remarks.push(
            "the MAC does not cover TTStatus, so anybody can change the tamper status: let SDMMACInputOffset point before \
             TTStatus, and put TTStatus before SDMMACOffset"
                .to_owned(),
        );
    }
    remarks
}
