//! The result of a diagnosis. It says how a tap was made and what is wrong.

use core::fmt;

use heapless::Vec;

use super::contents::Contents;
use super::finding::Finding;
use super::key_source::KeySource;
use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::value::{Scheme, SdmReadCtr, Uid};

const MAX_FINDINGS: usize = 12;
pub(super) type Findings<'a> = Vec<Finding<'a>, MAX_FINDINGS>;

pub(super) fn add<'a>(findings: &mut Findings<'a>, finding: Finding<'a>) {
    // The capacity exceeds the number of findings that can occur together.
    let _ = findings.push(finding);
}

/// The conclusion of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conclusion {
    /// The tap verifies, and every assumption about it is right.
    Healthy,
    /// The search found how the tap was made. The findings say what is wrong with the tap or with the assumptions.
    Explained,
    /// Nothing that was tried yields this MAC. The findings say only what the URL itself shows.
    Unexplained,
}

/// The result of a diagnosis. It says what is wrong with a tap or with the assumptions about it.
#[derive(Clone)]
pub struct Diagnosis<'a> {
    /// The conclusion: healthy, explained or unexplained.
    pub conclusion: Conclusion,
    /// How the tap was made; `None` if the search did not find it.
    pub explanation: Option<Explanation<'a>>,
    /// What the URL says about its tag; `None` if nothing in it can be read. It is known even for a tap without a right
    /// MAC, if its PICCData can be opened.
    pub contents: Option<Contents>,
    /// The work done, in MACs of AES mode. Each MAC, each session key and each prepared key counts as 1, or as 32 in
    /// LRP mode. It does not matter whether the key is derived. The exception is a legacy key of sdm-backend, which
    /// counts as 5000.
    pub tried: u32,
    /// `true` if the search found how the tap was made, or if it ran to its end. `false` if the search was cut short to
    /// stay within [`MAX_TRIED`](crate::diagnose::MAX_TRIED).
    pub complete: bool,
    pub(super) findings: Findings<'a>,
}

/// How a tap was made: the layout and the keys that verify it.
#[derive(Clone)]
pub struct Explanation<'a> {
    /// The layout, or `None` if no chip can have such a layout. If the assumed layout is right, this is the assumed
    /// layout.
    pub layout: Option<SdmLayout>,
    /// The scheme of the tag.
    pub scheme: Scheme,
    /// The SDMMetaReadKey and its source; `None` if UID and counter are plain.
    pub meta_key: Option<(SdmMetaReadKey, KeySource<'a>)>,
    /// The SDMFileReadKey and its source.
    pub file_key: (SdmFileReadKey, KeySource<'a>),
    /// The UID that the tag mirrors; `None` if it mirrors none.
    pub uid: Option<Uid>,
    /// The counter that the tag mirrors; `None` if it mirrors none.
    pub ctr: Option<SdmReadCtr>,
}

impl<'a> Diagnosis<'a> {
    /// Returns the findings, the most serious first. Faults come before remarks.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Returns `true` if nothing is wrong.
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
            .field("file_key", &self.file_key.1)
            .field("uid", &self.uid)
            .field("ctr", &self.ctr)
            .finish_non_exhaustive()
    }
}
