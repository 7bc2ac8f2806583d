//! A web service that verifies taps of NTAG 424 DNA tags: axum, SQLite and suntap.
//!
//! `cargo run -p suntap-axum` starts a demo and prints taps to open in a browser.

use std::sync::{Arc, Mutex, PoisonError};
use std::{env, error::Error};

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderValue, StatusCode, header::CACHE_CONTROL, uri::PathAndQuery};
use axum::response::{Html, IntoResponse, Response};
use axum::{Router, middleware::map_response, routing::get};
use rusqlite::{Connection, OptionalExtension};
use suntap::{
    Advance, An10922, CounterId, CounterStore, Mark, MasterKey, Presented, SdmLayout, SdmMetaReadKey, SdmReadCtr,
    TagTexts, Uid, UnixMillis, Verifier, emulator::EmulatedTag, sdm_layout,
};

/// The URL that the tags of this service write.
static LAYOUT: SdmLayout = sdm_layout!("http://127.0.0.1:3000/t?e={picc:uid,ctr}&c={mac}");
/// The system identifier of AN10922. It separates the keys of this service from other keys of the same master key.
const SUFFIX: &[u8] = b"suntap-axum";
const DEMO_MASTER_KEY: &str = "00112233445566778899AABBCCDDEEFF";
const DEMO_META_KEY: &str = "0123456789ABCDEF0123456789ABCDEF";

/// The page for every GET. A prerendered page is hidden, so the script waits until a person can see the page.
const ASK: &str = r#"<!doctype html><meta name="viewport" content="width=device-width"><title>Tap</title>
<form method="post"><button>Check this tag</button></form><script>
const check = () => { if (!document.hidden) { document.onvisibilitychange = null; document.forms[0].submit(); } };
document.onvisibilitychange = check; check();
</script>"#;
const REFUSAL: &str = "<!doctype html><title>Not accepted</title><p>Not accepted. Tap the tag again.";

/// The SQLite connection behind a lock. SQLite allows one writer at a time, so more connections would not be faster.
struct Counters(Mutex<Connection>);

// EXTRA: with FULL, a power loss can undo the last commit, and its tap would be accepted again.
const SCHEMA: &str = "PRAGMA synchronous = EXTRA;
    CREATE TABLE IF NOT EXISTS marks (id BLOB PRIMARY KEY, ctr INTEGER NOT NULL, at INTEGER,
        taps INTEGER NOT NULL, previous_ctr INTEGER, previous_at INTEGER) STRICT";
// One statement compares and stores, so two copies of a tap cannot both pass. It returns no row for a replay.
const ADVANCE: &str = "INSERT INTO marks (id, ctr, at, taps) VALUES (?1, ?2, ?3, 1)
    ON CONFLICT (id) DO UPDATE SET previous_ctr = marks.ctr, previous_at = marks.at,
        ctr = excluded.ctr, at = excluded.at, taps = marks.taps + 1
    WHERE excluded.ctr > marks.ctr RETURNING ctr, at, taps, previous_ctr, previous_at";

fn open(file: &str) -> rusqlite::Result<Counters> {
    let connection = Connection::open(file)?;
    connection.execute_batch(SCHEMA)?;
    Ok(Counters(Mutex::new(connection)))
}

fn mark(ctr: u32, at: Option<i64>, taps: u32) -> Mark {
    let at = at.and_then(|at| u64::try_from(at).ok()).map(UnixMillis::new);
    // SQLite compared the counters; this value is only reported. An invalid counter is reported as the maximum.
    Mark { ctr: SdmReadCtr::new(ctr).unwrap_or(SdmReadCtr::MAX), at, taps }
}

// Implemented for the reference, because requests share the store.
impl CounterStore for &Counters {
    type Error = rusqlite::Error;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> rusqlite::Result<Advance> {
        // A statement that a panic interrupted had no effect, so the connection is usable after the lock was poisoned.
        let sqlite = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = at.and_then(|at| i64::try_from(at.get()).ok());
        // `query_one` runs the statement to its end. `query_row` would ignore an error of the commit.
        let advanced = sqlite.query_one(ADVANCE, (id.as_bytes(), ctr.get(), at), |row| {
            let now = mark(row.get(0)?, row.get(1)?, row.get(2)?);
            let (previous_ctr, previous_at) = (row.get::<_, Option<u32>>(3)?, row.get(4)?);
            let previous = previous_ctr.map(|ctr| mark(ctr, previous_at, now.taps.saturating_sub(1)));
            Ok(Advance::Advanced { previous, now })
        });
        if let Some(advanced) = advanced.optional()? {
            return Ok(advanced);
        }
        sqlite.query_row("SELECT ctr, at, taps FROM marks WHERE id = ?1", [id.as_bytes()], |row| {
            Ok(Advance::Stale { stored: mark(row.get(0)?, row.get(1)?, row.get(2)?) })
        })
    }
}

struct App {
    verifier: Verifier<An10922>,
    counters: Counters,
}

/// Only POST spends a tap. Prefetches and link previews send HEAD or GET, and GET returns a page whose form posts the
/// same URL.
fn router(app: Arc<App>) -> Router {
    let router = Router::new().route("/t", get(Html(ASK)).post(spend)).with_state(app);
    router.layer(map_response(async |mut response: Response| {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }))
}

// `OriginalUri`, because `Uri` lacks the prefix of a nested router, and the layout includes it.
async fn spend(State(app): State<Arc<App>>, OriginalUri(uri): OriginalUri) -> Response {
    // SQLite blocks its thread until the counter is on disk. `spawn_blocking` keeps it off the threads of the runtime,
    // and finishes the work even if the client disconnects.
    let accepted = tokio::task::spawn_blocking(move || {
        let tap = Presented::OriginForm(uri.path_and_query().map_or("", PathAndQuery::as_str));
        let fresh = app.verifier.admit(tap, &mut &app.counters, Some(UnixMillis::now())).inspect_err(|error| {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("tap refused: {error}{cause}");
        });
        fresh.ok().map(|fresh| (fresh.uid(), fresh.mark().taps))
    });
    // The answer is the same for every reason, so that a forger learns nothing from it.
    let Ok(Some((Some(uid), taps))) = accepted.await else {
        return (StatusCode::FORBIDDEN, Html(REFUSAL)).into_response();
    };
    Html(format!("<!doctype html><title>Genuine</title><p>Genuine tag {uid}, accepted taps: {taps}.")).into_response()
}

/// Returns an emulated tag, so that the demo works without a real one.
fn demo_tag() -> Result<EmulatedTag, Box<dyn Error>> {
    let uid = Uid::from_hex("04DE5F1EACC040")?;
    let file_key = An10922::new(MasterKey::from_hex(DEMO_MASTER_KEY)?, SUFFIX)?.file_read_key(uid);
    Ok(EmulatedTag::new(&LAYOUT, &TagTexts::default(), SdmMetaReadKey::from_hex(DEMO_META_KEY)?, file_key, uid)?)
}

fn app(master: &str, meta: &str, file: &str) -> Result<Arc<App>, Box<dyn Error>> {
    let master = MasterKey::from_hex(master).map_err(|error| format!("SUNTAP_MASTER_KEY: {error}"))?;
    let meta = SdmMetaReadKey::from_hex(meta).map_err(|error| format!("SUNTAP_META_KEY: {error}"))?;
    let verifier = Verifier::new(&LAYOUT, meta, An10922::new(master, SUFFIX)?)?;
    Ok(Arc::new(App { verifier, counters: open(file)? }))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [master, meta] = ["SUNTAP_MASTER_KEY", "SUNTAP_META_KEY"].map(|name| env::var(name).ok());
    let app = match (master, meta, env::args().nth(1).filter(|file| !file.is_empty())) {
        (Some(master), Some(meta), Some(file)) => app(&master, &meta, &file)?,
        (None, None, None) => {
            let mut tag = demo_tag()?;
            println!("DEMO: the keys are public and the counters are in memory. Open each of these taps twice:");
            println!("{}\n{}", tag.tap()?, tag.tap()?);
            app(DEMO_MASTER_KEY, DEMO_META_KEY, ":memory:")?
        }
        // A missing variable must not start the demo in production: its keys are known, and it forgets the counters.
        _ => return Err("set SUNTAP_MASTER_KEY and SUNTAP_META_KEY and pass a file, or none of the three".into()),
    };
    Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:3000").await?, router(app)).await?)
}

#[cfg(test)]
mod tests;
