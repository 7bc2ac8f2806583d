//! The result of a diagnosis: the layout and the keys of a tap, and what is wrong.

use core::fmt;

use heapless::Vec;

use super::contents::Contents;
use super::finding::Finding;
use super::key_source::KeySource;
use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::value::{Scheme, SdmReadCtr, Uid};

const MAX_FINDINGS: usize = 24;
pub(super) type Findings<'a> = Vec<Finding<'a>, MAX_FINDINGS>;

/// Adds a finding. A fault is added before the remarks.
pub(super) fn add<'a>(findings: &mut Findings<'a>, finding: Finding<'a>) {
    let remarks = findings.iter().position(|other| finding.is_fault() && !other.is_fault());
    // `MAX_FINDINGS` is larger than the number of findings that can occur together, so this does not fail.
    let _ = findings.insert(remarks.unwrap_or(findings.len()), finding);
}

/// The conclusion of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conclusion {
    /// The tap verifies, and every assumption about it is right.
    Healthy,
    /// The search found how the MAC or the signature of the tap was made. The findings say what is wrong with the tap
    /// or with the assumptions.
    Explained,
    /// No MAC that the search computed equals the MAC of the tap, and no signature verifies. The findings say only what
    /// can be seen without a matching MAC.
    Unexplained,
}

impl Conclusion {
    /// Returns the conclusion about an explained tap.
    pub(super) fn from_findings(findings: &[Finding<'_>]) -> Self {
        if findings.iter().any(Finding::is_fault) { Self::Explained } else { Self::Healthy }
    }
}

/// The result of a diagnosis: what is wrong with a tap or with the assumptions about it.
#[derive(Clone)]
pub struct Diagnosis<'a> {
    /// The conclusion: healthy, explained or unexplained.
    pub conclusion: Conclusion,
    /// The layout and the keys of the tap; `None` if the search did not find how the tap was made.
    pub explanation: Option<Explanation<'a>>,
    /// The UID, the counter and other content of the tap; `None` if they cannot be read. If [`Contents::is_proven`] is
    /// `false`, they may be forged.
    pub contents: Option<Contents>,
    /// The work that the search did. The unit is the work of one MAC in AES mode. Each MAC, each session key and each
    /// prepared (expanded) key counts 1, or 32 in LRP mode. Each signature counts 256. Deriving a key counts nothing,
    /// except that a legacy key of sdm-backend counts 5000.
    pub tried: u32,
    /// `true` if a MAC that the search computed equals the MAC of the tap, or if the search tried everything. `false`
    /// if the search left something out to limit its work: see [`MAX_TRIED`](crate::diagnose::MAX_TRIED).
    pub complete: bool,
    pub(super) findings: Findings<'a>,
}

/// The layout and the keys that verify a tap, and its UID and counter.
#[derive(Clone)]
pub struct Explanation<'a> {
    /// A layout that verifies the tap; `None` if no layout can describe the tap. If the assumed layout verifies the
    /// tap, this is the assumed layout.
    pub layout: Option<SdmLayout>,
    /// The scheme that the tag uses, such as AES mode or LRP mode.
    pub scheme: Scheme,
    /// The SDMMetaReadKey and its source; `None` if the tap has no PICCData, or if the signature is right but no key that was
    /// tried decrypts the PICCData.
    pub meta_key: Option<(SdmMetaReadKey, KeySource<'a>)>,
    /// The SDMFileReadKey and its source; `None` if the tag signs its taps.
    pub file_key: Option<(SdmFileReadKey, KeySource<'a>)>,
    /// The UID of the tag; `None` if the tag mirrors no UID or the PICCData was not decrypted.
    pub uid: Option<Uid>,
    /// The counter of the tap; `None` if the tag mirrors no counter or the PICCData was not decrypted.
    pub ctr: Option<SdmReadCtr>,
}

impl<'a> Diagnosis<'a> {
    /// Returns the findings. Faults come before remarks.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Returns `true` if the conclusion is [`Conclusion::Healthy`].
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.conclusion == Conclusion::Healthy
    }
}

impl fmt::Debug for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("conclusion", &self.conclusion)
            .field("findings", &self.findings)
            .field("explanation", &self.explanation)
            .field("contents", &self.contents)
            .field("tried", &self.tried)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("layout", &self.layout)
            .field("meta_key", &self.meta_key.as_ref().map(|(_, source)| source))
            .field("file_key", &self.file_key.as_ref().map(|(_, source)| source))
            .field("uid", &self.uid)
            .field("ctr", &self.ctr)
            .finish_non_exhaustive()
    }
}
