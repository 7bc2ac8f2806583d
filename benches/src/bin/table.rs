//! Prints the results of `run.sh` as one table: `table FOLDER`. The folder has the results of criterion in `default`,
//! `accel` and `alone`, which is the build with the peer but without suntap.

use std::path::{Path, PathBuf};

/// The group, and the function that is compared with the peer.
const ROWS: [(&str, &str); 16] = [
    ("verify_aes", "suntap"),
    ("verify_aes_an10922", "suntap"),
    ("verify_plain", "suntap"),
    ("verify_file_data", "suntap"),
    ("verify_lrp", "suntap"),
    ("verify_ecdsa", "suntap"),
    ("token", "mint"),
    ("token", "verify"),
    ("batch", "suntap"),
    ("batch_lrp", "suntap"),
    ("identify", "suntap"),
    ("identify", "prepared"),
    ("identify_lrp", "prepared"),
    ("reject", "forged"),
    ("reject", "short"),
    ("store", "suntap"),
];

/// The results of one build.
struct Build(PathBuf);

impl Build {
    fn new(folder: &str, name: &str) -> Self {
        Self(Path::new(folder).join(name))
    }

    /// Returns the mean time of one iteration in nanoseconds, as criterion estimates it.
    fn mean(&self, group: &str, function: &str) -> Option<f64> {
        let text = std::fs::read_to_string(self.0.join(group).join(function).join("new/estimates.json")).ok()?;
        let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
        estimates.get("mean")?.get("point_estimate")?.as_f64()
    }
}

fn time(ns: Option<f64>) -> String {
    ns.map_or_else(String::new, |ns| format!("{ns:.0}"))
}

fn ratio(peer: Option<f64>, ours: Option<f64>) -> String {
    peer.zip(ours).map_or_else(String::new, |(peer, ours)| format!("{:.2}", peer / ours))
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/benches".into());
    let [default, accel, alone] = ["default", "accel", "alone"].map(|name| Build::new(&folder, name));
    println!(
        "| group | function | default ns | `accel` ns | peer ns, in one build | peer ns, alone | peer in one build ÷ default, ÷ `accel` | peer alone ÷ default, ÷ `accel` |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (group, function) in ROWS {
        let (ours, fast) = (default.mean(group, function), accel.mean(group, function));
        let (peer, beside, by_itself) =
            (default.mean(group, "ntag424"), accel.mean(group, "ntag424"), alone.mean(group, "ntag424"));
        println!(
            "| `{group}` | {function} | {} | {} | {} | {} | {}, {} | {}, {} |",
            time(ours),
            time(fast),
            time(peer),
            time(by_itself),
            ratio(peer, ours),
            ratio(beside, fast),
            ratio(by_itself, ours),
            ratio(by_itself, fast)
        );
    }
}
