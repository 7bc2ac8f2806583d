//! Prints the ratios of a run of `cargo bench` as a table: `table [FOLDER]`. The default folder is `target/criterion`.

use std::path::Path;

/// The group, the baseline function, and the function that is compared with it.
const ROWS: [(&str, &str, &str); 12] = [
    ("verify_aes", "ntag424", "suntap"),
    ("verify_aes_an10922", "ntag424", "suntap"),
    ("verify_plain", "ntag424", "suntap"),
    ("verify_file_data", "ntag424", "suntap"),
    ("verify_lrp", "ntag424", "suntap"),
    ("batch", "ntag424", "suntap"),
    ("batch_lrp", "ntag424", "suntap"),
    ("identify", "ntag424", "suntap"),
    ("identify", "ntag424", "prepared"),
    ("identify_lrp", "ntag424", "prepared"),
    ("reject", "genuine", "forged"),
    ("reject", "genuine", "short"),
];

/// Returns the mean time of one iteration in nanoseconds, as criterion estimates it.
fn mean(folder: &Path, group: &str, function: &str) -> Option<f64> {
    let text = std::fs::read_to_string(folder.join(group).join(function).join("new/estimates.json")).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates.get("mean")?.get("point_estimate")?.as_f64()
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "target/criterion".into());
    println!("| group | ns | ns of | ratio |\n|---|---|---|---|");
    for (group, other, own) in ROWS {
        let means = mean(Path::new(&folder), group, other).zip(mean(Path::new(&folder), group, own));
        match means {
            Some((theirs, ours)) => {
                println!("| {group} | {own} {ours:.0} | {other} {theirs:.0} | {:.2} |", theirs / ours);
            }
            None => println!("| {group} | {own} | {other} | not run |"),
        }
    }
    if let Some(store) = mean(Path::new(&folder), "store", "suntap") {
        println!("| store | suntap {store:.0} | | |");
    }
}
