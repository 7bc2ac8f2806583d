//! Sends any body to the ETRNL API, with the API key from the first line of the input. The answer always has the form
//! of the API, and a counter moves only for an accepted tap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::platform::Service;
use suntap::platform::etrnl::Etrnl;
use suntap_fuzz::watched::{Watched, watched};
use suntap_testkit::registry::API_KEYS;

const FIELDS: [&str; 11] = [
    "success",
    "err",
    "exists",
    "authentic",
    "ctr",
    "uid",
    "ttCurrStatus",
    "ttPermStatus",
    "lastAuthenticTimestamp",
    "lastAuthenticCtr",
    "metadata",
];

fuzz_target!(|data: &[u8]| {
    let line = data.iter().position(|byte| *byte == b'\n');
    let (key, body) = line.map_or((None, data), |at| (Some(&data[..at]), &data[at + 1..]));
    let secrets = [suntap_testkit::world::SECRET];
    let dialect = Etrnl::new(Service::new(&secrets), &API_KEYS);
    watched(|tags, counters: &mut Watched| {
        for _ in 0..2 {
            let before = counters.moved;
            let answer = dialect.answer(key, body, tags, counters, None);
            assert!([200, 400, 401].contains(&answer.status), "{}", answer.body);
            let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert!(FIELDS.iter().all(|field| json.get(field).is_some()), "{}", answer.body);
            assert_eq!(json["success"].as_bool(), json["authentic"].as_bool());
            assert_eq!(json["success"].as_bool(), Some(json["err"].is_null()));
            counters.agrees(before, answer.verdict.as_ref());
        }
    });
});
