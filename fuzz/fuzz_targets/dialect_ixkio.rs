//! Sends any query to the ixkio API. The answer always has the form of the API, and a counter moves only for an
//! accepted tap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::platform::Service;
use suntap::platform::ixkio::Ixkio;
use suntap_fuzz::watched::{Watched, watched};
use suntap_testkit::registry::API_KEYS;

fuzz_target!(|query: &str| {
    let secrets = [suntap_testkit::world::SECRET];
    let dialect = Ixkio::new(Service::new(&secrets), &API_KEYS);
    watched(|tags, counters: &mut Watched| {
        // The second iteration sends the same request again, like a page reload.
        for _ in 0..2 {
            let before = counters.moved;
            let answer = dialect.answer(query, tags, counters, None);
            assert!([200, 400, 401, 404].contains(&answer.status), "{}", answer.body);
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            let body = body.as_object().unwrap();
            assert!(body.contains_key("error") != body.contains_key("response"), "{}", answer.body);
            counters.agrees(before, answer.verdict.as_ref());
        }
    });
});
