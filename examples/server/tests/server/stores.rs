//! Each store passes the conformance tests, finds imported tags, and decides between two servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use suntap::conformance::{self, Contest, Promise};
use suntap::platform::{AsyncTagRegistry as _, State, TagRecord as _, TagRef};
use suntap_server::import::{Allowed, import};
use suntap_server::registry::{Caches, Registry};
use suntap_server::store::{Change, Cursor, Options, Store, StoreError};

use crate::backends::{self, Backend};
use crate::client::{Client, Server, get};
use crate::tags::{self, Folder};
use crate::{api_keys, counters, faults};

pub(crate) async fn open(url: &str) -> Store {
    Store::create(&url.parse().unwrap(), Options::default()).await.unwrap()
}

/// Runs the conformance tests: calls in sequence, in parallel, and after the store was opened again.
pub(crate) async fn keeps_the_laws(url: &str) {
    let mut store = open(url).await;
    conformance::sequential_async(&mut &store, 1).await.unwrap();
    let mut promises = Vec::new();
    for ctr in [1, 2, 500] {
        promises.push(Promise::make_async(&mut &store, 2, ctr).await);
    }
    store.close().await;
    store = open(url).await;
    for promise in &promises {
        promise.keep_async(&mut &store).await.unwrap();
    }
    let store = Arc::new(store);
    for round in 0..20 {
        let run = 10 + 3 * round;
        for contest in [Contest::Equal { run }, Contest::Increasing { run: run + 1 }, Contest::Apart { run: run + 2 }] {
            let start = Arc::new(tokio::sync::Barrier::new(16));
            let enter = |number| {
                let (store, start) = (Arc::clone(&store), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    contest.enter_async(&mut &*store, number).await
                })
            };
            let tasks: Vec<_> = (0..16).map(enter).collect();
            let mut results = Vec::new();
            for task in tasks {
                results.push(task.await.unwrap());
            }
            contest.judge_async(&mut &*store, results).await.unwrap();
        }
    }
    Arc::into_inner(store).unwrap().close().await;
}

/// Two servers on one store accept each tap of an imported tag once.
fn two_servers_are_one(backend: &Backend) {
    let folder = Folder::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = open(&backend.url).await;
        let lines = tags::text(&[tags::levels(), vec![tags::line(1)]].concat());
        import(&store, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
    let servers = [0, 1].map(|_| Server::on(&backend.url, &folder.secrets()));
    let mut clients = servers.each_ref().map(|server| Client::new(&server.address).unwrap());
    let mut tag = tags::tag(1);
    for _ in 0..100 {
        let target = tags::target(&tag.tap().unwrap());
        // Both requests are sent before either is answered.
        let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n");
        for client in &mut clients {
            client.send(request.as_bytes()).unwrap();
        }
        let mut bodies = clients.each_mut().map(|client| client.receive().unwrap().body);
        bodies.sort();
        assert!(bodies[0].contains("Fail") && bodies[1].ends_with(r#""response":"Pass"}"#), "{bodies:?}");
    }
    let last = tags::target(&tag.tap().unwrap());
    assert!(get(&servers[0].address, &last).body.contains("Pass"));
    // Both servers know the last counter.
    assert_eq!(get(&servers[1].address, &last).body, r#"{"xuid":"tag00001","response":"Fail 101"}"#);
}

/// A change of a batch or of a layout is visible at once, although both are cached.
async fn a_change_is_seen(url: &str) {
    let store = open(url).await;
    let caches = Caches::default();
    let batch = |state| json!({ "batch": { "organisation": 1, "path": "F/G/B", "state": state } });
    let mut line = tags::line(90);
    let set_up = tags::text(&[tags::levels(), vec![line.clone()]].concat());
    import(&store, tags::secrets(), &set_up, Allowed::default(), |_| ()).await.unwrap();
    for (round, state) in ["active", "inactive", "active", "inactive"].into_iter().enumerate() {
        line["tag"]["layout"] =
            json!({ "template": format!("https://t.example/t{round}?x={{:xuid}}&n={{ctr}}&e={{mac}}") });
        let text = tags::text(&[batch(state), line.clone()]);
        import(&store, tags::secrets(), &text, Allowed::default(), |_| ()).await.unwrap();
        // The second time, both are in the cache.
        for _ in 0..2 {
            let registry = Registry::new(&store, &caches, tags::secrets());
            let row = (&registry).find(TagRef::Xuid("tag00090")).await.unwrap().unwrap();
            let expected = if state == "active" { State::Active } else { State::Inactive };
            assert_eq!(row.record().standing.batch, expected, "round {round}");
            let target = format!("/t{round}?x=tag00090&n=000001&e=94EED9EE65337086");
            assert_eq!(registry.suspects(&target).await.unwrap(), Some(vec!["xuid/tag00090".into()]), "round {round}");
        }
    }
    store.close().await;
}

/// Lists three full pages, with other keys before and after them.
async fn lists_every_document(url: &str) {
    let store = open(url).await;
    let mut expected: Vec<_> = (0..3000).map(|number| format!("list/{}", number * 7919 % 3000)).collect();
    let others = ["lisu", "list", "list0", "Aist/1"].map(String::from);
    let text = |key: &String| (key.clone(), Some(format!("\"{key}\"")));
    let writes = expected.iter().chain(&others).map(text).collect();
    store.change(&Change { writes, ..Change::default() }).await.unwrap();
    let mut listed = Vec::new();
    let mut each = |key: &str, text: &str| {
        assert_eq!(text, format!("\"{key}\""));
        listed.push(key.to_owned());
        Ok::<_, StoreError>(())
    };
    store.list("list/", &mut each).await.unwrap();
    listed.sort();
    if url.starts_with("redis") {
        listed.dedup();
    }
    expected.sort();
    assert!(listed == expected, "{} of {}", listed.len(), expected.len());

    let count = async |prefix| {
        let mut keys = std::collections::BTreeSet::new();
        let each = |key: &str, _: &str| {
            keys.insert(key.to_owned());
            Ok::<_, StoreError>(())
        };
        store.list(prefix, each).await.unwrap();
        keys.len()
    };
    assert_eq!((count("list/1").await, count("list/2999").await, count("list/x").await), (1111, 1, 0));
    // An error of the callback ends the listing.
    let stopped = store.list("list/", |_, _| Err(StoreError::Late)).await;
    assert!(matches!(stopped, Err(StoreError::Late)));

    // A client gets a page and the text of a cursor, and comes back with the text.
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.page("list/", cursor, 70).await.unwrap();
        assert!(url.starts_with("redis") || page.documents.len() <= 70);
        paged.extend(page.documents.into_iter().map(|(key, _)| key));
        match page.next {
            Some(next) => cursor = Some(next.to_string().parse().unwrap()),
            None => break,
        }
    }
    paged.sort();
    paged.dedup();
    assert!(paged == expected, "{} of {}", paged.len(), expected.len());
    assert!(
        ["", "after", "scan/1", "scan/1/2", "scan/a/b/c", "end"].iter().all(|text| text.parse::<Cursor>().is_err())
    );
    // A prefix is not a pattern.
    for prefix in ["list/?", "list/*", "list/[0-9]", "list\\"] {
        assert!(store.page(prefix, None, 10).await.unwrap().documents.is_empty(), "{prefix}");
    }

    // `check` lists the tags in the same way.
    let waiting = |number: u32| json!({ "tag": { "organisation": 1, "number": 70_000 + number } });
    let lines = [tags::levels(), (0..2100).map(waiting).collect()].concat();
    import(&store, tags::secrets(), &tags::text(&lines), Allowed::default(), |_| ()).await.unwrap();
    let findings = suntap_server::check::check(&store, tags::secrets()).await.unwrap();
    assert_eq!(findings.iter().filter(|finding| finding.key.starts_with("number/7")).count(), 2100);
    store.close().await;
}

#[test]
fn redb_keeps_the_laws() {
    let folder = Folder::new();
    let path = folder.path("data.redb");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        keeps_the_laws(path.to_str().unwrap()).await;
        a_change_is_seen(path.to_str().unwrap()).await;
        api_keys::imported_keys_hold(path.to_str().unwrap()).await;
        counters::imported_counters_hold(path.to_str().unwrap()).await;
        lists_every_document(path.to_str().unwrap()).await;
    });
    faults::the_same_request_is_fresh_once(path.to_str().unwrap());
}

#[test]
fn postgres_keeps_the_laws() {
    let Some(backend) = backends::postgres() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        keeps_the_laws(&backend.url).await;
        a_change_is_seen(&backend.url).await;
        api_keys::imported_keys_hold(&backend.url).await;
        counters::imported_counters_hold(&backend.url).await;
        lists_every_document(&backend.url).await;
    });
    two_servers_are_one(&backend);
    faults::the_same_request_is_fresh_once(&backend.url);
}

#[test]
fn redis_keeps_the_laws() {
    let Some(backend) = backends::redis(&[]) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        keeps_the_laws(&backend.url).await;
        a_change_is_seen(&backend.url).await;
        api_keys::imported_keys_hold(&backend.url).await;
        counters::imported_counters_hold(&backend.url).await;
        lists_every_document(&backend.url).await;
    });
    two_servers_are_one(&backend);
    faults::the_same_request_is_fresh_once(&backend.url);
}

#[test]
fn a_redis_cluster_keeps_the_laws() {
    let Some(backend) = backends::redis_cluster() else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        keeps_the_laws(&backend.url).await;
        a_change_is_seen(&backend.url).await;
        api_keys::imported_keys_hold(&backend.url).await;
        counters::imported_counters_hold(&backend.url).await;
        lists_every_document(&backend.url).await;
    });
    two_servers_are_one(&backend);
    faults::the_same_request_is_fresh_once(&backend.url);
}

#[test]
fn a_redis_that_evicts_is_rejected_and_one_without_a_file_is_warned_of() {
    let Some(evicting) = backends::redis(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]) else {
        return;
    };
    let Some(volatile) = backends::redis(&["--appendonly", "no"]) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let refused = Store::create(&evicting.url.parse().unwrap(), Options::default()).await;
        assert!(refused.unwrap_err().to_string().contains("noeviction"));
        assert!(open(&volatile.url).await.warnings()[0].contains("append-only"));
    });
}

/// While a database cannot be reached no tap passes, and when it is back no tap passes twice.
#[test]
fn taps_are_unavailable_without_the_database() {
    let Some(mut backend) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let lines = tags::text(&[tags::levels(), vec![tags::line(1)]].concat());
        import(&open(&backend.url).await, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap();
    });
    let server = Server::on(&backend.url, &folder.secrets());
    let mut tag = tags::tag(1);
    let first = tags::target(&tag.tap().unwrap());
    assert!(get(&server.address, &first).body.contains("Pass"));
    backend.kill();
    let second = tags::target(&tag.tap().unwrap());
    for target in [&first, &second] {
        let reply = get(&server.address, target);
        assert_eq!((reply.status, &*reply.body), (503, r#"{"xuid":"tag00001","error":"unavailable"}"#));
    }
    assert_eq!(get(&server.address, "/healthz").status, 200);
    backend.restart_redis();
    let start = Instant::now();
    while get(&server.address, &first).status == 503 {
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not reconnect");
    }
    for (target, response) in [(&first, "Fail 1"), (&second, "Pass"), (&second, "Fail 2"), (&first, "Fail 2")] {
        let body = format!(r#"{{"xuid":"tag00001","response":"{response}"}}"#);
        assert_eq!(get(&server.address, target).body, body);
    }
}
