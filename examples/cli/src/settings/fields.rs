//! The fields of the settings. Source: NT4H2421Gx §10.7.1, Tables 69 and 73; NXP/nxmw v02.07.00, `nx_ChangeFileSettings`,
//! for the ECC key of NTAG X DNA.

use suntap::Scheme;

use crate::ndef::Range;

// Bits of SDMOptions.
pub(super) const UID: u8 = 1 << 7;
pub(super) const READ_CTR: u8 = 1 << 6;
pub(super) const READ_CTR_LIMIT: u8 = 1 << 5;
pub(super) const ENC_FILE_DATA: u8 = 1 << 4;
pub(super) const TT_STATUS: u8 = 1 << 3;
pub(super) const ASCII: u8 = 1;
/// The bit of FileOption that turns SDM on.
pub(super) const SDM_ON: u8 = 1 << 6;
// Access conditions.
pub(super) const FREE: u8 = 0xE;
pub(super) const NEVER: u8 = 0xF;
/// The SDMReadCtrOffset of a counter that is not mirrored.
const NOT_MIRRORED: usize = 0x00FF_FFFF;

/// A number of three bytes in the settings, LSB first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Uid,
    ReadCtr,
    PiccData,
    TtStatus,
    MacInput,
    Enc,
    EncLength,
    Mac,
    Limit,
}

impl Number {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Uid => "UIDOffset",
            Self::ReadCtr => "SDMReadCtrOffset",
            Self::PiccData => "PICCDataOffset",
            Self::TtStatus => "TTStatusOffset",
            Self::MacInput => "SDMMACInputOffset",
            Self::Enc => "SDMENCOffset",
            Self::EncLength => "SDMENCLength",
            Self::Mac => "SDMMACOffset",
            Self::Limit => "SDMReadCtrLimit",
        }
    }

    /// Returns the name and the length of the mirror whose offset this is.
    fn mirror(self, scheme: Scheme) -> Option<(&'static str, usize)> {
        match self {
            Self::Uid => Some(("UID", 14)),
            Self::ReadCtr => Some(("SDMReadCtr", 6)),
            Self::PiccData if scheme == Scheme::Lrp => Some(("PICCData", 48)),
            Self::PiccData => Some(("PICCData", 32)),
            Self::TtStatus => Some(("TTStatus", 2)),
            Self::Mac if scheme == Scheme::Ecdsa => Some(("signature", 128)),
            Self::Mac => Some(("SDMMAC", 16)),
            Self::MacInput | Self::Enc | Self::EncLength | Self::Limit => None,
        }
    }
}

/// The settings of a file.
pub(crate) struct FileSettings {
    /// `true` for the data of a command, which has neither FileType nor FileSize.
    pub(super) is_command: bool,
    pub(super) file_type: u8,
    pub(super) option: u8,
    pub(super) rights: [u8; 2],
    pub(super) size: [u8; 3],
    /// `None` if SDM is off.
    pub(crate) sdm: Option<Sdm>,
}

/// The part of the settings that belongs to SDM.
#[derive(Default)]
pub(crate) struct Sdm {
    pub(super) options: u8,
    pub(super) rights: [u8; 2],
    pub(crate) numbers: Vec<(Number, usize)>,
    /// The first number that is cut off.
    pub(super) missing: Option<Number>,
    /// The bytes after the last number.
    pub(super) rest: Vec<u8>,
}

impl FileSettings {
    /// Reads settings. Returns `None` if they end before the part that belongs to SDM.
    pub(crate) fn read(bytes: &[u8], is_command: bool) -> Option<Self> {
        let mut settings = Self { is_command, file_type: 0, option: 0, rights: [0; 2], size: [0, 1, 0], sdm: None };
        let sdm = if is_command {
            let ([option, rights @ ..], sdm) = bytes.split_first_chunk::<3>()?;
            (settings.option, settings.rights) = (*option, *rights);
            sdm
        } else {
            let ([file_type, option, low, high, size @ ..], sdm) = bytes.split_first_chunk::<7>()?;
            settings = Self { file_type: *file_type, option: *option, rights: [*low, *high], size: *size, ..settings };
            sdm
        };
        if settings.option & SDM_ON != 0 {
            settings.sdm = Some(Sdm::read(sdm)?);
        }
        Some(settings)
    }

    /// Returns the answer to GetFileSettings after these settings are in effect.
    pub(super) fn answer(&self) -> Vec<u8> {
        let mut bytes = [&[self.file_type, self.option], &self.rights[..], &self.size].concat();
        if let Some(sdm) = &self.sdm {
            bytes.push(sdm.options);
            bytes.extend_from_slice(&sdm.rights);
            for (_, number) in &sdm.numbers {
                bytes.extend(number.to_le_bytes().into_iter().take(3));
            }
            bytes.extend_from_slice(&sdm.rest);
        }
        bytes
    }

    /// Returns the mirrors, and the text that the MAC covers.
    pub(super) fn ranges(&self, scheme: Scheme) -> Vec<Range> {
        self.sdm.as_ref().map(|sdm| sdm.ranges(scheme)).unwrap_or_default()
    }
}

impl Sdm {
    /// Reads SDMOptions, SDMAccessRights and the numbers that they announce.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let ([options, rights @ ..], mut rest) = bytes.split_first_chunk::<3>()?;
        let mut sdm = Self { options: *options, rights: *rights, ..Self::default() };
        for number in sdm.announced() {
            let Some(([low, mid, high], after)) = rest.split_first_chunk::<3>() else {
                sdm.missing = Some(number);
                break;
            };
            let value = usize::from(*low) | usize::from(*mid) << 8 | usize::from(*high) << 16;
            sdm.numbers.push((number, value));
            rest = after;
        }
        // A status of an answer is not a part of the settings.
        sdm.rest = if matches!(rest, [0x90 | 0x91, 0x00]) { Vec::new() } else { rest.to_vec() };
        Some(sdm)
    }

    pub(super) fn has(&self, bit: u8) -> bool {
        self.options & bit != 0
    }

    pub(super) fn meta_read(&self) -> u8 {
        let [_, high] = self.rights;
        high >> 4
    }

    pub(super) fn file_read(&self) -> u8 {
        let [_, high] = self.rights;
        high & 0x0F
    }

    /// Returns the number of the ECC key of a tag that signs its taps. On other tags, this part is reserved.
    pub(super) fn ecc_key(&self) -> u8 {
        let [low, _] = self.rights;
        low >> 4
    }

    pub(super) fn ctr_ret(&self) -> u8 {
        let [low, _] = self.rights;
        low & 0x0F
    }

    /// Returns the numbers that options and access rights announce, in their order.
    fn announced(&self) -> Vec<Number> {
        let plain = self.meta_read() == FREE;
        let encrypted = !matches!(self.meta_read(), FREE | NEVER);
        let has_file_read = self.file_read() != NEVER;
        let has_mac = has_file_read || self.ecc_key() != NEVER;
        let numbers = [
            (Number::Uid, plain && self.has(UID)),
            (Number::ReadCtr, plain && self.has(READ_CTR)),
            (Number::PiccData, encrypted),
            (Number::TtStatus, self.has(TT_STATUS)),
            (Number::MacInput, has_mac),
            (Number::Enc, has_file_read && self.has(ENC_FILE_DATA)),
            (Number::EncLength, has_file_read && self.has(ENC_FILE_DATA)),
            (Number::Mac, has_mac),
            (Number::Limit, self.has(READ_CTR_LIMIT)),
        ];
        numbers.into_iter().filter(|(_, is_there)| *is_there).map(|(number, _)| number).collect()
    }

    pub(crate) fn number(&self, wanted: Number) -> Option<usize> {
        self.numbers.iter().find(|(number, _)| *number == wanted).map(|(_, value)| *value)
    }

    /// Returns `true` if the URL has the UID, plain or in PICCData.
    pub(super) fn mirrors_uid(&self) -> bool {
        self.has(UID) && (self.number(Number::PiccData).is_some() || self.number(Number::Uid).is_some())
    }

    /// Returns `true` if the URL has the counter, plain or in PICCData.
    pub(super) fn mirrors_ctr(&self) -> bool {
        let is_plain = self.number(Number::ReadCtr).is_some_and(|offset| offset != NOT_MIRRORED);
        self.has(READ_CTR) && (self.number(Number::PiccData).is_some() || is_plain)
    }

    /// Returns the mirrors in the order of the settings.
    pub(crate) fn mirrors(&self, scheme: Scheme) -> Vec<Range> {
        let mirror = |(number, from): &(Number, usize)| {
            let (name, len) = match number {
                Number::Enc => ("SDMENCFileData", self.number(Number::EncLength)?),
                number => number.mirror(scheme)?,
            };
            let is_mirrored = *number != Number::ReadCtr || *from != NOT_MIRRORED;
            is_mirrored.then_some(Range { name, from: *from, len })
        };
        self.numbers.iter().filter_map(mirror).collect()
    }

    /// Returns the mirrors, and the text that the MAC covers.
    pub(crate) fn ranges(&self, scheme: Scheme) -> Vec<Range> {
        let mut ranges = self.mirrors(scheme);
        if let (Some(from), Some(to)) = (self.number(Number::MacInput), self.number(Number::Mac))
            && from < to
        {
            ranges.push(Range { name: "MAC input", from, len: to.saturating_sub(from) });
        }
        ranges
    }
}
