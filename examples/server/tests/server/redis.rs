//! Redis with weak settings, killed imports, large imports, and without a server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use suntap::{Advance, AsyncCounterStore as _, CounterId, Mark, SdmReadCtr};
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Change, Options, Store, StoreError};
use tokio::runtime::Runtime;

use crate::backends::{self, Backend};
use crate::client::refusal;
use crate::stores::open;
use crate::tags::{self, Folder};

/// Runs a command as an administrator would.
pub(crate) async fn redis(url: &str, command: &[&str]) -> redis::Value {
    let url = url.split(',').next().unwrap();
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
}

async fn advance(mut store: &Store, id: u32, ctr: u32) -> Result<Advance, StoreError> {
    store.advance(&counter(id), SdmReadCtr::new(ctr).unwrap(), None).await
}

fn counter(id: u32) -> CounterId {
    CounterId::from_bytes(u128::from(id).to_be_bytes())
}

#[test]
fn weak_settings_are_warned_of() {
    for (settings, words) in [
        (&["--appendfsync", "everysec"][..], &["appendfsync everysec", "Set appendfsync always"][..]),
        (&["--appendfsync", "no"], &["appendfsync no"]),
        (&["--appendonly", "no"], &["append-only file"]),
        (&["--rename-command", "CONFIG", ""], &["appendfsync could not be checked"]),
        (&[], &[]),
    ] {
        let Some(backend) = backends::redis(settings) else { return };
        Runtime::new().unwrap().block_on(async {
            let store = open(&backend.url).await;
            assert_eq!(store.warnings().len(), usize::from(!words.is_empty()), "{:?}", store.warnings());
            assert!(words.iter().all(|word| store.warnings()[0].contains(word)), "{:?}", store.warnings());
            assert!(matches!(advance(&store, 1, 1).await, Ok(Advance::Advanced { .. })));
            store.verify().await.unwrap();
        });
    }
}

/// Readiness notices an evicting policy at once, and a background task notices it after an interval.
#[test]
fn a_policy_that_becomes_evicting_stops_all_taps() {
    for backend in [backends::redis(&[]), backends::redis_cluster()] {
        let Some(backend) = backend else { return };
        Runtime::new().unwrap().block_on(async {
            let options = Options { recheck: Duration::from_millis(50), ..Options::default() };
            let store = Store::open(&backend.url.parse().unwrap(), options).await.unwrap();
            assert!(store.warnings().is_empty(), "{:?}", store.warnings());
            assert!(advance(&store, 1, 1).await.is_ok());
            redis(&backend.url, &["CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru"]).await;
            let unready = store.verify().await.unwrap_err().to_string();
            assert_eq!(unready, "Redis: it may evict counters: set maxmemory-policy noeviction");
            assert!(matches!(advance(&store, 1, 2).await, Err(StoreError::Unfit(_))));
            assert!(matches!(store.change(&Change::default()).await, Err(StoreError::Unfit(_))));
            redis(&backend.url, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
            let start = Instant::now();
            while advance(&store, 1, 2).await.is_err() {
                assert!(start.elapsed() < Duration::from_secs(30), "the policy is not read again");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            store.verify().await.unwrap();
            redis(&backend.url, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
            for ctr in 3.. {
                assert!(start.elapsed() < Duration::from_secs(60), "the policy is not read again");
                if advance(&store, 1, ctr).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
}

/// The lock of a killed process expires, and the error says when.
#[test]
fn the_lock_of_a_killed_import_ends() {
    killed_import(backends::redis(&[]));
}

#[test]
fn the_lock_of_a_killed_import_ends_in_a_cluster() {
    killed_import(backends::redis_cluster());
}

fn killed_import(backend: Option<Backend>) {
    let Some(backend) = backend else { return };
    let folder = Folder::new();
    let lines: Vec<_> = [tags::levels(), (0..5_000).map(tags::line).collect()].concat();
    tags::write(&folder.path("tags.jsonl"), &lines);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("import").arg(folder.path("tags.jsonl")).arg("--secrets-file").arg(folder.secrets());
    let mut killed = command.args(["--store", &backend.url.clone()]).spawn().unwrap();
    Runtime::new().unwrap().block_on(async {
        let store = open(&backend.url).await;
        let documents = async |prefix| {
            let mut count = 0;
            let each = |_: &str, _: &str| {
                count += 1;
                Ok::<_, StoreError>(())
            };
            store.list(prefix, each).await.map(|()| count)
        };
        let start = Instant::now();
        while documents("counter/").await.unwrap() == 0 {
            assert!(killed.try_wait().unwrap().is_none(), "it ended before it was killed");
            assert!(start.elapsed() < Duration::from_secs(120));
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        let start = Instant::now();
        let text = tags::text(&lines);
        let again = async || import(&store, tags::secrets(), &text, Allowed::default(), |_| ()).await;
        let error = store.change(&Change::default()).await.unwrap_err();
        let StoreError::Locked { seconds: seconds @ 1..=10 } = error else { panic!("{error}") };
        assert!(error.to_string().contains(&format!("in {seconds} s")), "{error}");
        while let Err(error) = store.change(&Change::default()).await {
            assert!(matches!(error, StoreError::Locked { .. }), "{error}");
            assert!(start.elapsed() < Duration::from_secs(60), "the lock does not end");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // The same import completes the first one.
        assert_eq!(again().await.unwrap().tags, 5_000);
        // SCAN may list a document twice.
        assert!(documents("xuid/").await.unwrap() >= 5_000);
    });
}

/// A process that was stopped for longer than its lock lasts writes nothing more.
#[test]
fn a_change_that_lost_its_lock_writes_nothing_more() {
    let Some(backend) = backends::redis(&[]) else { return };
    Runtime::new().unwrap().block_on(async {
        let store = open(&backend.url).await;
        let writes = (0..50_000).map(|number| (format!("lost/{number}"), Some("{}".to_owned()))).collect();
        let change = Change { writes, ..Change::default() };
        let steal = async {
            let start = Instant::now();
            while redis(&backend.url, &["EXISTS", "suntap:document:lost/300"]).await != redis::Value::Int(1) {
                assert!(start.elapsed() < Duration::from_secs(60));
            }
            redis(&backend.url, &["SET", "suntap:lock", "another", "PX", "60000"]).await
        };
        let (changed, _) = tokio::join!(store.change(&change), steal);
        let error = changed.unwrap_err();
        assert!(matches!(&error, StoreError::Incomplete(cause) if matches!(**cause, StoreError::Contended)), "{error}");
        let last = redis(&backend.url, &["EXISTS", "suntap:document:lost/49999"]).await;
        assert_eq!(last, redis::Value::Int(0));
        // The lock of the other process is kept.
        assert_eq!(redis(&backend.url, &["GET", "suntap:lock"]).await, redis::Value::BulkString(b"another".to_vec()));
    });
}

/// The longest tap during an import of 200,000 documents took 40 ms with the append-only file in memory. The limit is 200 ms, or a
/// tenth of the import on a machine that is slow. With one transaction, a tap waited for most of the import.
#[test]
fn no_tap_waits_for_an_import() {
    let Some(backend) = backends::redis(&[]) else { return };
    let runtime = Runtime::new().unwrap();
    let count: u32 = std::env::var("SUNTAP_TEST_DOCUMENTS").map_or(60_000, |count| count.parse().unwrap());
    let text = Some(format!(r#"{{"tag":"{}"}}"#, "x".repeat(600)));
    let writes = (0..count).map(|number| (format!("many/{number}"), text.clone())).collect();
    let mark = Mark { ctr: SdmReadCtr::new(5).unwrap(), at: None, taps: 1 };
    let marks = (0..count / 3).map(|number| (counter(number), mark)).collect();
    let change = Change { writes, marks, ..Change::default() };
    let done = AtomicBool::new(false);
    let ((taps, longest), time) = std::thread::scope(|scope| {
        let taps = scope.spawn(|| runtime.block_on(taps_until(&backend.url, u32::MAX, &done)));
        let start = Instant::now();
        runtime.block_on(async { open(&backend.url).await.change(&change).await }).unwrap();
        let time = start.elapsed();
        done.store(true, Ordering::SeqCst);
        (taps.join().unwrap(), time)
    });
    println!("{count} documents and {} marks in {time:?}: {taps} taps, the longest {longest:?}", count / 3);
    assert!(
        taps > 10 && longest < Duration::from_millis(200).max(time / 10),
        "the longest of {taps} taps took {longest:?}"
    );
}

/// Taps one tag, and returns the number of taps and the longest time of one.
async fn taps_until(url: &str, id: u32, done: &AtomicBool) -> (u32, Duration) {
    let store = open(url).await;
    let (mut taps, mut longest) = (0, Duration::ZERO);
    while !done.load(Ordering::SeqCst) {
        taps += 1;
        let start = Instant::now();
        assert!(matches!(advance(&store, id, taps).await, Ok(Advance::Advanced { .. })));
        longest = longest.max(start.elapsed());
    }
    (taps, longest)
}

#[test]
fn a_start_without_redis_says_the_cause() {
    let Some(mut backend) = backends::redis(&["--requirepass", "right"]) else { return };
    let host = backend.url.rsplit_once('/').unwrap().1.to_owned();
    let wrong = refusal(&format!("redis://:s3cret@{host}"), &[]);
    assert!(
        wrong.contains(&format!("Redis: cannot connect to {host}: "))
            && wrong.contains("Password authentication failed"),
        "{wrong}"
    );
    let missing = refusal(&backend.url, &[]);
    assert!(missing.contains("NOAUTH"), "{missing}");
    let no_host = refusal("redis://:s3cret@nowhere.invalid:6379", &[]);
    assert!(no_host.contains("cannot connect to nowhere.invalid:6379: ") && no_host.contains("lookup"), "{no_host}");
    for url in ["redis://:s3cret@h:port", "redis://a:12,s3cret@h", "redis://"] {
        let text = refusal(url, &[]);
        assert!(text.contains("invalid URL: "), "{text}");
    }
    backend.kill();
    let no_server = refusal(&format!("redis://:s3cret@{host}"), &[]);
    assert!(no_server.contains("Connection refused"), "{no_server}");
}
