//! A SQL registry whose rows own their columns, used by the handler of a real HTTP server. It compiles only if the
//! futures that have to be `Send` are `Send`.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, State};
use axum::http::{Request, Response};
use axum::routing::get;
use rusqlite::{Connection, OptionalExtension};
use suntap::platform::Service as Platform;
use suntap::platform::ixkio::Ixkio;
use suntap::platform::rules::{Rule, RuleGroup, RuleSet, Rules};
use suntap::platform::{
    ApiKeyName, ApiKeySecret, AsyncTagRegistry, Chip, FileKey, Keys, Names, OrganisationId, Record, TagRecord, TagRef,
};
use suntap::{
    Advance, AsyncCounterStore, CounterId, CounterStore, Full, MasterKey, MemoryCounters, SdmFileReadKey, SdmLayout,
    SdmReadCtr, Uid, UnixMillis, kdf::an10922, sdm_layout,
};
use suntap_testkit::{Tag, Tap};
use tower::ServiceExt as _;

static LAYOUT: SdmLayout = sdm_layout!("https://t.example/{:xuid}?n={ctr}&e={mac}");

/// The state of the service. All tags share the master key.
struct Service {
    database: Mutex<Connection>,
    counters: Mutex<MemoryCounters<64>>,
    master: MasterKey,
    api_keys: [ApiKeySecret; 1],
}

/// A row that owns its columns. The keys of the tag are derived from the master key of the service.
struct Row {
    service: Arc<Service>,
    xuid: String,
    uid: Uid,
    organisation: i64,
    pass: String,
    fail: String,
}

impl TagRecord for Row {
    fn record(&self) -> Record<'_> {
        const RULES: &[Rule] = &[Rule::TagAuthentication];
        let file = FileKey::An10922 { master: &self.service.master, suffix: b"shop", epoch: 0 };
        let pass = RuleGroup { rules: RULES, response: &self.pass };
        Record {
            uid: Some(self.uid),
            names: Names { xuid: Some(&self.xuid), ..Names::default() },
            chip: Some(Chip { layout: &LAYOUT, keys: Keys::Loaded { meta: None, file }, tamper: false, counter: None }),
            rules: Rules {
                tag_group: RuleSet { groups: [Some(pass), None, None], default: &self.fail },
                tag_code: None,
            },
            ..Record::new(OrganisationId::new(u128::try_from(self.organisation).unwrap()))
        }
    }
}

struct Registry(Arc<Service>);

impl AsyncTagRegistry for Registry {
    type Record = Row;
    type Error = rusqlite::Error;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<Row>, rusqlite::Error> {
        tokio::task::yield_now().await;
        let TagRef::Xuid(xuid) = tag else { return Ok(None) };
        let database = self.0.database.lock().unwrap();
        let columns = "SELECT xuid, uid, organisation, pass, fail FROM tags WHERE xuid = ?1";
        let row = database.query_row(columns, [xuid], |row| {
            Ok(Row {
                service: self.0.clone(),
                xuid: row.get(0)?,
                uid: Uid::from_bytes(row.get(1)?),
                organisation: row.get(2)?,
                pass: row.get(3)?,
                fail: row.get(4)?,
            })
        });
        row.optional()
    }

    async fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, rusqlite::Error> {
        Ok(None)
    }
}

struct Counters(Arc<Service>);

impl AsyncCounterStore for Counters {
    type Error = Full;

    async fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        tokio::task::yield_now().await;
        self.0.counters.lock().unwrap().advance(id, ctr, at)
    }
}

async fn v1_t(State(service): State<Arc<Service>>, RawQuery(query): RawQuery) -> Response<String> {
    let ixkio = Ixkio::new(Platform::new(&[]), &service.api_keys);
    let (registry, mut counters) = (Registry(service.clone()), Counters(service.clone()));
    let answer = ixkio.answer_async(&query.unwrap_or_default(), registry, &mut counters, None).await;
    let response = Response::builder().status(answer.status);
    let response = answer.headers.iter().fold(response, |response, (name, value)| response.header(*name, *value));
    response.body(answer.body).unwrap()
}

fn service() -> Arc<Service> {
    let database = Connection::open_in_memory().unwrap();
    database
        .execute_batch(
            "CREATE TABLE tags (xuid TEXT PRIMARY KEY, uid BLOB, organisation INTEGER, pass TEXT, fail TEXT);
            INSERT INTO tags VALUES ('q8w3sbcz', x'04AABBCC112233', 1, 'Pass', 'Fail')",
        )
        .unwrap();
    Arc::new(Service {
        database: Mutex::new(database),
        counters: Mutex::default(),
        master: MasterKey::from_bytes([4; 16]),
        api_keys: [ApiKeySecret::from_bytes([7; 16])],
    })
}

/// Returns the MAC of a tap of a tag that mirrors only its counter.
fn mac(file_key: &SdmFileReadKey, ctr: u32) -> String {
    let tag = Tag { lrp: false, meta_key: [0; 16], file_key: *file_key.expose_bytes(), uid: [0; 7] };
    let tap = Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" };
    tag.write("{ctr}{mac}", &tap).url.split_off(6)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_of_axum_answers_from_sql() {
    let service = service();
    let app = Router::new().route("/v1/t", get(v1_t)).with_state(service.clone());
    let uid = Uid::from_bytes([0x04, 0xAA, 0xBB, 0xCC, 0x11, 0x22, 0x33]);
    let key = an10922::derive_in_epoch(&service.master, uid, 0, b"shop").unwrap();
    let ask = async |target: String| {
        let request = Request::get(target).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let (status, cache) = (response.status().as_u16(), response.headers()["cache-control"].clone());
        assert_eq!(cache, "no-store");
        (status, String::from_utf8(to_bytes(response.into_body(), 1024).await.unwrap().to_vec()).unwrap())
    };
    let tap = format!("/v1/t?x=q8w3sbcz&n=000001&e={}", mac(&key, 1));
    assert_eq!(ask(tap.clone()).await, (200, r#"{"xuid":"q8w3sbcz","response":"Pass"}"#.into()));
    assert_eq!(ask(tap).await, (200, r#"{"xuid":"q8w3sbcz","response":"Fail"}"#.into()));
    assert_eq!(ask("/v1/t?x=nosuch".into()).await.0, 404);
    assert_eq!(ask("/v1/t".into()).await.0, 400);

    // A tap that is sent 16 times in parallel passes once.
    let tap = format!("/v1/t?x=q8w3sbcz&n=000002&e={}", mac(&key, 2));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let request = Request::get(&tap).body(Body::empty()).unwrap();
            let app = app.clone();
            tokio::spawn(async move { to_bytes(app.oneshot(request).await.unwrap().into_body(), 1024).await.unwrap() })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += usize::from(task.await.unwrap().ends_with(b"\"Pass\"}"));
    }
    assert_eq!(passed, 1);
}
