//! Signals from the history of a tag, in the metrics and the history.

use serde_json::Value;

use crate::client::{Server, get};
use crate::http::command;
use crate::tags::{self, Folder};

fn signals(folder: &Folder, args: &[&str]) -> Vec<(String, Value)> {
    let lines = folder.print(&[&["history"], args].concat());
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| Some((line["signal"].as_str()?.to_owned(), line))).collect()
}

#[test]
fn genuine_taps_have_signals() {
    let folder = Folder::new();
    folder.write_secrets(tags::SECRETS);
    tags::write(&folder.path("lines"), &[tags::levels(), vec![tags::line(1)]].concat());
    folder.print(&["import", folder.path("lines").to_str().unwrap()]);
    let mut server = Server::spawn(command(&folder, &["--log", "off"]));
    let mut tag = tags::tag(1);
    let urls: Vec<_> = (0..80).map(|_| tags::target(&tag.tap().unwrap())).collect();
    let verdict = |url: &str| get(&server.address, url).body.contains("Pass");
    // 49 counters are skipped, which is not many.
    assert!(verdict(&urls[0]) && verdict(&urls[50]));
    let mut far = tags::tag(1).with_ctr(suntap::SdmReadCtr::new(0x00FF_FF00).unwrap());
    let last = tags::target(&far.tap().unwrap());
    assert!(verdict(&last));
    // The last tap again, an older one, and a forged one.
    assert!(!verdict(&last) && !verdict(&urls[20]));
    let mut forged = last.clone();
    forged.replace_range(forged.len() - 1.., if last.ends_with('0') { "1" } else { "0" });
    assert!(!verdict(&forged));

    let metrics = get(&server.address, "/metrics").body;
    for name in ["gap", "near_limit", "replay_of_last", "before_history"] {
        // `near_limit` is also a signal of the replays.
        let count = if name == "near_limit" { 3 } else { 1 };
        let line = format!(r#"suntap_signals_total{{signal="{name}"}} {count}"#);
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(!metrics.contains(r#"signal="not_authentic""#), "anybody can forge a tap");
    // The history writes replays later.
    server.terminate();
    assert_eq!(signals(&folder, &["--event", "signal"]).len(), 2);
    let found = signals(&folder, &[]);
    let names: Vec<_> = found.iter().map(|(name, line)| (&**name, line["event"].as_str().unwrap())).collect();
    assert_eq!(names, [("gap", "signal"), ("near_limit", "signal"), ("replay_of_last", "tap")]);
    let (gap, limit) = (&found[0].1, &found[1].1);
    assert_eq!((gap["skipped"].as_u64(), limit["left"].as_u64()), (Some(0x00FF_FF01 - 51 - 1), Some(0xFE)));
    assert_eq!((&gap["tag"], &gap["ctr"]), (&"xuid/tag00001".into(), &0x00FF_FF01.into()));
}
