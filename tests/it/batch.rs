//! Batches: the results equal those of single calls, in the same order.

use proptest::prelude::*;
use suntap::{ClaimedTap, SdmFileReadKey, SdmLayout, SdmMetaReadKey, VerifiedTap, VerifyError, verify_batch};
use suntap_testkit::line::{LRP, scheme};
use suntap_testkit::{Tag, Tap};

/// Layouts with MAC inputs of zero bytes, less than a block, one block and several blocks. One has no counter, and two
/// have file data.
const TEMPLATES: [&str; 7] = [
    "https://a.example/t?p={picc:uid,ctr}&c={mac}",
    "https://a.example/t?u={uid}&n={ctr}&c={mac}",
    "https://a.example/t?u=[[{uid}&n={ctr}&c={mac}",
    "https://a.example/t?[[0123456789abc{tt}={mac}",
    "https://a.example/t?n=[[{ctr}&0123456&={mac}",
    "https://a.example/t?p={picc:uid,ctr}&e=[[{enc:64}&c={mac}",
    "https://a.example/t?p=[[{picc}&e={enc}{mac}",
];

const META: [u8; 16] = [0x3C; 16];

/// The change made to a tap before it is verified.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    WrongKey,
    Digit,
}

#[derive(Clone, Debug)]
struct Case {
    template: usize,
    lrp: bool,
    file_key: [u8; 16],
    ctr: u32,
    data: [u8; 32],
    fault: Fault,
}

fn case() -> impl Strategy<Value = Case> {
    let fault = prop_oneof![4 => Just(Fault::None), 1 => Just(Fault::WrongKey), 1 => Just(Fault::Digit)];
    // No verifier accepts counter 0.
    let ctr = prop_oneof![9 => 1..0x0100_0000_u32, 1 => Just(0)];
    (0..TEMPLATES.len(), prop::bool::weighted(0.2), any::<[u8; 16]>(), ctr, any::<[u8; 32]>(), fault).prop_map(
        |(template, lrp, file_key, ctr, data, fault)| Case { template, lrp: lrp && LRP, file_key, ctr, data, fault },
    )
}

impl Case {
    fn layout(&self) -> SdmLayout {
        SdmLayout::new(scheme(self.lrp), TEMPLATES[self.template]).unwrap()
    }

    fn url(&self) -> String {
        let template = TEMPLATES[self.template];
        let file_data = if template.contains("{enc") { self.data.to_vec() } else { Vec::new() };
        let tag = Tag { lrp: self.lrp, meta_key: META, file_key: self.file_key, uid: [4, 1, 2, 3, 4, 5, 6] };
        let tap = Tap { ctr: self.ctr, padding: [0x77; 12], file_data, tt: *b"CC" };
        let mut url = tag.write(template, &tap).url;
        if matches!(self.fault, Fault::Digit) {
            let last = url.pop().unwrap();
            url.push(if last == '0' { '1' } else { '0' });
        }
        url
    }

    fn key(&self) -> SdmFileReadKey {
        let mut key = self.file_key;
        if matches!(self.fault, Fault::WrongKey) {
            key[7] ^= 1;
        }
        SdmFileReadKey::from_bytes(key)
    }
}

fn claimed<'a>(layout: &'a SdmLayout, url: &'a str) -> ClaimedTap<'a> {
    let tap = layout.parse(url).unwrap();
    if layout.template().contains("{picc") {
        tap.open(&SdmMetaReadKey::from_bytes(META).prepare(layout.scheme())).unwrap()
    } else {
        tap.read_plain().unwrap()
    }
}

/// Returns the content of a verified tap.
fn content(verified: Result<VerifiedTap<'_>, VerifyError>) -> Result<(Option<suntap::Uid>, u32, Vec<u8>), VerifyError> {
    let tap = verified?;
    let mut buffer = [0; 128];
    let data = tap.message().file_data(&mut buffer).map(<[u8]>::to_vec).unwrap_or_default();
    Ok((tap.uid(), tap.ctr().get(), data))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_batch_gives_the_results_of_single_calls(
        // Groups of one mode are computed in parallel. Mixed groups are not.
        mut cases in prop::collection::vec(case(), 0..30),
        alike: bool,
    ) {
        if alike && let Some(first) = cases.first().cloned() {
            for case in &mut cases {
                case.lrp = first.lrp;
            }
        }
        let ready: Vec<_> = cases.iter().map(|case| (case.layout(), case.url(), case.key())).collect();
        let taps = || ready.iter().enumerate().map(|(number, (layout, url, key))| (number, claimed(layout, url), key.clone()));
        let alone: Vec<_> = taps().map(|(_, tap, key)| content(tap.verify(&key))).collect();
        let prepared: Vec<_> = ready
            .iter()
            .map(|(layout, url, key)| content(claimed(layout, url).verify(&key.prepare(layout.scheme()))))
            .collect();
        prop_assert_eq!(&alone, &prepared);

        let mut batch = verify_batch(taps());
        let mut together = Vec::new();
        loop {
            let left = cases.len() - together.len();
            prop_assert_eq!(batch.size_hint(), (left, Some(left)));
            let Some((number, verified)) = batch.next() else { break };
            prop_assert_eq!(number, together.len());
            together.push(content(verified));
        }
        prop_assert_eq!(&together, &alone);
        prop_assert!(batch.next().is_none());

        // Only the taps with a fault are rejected.
        for (case, content) in cases.iter().zip(&together) {
            let counts = TEMPLATES[case.template].contains("{ctr}") || TEMPLATES[case.template].contains("{picc");
            let expected = match case.fault {
                Fault::None if !counts => Some(VerifyError::NoCounter),
                Fault::None if case.ctr > 0 => None,
                _ => Some(VerifyError::NotAuthentic),
            };
            prop_assert_eq!(content.as_ref().err(), expected.as_ref());
        }
    }
}
