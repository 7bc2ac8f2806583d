//! A large import into a running server.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Live, lines};
use crate::tags;

/// Every tap is answered while many tags are imported into a data file, and the imported tags work afterwards.
#[test]
fn no_tap_fails_during_a_large_import() {
    let live = &Live::new(&lines(20));
    let (done, tapped) = (&AtomicBool::new(false), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let taps = scope.spawn(move || {
            let mut tags: Vec<_> = (1..=10).map(tags::tag).collect();
            while !done.load(Ordering::Relaxed) {
                for tag in &mut tags {
                    let answer = live.tap(&tag.tap().unwrap());
                    assert!(answer.contains("Pass"), "{answer}");
                }
                tapped.store(true, Ordering::Relaxed);
            }
        });
        // The thread of the taps ends even if the import fails.
        let imported = std::panic::catch_unwind(|| live.import(&(1000..7000).map(tags::line).collect::<Vec<_>>()));
        done.store(true, Ordering::Relaxed);
        taps.join().unwrap();
        assert!(imported.is_ok());
    });
    assert!(tapped.load(Ordering::Relaxed));
    assert!(live.tap(&tags::tag(6999).tap().unwrap()).contains("Pass"));
    let history = live.print(&["history", "--event", "admin"]);
    assert!(history.contains("6000 tags, 0 other lines"), "{history}");
}
