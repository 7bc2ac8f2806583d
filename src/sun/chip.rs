//! The chips that this crate knows: which schemes and mirrors they have, and what shows that this crate reads their taps.

use core::fmt;

use super::counter_tag::CounterTagLayout;
use super::error::Field;
use super::layout::{ElementKind, SdmLayout, mirror_chars};
use super::settings::{SdmAccess, SettingsError};
use super::template::FILE_SIZE;
use crate::value::Scheme;

/// A chip, or a family of chips whose taps are the same. Nothing in a tap says which chip wrote it, so verification does
/// not use this type. Use it to check a layout or the settings of a tag before you buy or set up tags.
///
/// ```
/// use suntap::{Chip, ChipError, Field, Scheme, sdm_layout};
///
/// let layout = sdm_layout!("https://example.com/?e=[[{picc:uid,ctr}&t={tt}&c={mac}");
/// assert_eq!(Chip::Ntag424DnaTagTamper.check_layout(&layout), Ok(()));
/// assert_eq!(Chip::Ntag424Dna.check_layout(&layout), Err(ChipError::Mirror(Field::TtStatus)));
/// assert_eq!(Chip::Ntag223Dna.check_layout(&layout), Err(ChipError::Scheme(Scheme::Aes)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Chip {
    /// NTAG 424 DNA. Source: NT4H2421Gx.
    Ntag424Dna,
    /// NTAG 424 DNA TagTamper. Source: NT4H2421Tx.
    Ntag424DnaTagTamper,
    /// NTAG X DNA. Source: NXP/nxmw v02.07.00.
    NtagXDna,
    /// NTAG 223 DNA. Source: AN12998.
    Ntag223Dna,
    /// NTAG 223 DNA StatusDetect.
    Ntag223DnaStatusDetect,
    /// NTAG 224 DNA, which is assumed to compute its MAC like an NTAG 223 DNA.
    Ntag224Dna,
    /// NTAG 224 DNA StatusDetect, with the same assumption.
    Ntag224DnaStatusDetect,
    /// MIFARE DESFire EV3.
    DesfireEv3,
    /// NTAG 213, 215 and 216, which write a UID and a counter without a MAC. See [`CounterTagLayout`].
    Ntag21x,
}

/// The evidence that this crate verifies the taps of a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Evidence {
    /// Taps or MACs that were recorded from this chip, with their keys. The tests of this crate compute them.
    RecordedTaps,
    /// Examples that the manufacturer published. The tests of this crate compute them.
    PublishedExamples,
    /// Nothing: the support follows from documents alone.
    Nothing,
}

/// The reason why a chip cannot have a layout or settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChipError {
    /// The chip does not have this scheme.
    Scheme(Scheme),
    /// The chip has the scheme, but cannot mirror this value.
    Mirror(Field),
    /// The NDEF file of the chip is smaller than the file of the layout, or than the FileSize in the settings.
    FileTooLong {
        /// The size of the NDEF file of the chip in bytes.
        size: usize,
    },
    /// The chip writes no MAC, but the layout is not a [`CounterTagLayout`]; or the reverse.
    CounterTag,
    /// The settings break this rule.
    Settings(SettingsError),
}

/// The schemes of NTAG 424 DNA.
const NTAG_424: &[Scheme] = &[
    Scheme::Aes,
    #[cfg(feature = "lrp")]
    Scheme::Lrp,
];
/// The schemes of NTAG X DNA.
const NTAG_X: &[Scheme] = &[
    #[cfg(feature = "ecdsa")]
    Scheme::Ecdsa,
    Scheme::Aes,
];

impl Chip {
    /// All chips.
    pub const ALL: &[Self] = &[
        Self::Ntag424Dna,
        Self::Ntag424DnaTagTamper,
        Self::NtagXDna,
        Self::Ntag223Dna,
        Self::Ntag223DnaStatusDetect,
        Self::Ntag224Dna,
        Self::Ntag224DnaStatusDetect,
        Self::DesfireEv3,
        Self::Ntag21x,
    ];

    /// Returns the short name of the chip, for example `ntag424`. The name stays the same across releases.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ntag424Dna => "ntag424",
            Self::Ntag424DnaTagTamper => "ntag424tt",
            Self::NtagXDna => "ntagx",
            Self::Ntag223Dna => "ntag223",
            Self::Ntag223DnaStatusDetect => "ntag223sd",
            Self::Ntag224Dna => "ntag224",
            Self::Ntag224DnaStatusDetect => "ntag224sd",
            Self::DesfireEv3 => "desfire-ev3",
            Self::Ntag21x => "ntag21x",
        }
    }

    /// Returns the schemes of the chip that this build supports. Returns none for a chip that writes no MAC.
    #[must_use]
    pub const fn schemes(self) -> &'static [Scheme] {
        match self {
            Self::Ntag424Dna | Self::Ntag424DnaTagTamper => NTAG_424,
            Self::NtagXDna => NTAG_X,
            Self::DesfireEv3 => &[Scheme::Aes],
            Self::Ntag21x => &[],
            Self::Ntag223Dna | Self::Ntag223DnaStatusDetect | Self::Ntag224Dna | Self::Ntag224DnaStatusDetect => {
                &[Scheme::Suncmac]
            }
        }
    }

    /// Returns `true` if the chip can mirror this value with this scheme. [`Field::Captured`] is static text, which each
    /// chip can have.
    #[must_use]
    pub fn can_mirror(self, scheme: Scheme, field: Field) -> bool {
        let is_suncmac = scheme == Scheme::Suncmac;
        self.schemes().contains(&scheme)
            && match field {
                Field::Uid | Field::SdmReadCtr | Field::Captured => true,
                Field::PiccData | Field::EncFileData => !is_suncmac,
                Field::TtStatus => matches!(
                    self,
                    Self::Ntag424DnaTagTamper | Self::Ntag223DnaStatusDetect | Self::Ntag224DnaStatusDetect
                ),
                Field::SdmMac => !scheme.is_signed(),
                #[cfg(feature = "ecdsa")]
                Field::Signature => scheme.is_signed(),
            }
    }

    /// Returns the number of characters of a mirror. Returns `None` if the chip cannot mirror the value, or if its length
    /// is not fixed.
    #[must_use]
    pub fn mirror_chars(self, scheme: Scheme, field: Field) -> Option<usize> {
        mirror_chars(scheme, field).filter(|_| self.can_mirror(scheme, field))
    }

    /// Returns the size of the chip's NDEF file in bytes, or `None` if this crate has no source for it. A template is at
    /// most as long as a file of 256 bytes allows, for every chip.
    #[must_use]
    pub const fn file_size(self) -> Option<usize> {
        match self {
            Self::Ntag424Dna | Self::Ntag424DnaTagTamper => Some(FILE_SIZE),
            _ => None,
        }
    }

    /// Returns what shows that this crate verifies the taps of the chip with this scheme. Returns `None` if the chip does
    /// not have the scheme.
    #[must_use]
    pub fn evidence(self, scheme: Scheme) -> Option<Evidence> {
        let evidence = match self {
            Self::NtagXDna if scheme == Scheme::Aes => Evidence::Nothing,
            Self::Ntag424Dna
            | Self::Ntag424DnaTagTamper
            | Self::NtagXDna
            | Self::Ntag223DnaStatusDetect
            | Self::DesfireEv3 => Evidence::RecordedTaps,
            Self::Ntag223Dna => Evidence::PublishedExamples,
            Self::Ntag224Dna | Self::Ntag224DnaStatusDetect | Self::Ntag21x => Evidence::Nothing,
        };
        self.schemes().contains(&scheme).then_some(evidence)
    }

    /// Checks that the chip can write the taps of a layout.
    ///
    /// # Errors
    /// Returns [`ChipError::CounterTag`] or [`ChipError::Scheme`] if the chip does not have the scheme of the layout,
    /// [`ChipError::Mirror`] with the first value that the chip cannot mirror, and [`ChipError::FileTooLong`] if the file
    /// of the layout is too long.
    pub fn check_layout(self, layout: &SdmLayout) -> Result<(), ChipError> {
        let scheme = layout.scheme();
        self.check_scheme(scheme)?;
        let fields = layout.elements().filter_map(|element| match element.kind {
            ElementKind::Value(field) => Some(field),
            ElementKind::MacInput | ElementKind::End => None,
        });
        let encrypted_status = layout.carries_tamper().then_some(Field::TtStatus);
        if let Some(field) = fields.chain(encrypted_status).find(|field| !self.can_mirror(scheme, *field)) {
            return Err(ChipError::Mirror(field));
        }
        self.check_size(layout.shortest_file())
    }

    /// Checks that the chip can write the taps of a layout without a MAC.
    ///
    /// # Errors
    /// Returns [`ChipError::CounterTag`] if the taps of the chip have a MAC.
    pub const fn check_counter_tag(self, _layout: &CounterTagLayout) -> Result<(), ChipError> {
        match self {
            Self::Ntag21x => Ok(()),
            _ => Err(ChipError::CounterTag),
        }
    }

    /// Reads the layout of a tag with this chip from its settings and its NDEF file, like [`SdmLayout::from_tag`], and
    /// checks that the chip can have them.
    ///
    /// # Errors
    /// Returns [`ChipError::Settings`] with the error of `from_tag`, [`ChipError::FileTooLong`] if the FileSize in the
    /// settings is larger than the file of the chip, and otherwise the same errors as [`check_layout`](Self::check_layout).
    pub fn check_settings(
        self,
        scheme: Scheme,
        file_settings: &[u8],
        ndef_file: &[u8],
    ) -> Result<(SdmLayout, SdmAccess), ChipError> {
        self.check_scheme(scheme)?;
        let (layout, access) = SdmLayout::from_tag(scheme, file_settings, ndef_file).map_err(ChipError::Settings)?;
        self.check_layout(&layout)?;
        // FileSize, LSB first. Source: NT4H2421Gx Table 73.
        if let [_, _, _, _, low, mid, high, ..] = file_settings {
            let size = u32::from_le_bytes([*low, *mid, *high, 0]);
            self.check_size(usize::try_from(size).unwrap_or(usize::MAX))?;
        }
        Ok((layout, access))
    }

    fn check_scheme(self, scheme: Scheme) -> Result<(), ChipError> {
        match self.schemes() {
            [] => Err(ChipError::CounterTag),
            schemes if schemes.contains(&scheme) => Ok(()),
            _ => Err(ChipError::Scheme(scheme)),
        }
    }

    fn check_size(self, needed: usize) -> Result<(), ChipError> {
        match self.file_size() {
            Some(size) if needed > size => Err(ChipError::FileTooLong { size }),
            _ => Ok(()),
        }
    }
}

/// Writes the name of the chip as the manufacturer writes it, for example `NTAG 424 DNA`.
impl fmt::Display for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ntag424Dna => "NTAG 424 DNA",
            Self::Ntag424DnaTagTamper => "NTAG 424 DNA TagTamper",
            Self::NtagXDna => "NTAG X DNA",
            Self::Ntag223Dna => "NTAG 223 DNA",
            Self::Ntag223DnaStatusDetect => "NTAG 223 DNA StatusDetect",
            Self::Ntag224Dna => "NTAG 224 DNA",
            Self::Ntag224DnaStatusDetect => "NTAG 224 DNA StatusDetect",
            Self::DesfireEv3 => "MIFARE DESFire EV3",
            Self::Ntag21x => "NTAG 213, 215, 216",
        })
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RecordedTaps => "recorded taps",
            Self::PublishedExamples => "published examples",
            Self::Nothing => "nothing",
        })
    }
}

impl fmt::Display for ChipError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "the chip does not have the scheme {scheme}"),
            Self::Mirror(field) => write!(f, "the chip cannot mirror {field}"),
            Self::FileTooLong { size } => write!(f, "the NDEF file of the chip has only {size} bytes"),
            Self::CounterTag => {
                f.write_str("a chip that writes no MAC needs a counter tag layout, and no other chip has one")
            }
            Self::Settings(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ChipError {}
