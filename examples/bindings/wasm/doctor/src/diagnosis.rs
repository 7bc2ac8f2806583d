//! The result of a diagnosis, as the host sees it. It contains no keys.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use suntap::diagnose::{self, Conclusion};
use suntap::{SdmReadCtr, Uid};
use wasm_bindgen::prelude::wasm_bindgen;

/// A fault or a remark.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Finding {
    /// The short name of the finding.
    #[wasm_bindgen(readonly)]
    pub code: String,
    /// `true` for a fault, `false` for a remark.
    #[wasm_bindgen(readonly)]
    pub fault: bool,
    /// What is wrong, and what to do.
    #[wasm_bindgen(readonly)]
    pub text: String,
}

/// How the tap was made.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The template that verifies the tap.
    #[wasm_bindgen(readonly)]
    pub template: Option<String>,
    /// The scheme.
    #[wasm_bindgen(readonly)]
    pub scheme: String,
    /// Where the SDMMetaReadKey comes from.
    #[wasm_bindgen(readonly, js_name = metaReadKey)]
    pub meta_read_key: Option<String>,
    /// Where the SDMFileReadKey comes from.
    #[wasm_bindgen(readonly, js_name = fileReadKey)]
    pub file_read_key: Option<String>,
}

/// The result of a diagnosis.
#[wasm_bindgen(getter_with_clone)]
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// `healthy`, `explained` or `unexplained`.
    #[wasm_bindgen(readonly)]
    pub conclusion: String,
    /// The findings. Faults come before remarks.
    #[wasm_bindgen(readonly)]
    pub findings: Vec<Finding>,
    /// How the tap was made.
    #[wasm_bindgen(readonly)]
    pub explanation: Option<Explanation>,
    /// `true` if only the tag can have made the values below.
    #[wasm_bindgen(readonly)]
    pub proven: bool,
    /// The UID.
    #[wasm_bindgen(readonly)]
    pub uid: Option<String>,
    /// The counter.
    #[wasm_bindgen(readonly)]
    pub ctr: Option<u32>,
    /// The amount of work.
    #[wasm_bindgen(readonly)]
    pub tried: u32,
    /// `true` if the search left nothing out.
    #[wasm_bindgen(readonly)]
    pub complete: bool,
}

impl Diagnosis {
    pub(crate) fn new(diagnosis: &diagnose::Diagnosis<'_>) -> Self {
        let conclusion = match diagnosis.conclusion {
            Conclusion::Healthy => "healthy",
            Conclusion::Explained => "explained",
            Conclusion::Unexplained => "unexplained",
        };
        let contents = diagnosis.contents.as_ref();
        Self {
            conclusion: conclusion.into(),
            findings: diagnosis.findings().iter().map(Finding::new).collect(),
            explanation: diagnosis.explanation.as_ref().map(Explanation::new),
            proven: contents.is_some_and(|contents| contents.is_proven),
            uid: contents.and_then(|contents| contents.uid).as_ref().map(Uid::to_string),
            ctr: contents.and_then(|contents| contents.ctr).map(SdmReadCtr::get),
            tried: diagnosis.tried,
            complete: diagnosis.complete,
        }
    }
}

impl Finding {
    fn new(finding: &diagnose::Finding<'_>) -> Self {
        Self { code: finding.code().into(), fault: finding.is_fault(), text: finding.to_string() }
    }
}

impl Explanation {
    fn new(explanation: &diagnose::Explanation<'_>) -> Self {
        Self {
            template: explanation.layout.as_ref().map(|layout| layout.template().to_string()),
            scheme: explanation.scheme.name().into(),
            meta_read_key: explanation.meta_key.as_ref().map(|(_, source)| source.to_string()),
            file_read_key: explanation.file_key.as_ref().map(|(_, source)| source.to_string()),
        }
    }
}
