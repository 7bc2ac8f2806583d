//! Prints the taps of the peer as JSON, one set a line, for the build without suntap in `benches/peer`.

use suntap_benches::{PEER_GROUPS, Set};

fn main() {
    for (name, written, derived) in PEER_GROUPS {
        println!("{}", serde_json::json!({ "name": name, "set": Set::new(written, derived).peer.to_json() }));
    }
}
