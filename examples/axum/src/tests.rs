//! Tests of the service through its router, and of its counter store with `suntap::conformance`.

use std::path::PathBuf;
use std::sync::Barrier;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use suntap::conformance::{self, Contest, Promise};
use suntap::{CommitError, SdmFileReadKey};
use tower::ServiceExt as _;

use super::*;

/// A database file that is removed when the test ends.
struct File(PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let file = Self(env::temp_dir().join(format!("suntap-axum-{}-{name}.sqlite", std::process::id())));
        let _ = std::fs::remove_file(&file.0);
        file
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Opens the file as a new process would.
    fn start(&self) -> Arc<App> {
        app(DEMO_MASTER_KEY, DEMO_META_KEY, self.path()).unwrap()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn in_memory() -> Arc<App> {
    app(DEMO_MASTER_KEY, DEMO_META_KEY, ":memory:").unwrap()
}

/// Returns the `/path?query` of the next tap.
fn tap(tag: &mut EmulatedTag) -> String {
    tag.tap().unwrap().strip_prefix("http://127.0.0.1:3000").unwrap().to_owned()
}

/// Returns a tap of the demo tag's UID that was made with another file key, with a high counter.
fn forged() -> String {
    let (meta_key, file_key) = (SdmMetaReadKey::from_hex(DEMO_META_KEY).unwrap(), SdmFileReadKey::from_bytes([7; 16]));
    let uid = demo_tag().unwrap().uid();
    let tag = EmulatedTag::new(&LAYOUT, &TagTexts::default(), meta_key, file_key, uid).unwrap();
    tap(&mut tag.with_ctr(SdmReadCtr::new(1000).unwrap()))
}

async fn send(app: &Arc<App>, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = router(Arc::clone(app)).oneshot(request).await.unwrap().into_parts();
    assert_eq!(parts.headers[CACHE_CONTROL], "no-store");
    let body = to_bytes(body, 4096).await.unwrap().to_vec();
    (parts.status, parts.headers, String::from_utf8(body).unwrap())
}

fn request(method: Method, target: &str) -> Request<Body> {
    Request::builder().method(method).uri(target).body(Body::empty()).unwrap()
}

async fn post(app: &Arc<App>, target: &str) -> (StatusCode, HeaderMap, String) {
    send(app, request(Method::POST, target)).await
}

/// Two services share the database file, like two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_64_parallel_copies_is_accepted() {
    let file = File::new("parallel");
    let services = [file.start(), file.start()];
    let tap = tap(&mut demo_tag().unwrap());
    let copies: Vec<_> = services.iter().cycle().take(64).cloned().map(|app| (app, tap.clone())).collect();
    let copies = copies.into_iter().map(|(app, tap)| tokio::spawn(async move { post(&app, &tap).await.0 }));
    let copies: Vec<_> = copies.collect();
    let (mut accepted, mut refused) = (0, 0);
    for copy in copies {
        match copy.await.unwrap() {
            StatusCode::OK => accepted += 1,
            StatusCode::FORBIDDEN => refused += 1,
            other => panic!("unexpected status {other}"),
        }
    }
    assert_eq!((accepted, refused), (1, 63));
}

#[tokio::test]
async fn get_and_head_do_not_spend_a_tap() {
    let app = in_memory();
    let tap = tap(&mut demo_tag().unwrap());
    let headers = [
        ("accept", "text/html"),
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-moz", "prefetch"),
        ("user-agent", "WhatsApp/2.23.20.0"),
    ];
    for method in [Method::GET, Method::HEAD] {
        for (name, value) in headers {
            let mut request = request(method.clone(), &tap);
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            let (status, _, body) = send(&app, request).await;
            assert_eq!(
                (status, &*body),
                (StatusCode::OK, if method == Method::GET { ASK } else { "" }),
                "{name}: {value}"
            );
        }
    }
    assert_eq!(post(&app, &tap).await.0, StatusCode::OK);
    assert_eq!(post(&app, &tap).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_forged_tap_is_refused_and_spends_nothing() {
    let app = in_memory();
    let genuine = tap(&mut demo_tag().unwrap());
    let altered = |from: &str| {
        let at = genuine.find(from).unwrap() + from.len();
        let digit = if genuine[at..].starts_with('0') { "1" } else { "0" };
        format!("{}{digit}{}", &genuine[..at], &genuine[at + 1..])
    };
    for forged in [forged(), altered("?e="), altered("&c=")] {
        assert_eq!(post(&app, &forged).await.0, StatusCode::FORBIDDEN, "{forged}");
    }
    let rows = |sqlite: &Connection| sqlite.query_row("SELECT count(*) FROM marks", (), |row| row.get(0));
    assert_eq!(rows(&app.counters.0.lock().unwrap()), Ok(0));
    let (status, _, body) = post(&app, &genuine).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("04DE5F1EACC040, accepted taps: 1."), "{body}");
}

#[tokio::test]
async fn a_replay_is_refused_after_a_restart() {
    let file = File::new("restart");
    let mut tag = demo_tag().unwrap();
    let first = tap(&mut tag);
    assert_eq!(post(&file.start(), &first).await.0, StatusCode::OK);
    let restarted = file.start();
    assert_eq!(post(&restarted, &first).await.0, StatusCode::FORBIDDEN);
    let (status, _, body) = post(&restarted, &tap(&mut tag)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("accepted taps: 2."), "{body}");
}

#[tokio::test]
async fn all_refusals_are_the_same() {
    let app = in_memory();
    let mut tag = demo_tag().unwrap();
    let [older, accepted, new] = [(); 3].map(|()| tap(&mut tag));
    assert_eq!(post(&app, &accepted).await.0, StatusCode::OK);

    let refusal = post(&app, &forged()).await;
    assert_eq!((refusal.0, &*refusal.2), (StatusCode::FORBIDDEN, REFUSAL));
    for target in [
        "/t".to_owned(),
        "/t?e=00&c=00".to_owned(),
        format!("{new}&utm_source=x"),
        format!("/t?e={}&c={}", "0".repeat(32), "0".repeat(16)),
        older,
        accepted,
    ] {
        assert_eq!(post(&app, &target).await, refusal, "{target}");
    }
    app.counters.0.lock().unwrap().execute_batch("DROP TABLE marks").unwrap();
    assert_eq!(post(&app, &new).await, refusal, "the store failed");
}

#[tokio::test]
async fn other_methods_and_paths_are_not_cached() {
    let app = in_memory();
    assert_eq!(send(&app, request(Method::PUT, "/t")).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(send(&app, request(Method::GET, "/other")).await.0, StatusCode::NOT_FOUND);
}

#[test]
fn the_store_keeps_the_laws() {
    let file = File::new("laws");
    let counters = open(file.path()).unwrap();
    conformance::sequential(&mut &counters, 1).unwrap();
    for contest in [Contest::Equal { run: 2 }, Contest::Increasing { run: 3 }, Contest::Apart { run: 4 }] {
        let start = Barrier::new(8);
        let results = std::thread::scope(|scope| {
            let enter = |number| {
                let (start, mut counters) = (&start, &counters);
                scope.spawn(move || {
                    start.wait();
                    contest.enter(&mut counters, number)
                })
            };
            let threads: Vec<_> = (0..8).map(enter).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        contest.judge(&mut &counters, results).unwrap();
    }
    let promise = Promise::make(&mut &counters, 5, 7);
    counters.0.lock().unwrap().pragma_update(None, "query_only", true).unwrap();
    let unwritten = Promise::make_failing(&mut &counters, 6, 8);
    drop(counters);
    for promise in [promise, unwritten] {
        promise.keep(&mut &open(file.path()).unwrap()).unwrap();
    }
}

/// Another connection reads for so long that the commit fails.
#[test]
fn a_failed_commit_is_an_error() {
    let file = File::new("commit");
    let counters = open(file.path()).unwrap();
    let before = Promise::make(&mut &counters, 5, 7);
    let reader = Connection::open(file.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM marks").unwrap();
    counters.0.lock().unwrap().busy_timeout(std::time::Duration::ZERO).unwrap();
    let failed = Promise::make_failing(&mut &counters, 5, 8);
    assert_eq!(failed.acknowledged(), None);
    drop(reader);
    for promise in [failed, before] {
        promise.keep(&mut &counters).unwrap();
    }
}

#[test]
fn an_invalid_stored_counter_refuses_every_tap() {
    let app = in_memory();
    let mut tag = demo_tag().unwrap();
    let admit = |tag: &mut EmulatedTag| {
        let tap = tap(tag);
        app.verifier.admit(Presented::OriginForm(&tap), &mut &app.counters, None).map(|fresh| fresh.ctr().get())
    };
    assert_eq!(admit(&mut tag).ok(), Some(1));
    app.counters.0.lock().unwrap().execute("UPDATE marks SET ctr = ?1", [1 << 24]).unwrap();
    let refused = admit(&mut tag);
    let Err(suntap::Error::Commit(CommitError::Replayed { stored, .. })) = refused else { panic!("{refused:?}") };
    assert_eq!(stored.ctr, SdmReadCtr::MAX);
}
