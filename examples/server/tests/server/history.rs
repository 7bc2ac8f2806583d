//! The history: what is recorded, what nobody can remove from it, and who is named in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};
use suntap_server::import::{Allowed, import};
use suntap_server::ops::history::{Filter, Line, lines};
use suntap_server::store::{Change, Entry, HistoryCursor, Options, Recording, Retention, Store, StoreError, Stream};
use tokio::runtime::Runtime;

use crate::backends;
use crate::client::{Client, Server, get};
use crate::crash::load;
use crate::stores::open;
use crate::tags::{self, Folder};

/// Creates a store with some tags, an inactive one, and one of an organisation that needs a token.
fn imported(url: &str, tags: u32) {
    let other: Vec<Value> =
        serde_json::from_str(&json!(tags::levels()).to_string().replace("organisation\":1", "organisation\":2"))
            .unwrap();
    let mut lines = [tags::levels(), other, (0..tags).map(tags::line).collect()].concat();
    lines[4] = json!({ "organisation": { "id": 2, "name": "Two", "account": "abc124", "needsToken": true } });
    lines.push(json!({ "token": { "organisation": 2, "token": "token_0f1e2d3c4b5a" } }));
    let mut private = tags::line(901);
    private["tag"]["organisation"] = 2.into();
    lines.push(private);
    let mut inactive = tags::line(900);
    inactive["tag"]["state"] = "inactive".into();
    lines.push(inactive);
    Runtime::new().unwrap().block_on(async {
        let store = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap();
        import(&store, tags::secrets(), &tags::text(&lines), Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
}

fn serve(url: &str, folder: &Folder, args: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--store", url]);
    command.arg("--secrets-file").arg(folder.secrets()).args(args);
    Server::spawn(command)
}

/// The text that the command prints.
fn export(url: &str, folder: &Folder, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["history", "--store", url, "--secrets-file"]).arg(folder.secrets()).args(args);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines with these values.
fn having<'l>(lines: &'l [Value], values: &[(&str, &str)]) -> Vec<&'l Value> {
    lines.iter().filter(|line| values.iter().all(|(name, value)| line[*name] == *value)).collect()
}

/// The sum of the counts of these lines.
fn counted(lines: &[&Value]) -> u64 {
    lines.iter().map(|line| line["count"].as_u64().unwrap_or(1)).sum()
}

/// Every verdict has its line, and no line has a secret.
fn every_verdict_has_a_line(url: &str) {
    let folder = Folder::new();
    imported(url, 2);
    let mut server = serve(url, &folder, &[]);
    let mut client = Client::new(&server.address).unwrap();
    let mut tag = tags::tag(0);
    let urls: Vec<_> = (0..3).map(|_| tag.tap().unwrap()).collect();
    let fresh = tags::target(&urls[0]);
    assert!(client.get(&fresh).unwrap().body.contains("Pass"));
    for _ in 0..4 {
        assert!(client.get(&fresh).unwrap().body.contains("Fail"));
    }
    let page = urls[1].strip_prefix("https://t.example").unwrap();
    assert!(client.get(page).unwrap().body.contains("Genuine"));
    let forged = tags::target(&urls[2]).replace("e=", "e=0");
    let forged = &forged[..forged.len() - 1];
    assert!(client.get(forged).unwrap().body.contains("Fail"));
    assert!(client.get(forged).unwrap().body.contains("Fail"));
    for name in ["nobody00", "nobody01", "nobody02"] {
        assert_eq!(client.get(&format!("/v1/t?x={name}&n=000001&e=94EED9EE65337086")).unwrap().status, 404);
    }
    assert_eq!(client.get("/v1/t?x=tag00901&r=token_wrongwrong").unwrap().status, 401);
    assert!(client.get("/v1/t?x=tag00001&n=1&e=1").unwrap().body.contains("Fail"));
    assert_eq!(client.get("/v1/t").unwrap().status, 400);
    client.get(&tags::target(&tags::tag(900).tap().unwrap())).unwrap();
    let wrong = client.post("/v1/tags/verify-authenticity", "API-Key: private_wrong\r\n", b"{}").unwrap();
    assert_eq!(wrong.status, 401);
    drop(client);
    assert!(server.terminate().success());

    let text = export(url, &folder, &[]);
    let lines = parsed(&text);
    let accepted = having(&lines, &[("event", "tap"), ("verdict", "fresh"), ("tag", "xuid/tag00000")]);
    assert_eq!(accepted.len(), 2, "{text}");
    for (line, (ctr, api)) in accepted.iter().zip([(1, "ixkio"), (2, "page")]) {
        assert_eq!((&line["ctr"], &line["api"], &line["client"]), (&ctr.into(), &api.into(), &"127.0.0.1".into()));
        for (name, length) in [("counterId", 32), ("request", 16)] {
            let digits = line[name].as_str().unwrap();
            assert!(digits.len() == length && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{line}");
        }
        let at = line["at"].as_str().unwrap();
        assert!(at.len() == 24 && at.ends_with('Z') && &at[10..11] == "T", "{at}");
        assert!(line.to_string().len() < 300 && line.as_object().unwrap().len() == 9, "{line}");
    }
    // The first replay of a minute has a line of its own.
    let replays = having(&lines, &[("verdict", "replayed"), ("tag", "xuid/tag00000")]);
    assert_eq!(counted(&replays), 4, "{text}");
    let own = having(&lines, &[("event", "tap"), ("verdict", "replayed")]);
    assert!((1..4).contains(&own.len()), "{text}");
    assert_eq!((&own[0]["ctr"], &own[0]["counterId"]), (&1.into(), &accepted[0]["counterId"]));
    for (verdict, tag, count) in [
        ("not_authentic", Some("xuid/tag00000"), 2),
        ("unknown_tag", None, 3),
        ("not_the_owner", Some("xuid/tag00901"), 1),
        ("malformed", Some("xuid/tag00001"), 1),
        ("inactive", Some("xuid/tag00900"), 1),
        ("no_request", None, 2),
    ] {
        let found = having(&lines, &[("event", "refused"), ("verdict", verdict)]);
        assert_eq!(counted(&found), count, "{verdict}: {text}");
        assert!(found.iter().all(|line| line["tag"] == json!(tag)), "{text}");
        assert!(found.iter().all(|line| line["at"].as_str().unwrap().ends_with(":00.000Z")), "{text}");
    }
    let key = format!("{:032x}", u128::from_be_bytes(*tags::file_key(0).expose_bytes()));
    let mac = |url: &str| url.rsplit_once("e=").unwrap().1.to_owned();
    let lower = text.to_ascii_lowercase();
    for secret in
        [&key, &mac(&urls[0]), &mac(&urls[1]), &mac(&urls[2]), "94EED9EE65337086", "token_", "private_", "nobody"]
    {
        assert!(!lower.contains(&secret.to_ascii_lowercase()), "{secret} in {text}");
    }
    assert!(!text.contains('?') && !text.contains("04332200000000"), "{text}");

    assert_eq!(
        parsed(&export(url, &folder, &["--event", "refused"])).len(),
        having(&lines, &[("event", "refused")]).len()
    );
    let of_tag = export(url, &folder, &["--tag", "xuid/tag00001"]);
    assert!(!of_tag.is_empty() && parsed(&of_tag).iter().all(|line| line["tag"] == "xuid/tag00001"), "{of_tag}");
    assert_eq!(export(url, &folder, &["--until", "2020-01-01"]), "");
    assert_eq!(export(url, &folder, &["--since", "2020-01-01T00:00:00Z"]), text);
    assert_eq!(export(url, &folder, &["--since", "2120-01-01"]), "");
}

/// The pages of a store have every entry once, in order, and old entries are removed from each stream alone.
async fn a_store_keeps_a_history(url: &str) {
    let store = open(url).await;
    assert_ne!(store.recording(), Recording::Off);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let now = u64::try_from(now).unwrap();
    let entry = |at: u64, number: usize| Entry { at: UnixMillis::new(at), text: format!(r#"{{"number":{number}}}"#) };
    // The clock was set back once, and several entries have the same time.
    let time = |number: usize| now - 1000 + number as u64 / 3 - if number == 700 { 500 } else { 0 };
    for part in 0..3 {
        let entries = (0..500).map(|number| entry(time(part * 500 + number), part * 500 + number)).collect();
        store.append(Stream::Records, entries).await.unwrap();
    }
    for stream in [Stream::Replays, Stream::Refusals] {
        store.append(stream, (0..300).map(|number| entry(now + number as u64, number)).collect()).await.unwrap();
    }
    let read = async |since: Option<u64>, limit| {
        let (mut entries, mut cursor) = (Vec::new(), None);
        loop {
            let page = store.history(since.map(UnixMillis::new), cursor, limit).await.unwrap();
            assert!(page.entries.len() <= limit);
            entries.extend(page.entries);
            match page.next {
                Some(next) => cursor = Some(next.to_string().parse::<HistoryCursor>().unwrap()),
                None => return entries,
            }
        }
    };
    let all = read(None, 70).await;
    assert_eq!(all.len(), 2100);
    assert_eq!(read(None, 1000).await, all);
    let late = |number: &usize| now <= time(*number);
    let since = read(Some(now), 90).await;
    assert_eq!(since.len(), 600 + (0..1500).filter(late).count());
    assert!(since.iter().all(|entry| now <= entry.at.get()));
    for text in ["", "1-1", "1-1,1-1", "a-1,,,", ",,,,", "1-1-1,,,"] {
        assert!(text.parse::<HistoryCursor>().is_err(), "{text}");
    }

    // An entry of a change is written with it, and not if the change fails.
    let change = |text: &str, seen: Option<&str>| Change {
        seen: vec![("history/1".into(), seen.map(Into::into))],
        writes: vec![("history/1".into(), Some("{}".into()))],
        history: vec![Entry { at: UnixMillis::new(now), text: text.into() }],
        ..Change::default()
    };
    store.change(&change(r#"{"event":"admin","act":"first"}"#, None)).await.unwrap();
    let contended = store.change(&change(r#"{"event":"admin","act":"second"}"#, None)).await;
    assert!(matches!(contended, Err(StoreError::Contended)), "{contended:?}");
    let texts: Vec<_> = read(Some(now), 1000).await.into_iter().map(|entry| entry.text).collect();
    assert_eq!(texts.iter().filter(|text| text.contains("first")).count(), 1);
    assert!(!texts.iter().any(|text| text.contains("second")));

    // A tap is recorded if and only if its counter advances.
    let advance = async |ctr| {
        let tap = Entry { at: UnixMillis::new(now), text: format!(r#"{{"event":"tap","ctr":{ctr}}}"#) };
        let id = CounterId::from_bytes([0x77; 16]);
        store.advance_recorded(&id, SdmReadCtr::new(ctr).unwrap(), None, Some(tap)).await.unwrap()
    };
    assert!(matches!(advance(5).await, Advance::Advanced { previous: None, now: Mark { taps: 1, .. } }));
    assert!(matches!(advance(5).await, Advance::Stale { .. }));
    assert!(matches!(advance(4).await, Advance::Stale { .. }));
    assert!(matches!(advance(6).await, Advance::Advanced { previous: Some(_), .. }));
    let taps: Vec<_> = read(None, 1000).await.into_iter().filter(|entry| entry.text.contains(r#""tap""#)).collect();
    let recorded = if store.recording() == Recording::Later { 0 } else { 2 };
    assert_eq!(taps.len(), recorded, "{taps:?}");

    // By age, then by number. A stream that is too long removes nothing from another one.
    let prune = async |before: u64, entries| {
        let mut total = 0;
        loop {
            let removed = store.prune_history(&Retention { before: UnixMillis::new(before), entries }).await.unwrap();
            total += removed;
            if removed == 0 {
                return total;
            }
        }
    };
    assert_eq!(prune(now - 2000, 1_000_000).await, 0);
    // PostgreSQL has the order of the times, the others that of writing.
    let old = if url.starts_with("postgres") { 151 } else { 150 };
    assert_eq!(prune(now - 950, 1_000_000).await, old);
    let (records, acts) = (1500 - old + recorded, 1);
    assert_eq!(read(None, 1000).await.len(), 600 + records + acts);
    assert_eq!(prune(0, 2500).await, 100);
    assert_eq!(prune(0, 500).await, records - 500 + 2 * (250 - 50));
    let left = read(None, 1000).await;
    assert_eq!(left.len(), 600 + acts);
    assert_eq!(left.iter().filter(|entry| entry.text == r#"{"number":299}"#).count(), 2);
    assert!(left.iter().any(|entry| entry.text.contains("first")));
    assert_eq!(prune(now + 100_000, 500).await, 600 + acts);
    assert!(read(None, 10).await.is_empty());

    let store = store.with_history(false);
    store.append(Stream::Records, vec![entry(now, 1)]).await.unwrap();
    store.change(&Change { history: vec![entry(now, 1)], ..Change::default() }).await.unwrap();
    assert!(store.history(None, None, 10).await.unwrap().entries.is_empty());
    store.close().await;
}

#[test]
fn redb_has_a_history() {
    let folder = Folder::new();
    let path = folder.path("other.redb");
    Runtime::new().unwrap().block_on(a_store_keeps_a_history(path.to_str().unwrap()));
    every_verdict_has_a_line(folder.path("data.redb").to_str().unwrap());
}

#[test]
fn postgres_has_a_history() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(a_store_keeps_a_history(&backend.url));
    every_verdict_has_a_line(&backend.url);
    two_servers_write_one_history(&backend.url);
}

#[test]
fn redis_has_a_history() {
    let Some(backend) = backends::redis(&[]) else { return };
    Runtime::new().unwrap().block_on(a_store_keeps_a_history(&backend.url));
    every_verdict_has_a_line(&backend.url);
}

#[test]
fn a_redis_cluster_has_a_history() {
    let Some(backend) = backends::redis_cluster() else { return };
    Runtime::new().unwrap().block_on(a_store_keeps_a_history(&backend.url));
    every_verdict_has_a_line(&backend.url);
}

/// Each tap has one line, whichever of two servers accepted it.
fn two_servers_write_one_history(url: &str) {
    let folder = Folder::new();
    imported(url, 8);
    let mut servers = [0, 1].map(|_| serve(url, &folder, &[]));
    let mut clients = servers.each_ref().map(|server| Client::new(&server.address).unwrap());
    let mut expected = BTreeSet::new();
    for number in 4..8 {
        let mut tag = tags::tag(number);
        for ctr in 1..=10 {
            let request = format!("GET {} HTTP/1.1\r\nHost: t\r\n\r\n", tags::target(&tag.tap().unwrap()));
            for client in &mut clients {
                client.send(request.as_bytes()).unwrap();
            }
            let bodies = clients.each_mut().map(|client| client.receive().unwrap().body);
            assert_eq!(bodies.iter().filter(|body| body.contains("Pass")).count(), 1, "{bodies:?}");
            expected.insert((format!("xuid/{}", tags::xuid(number)), ctr));
        }
    }
    drop(clients);
    assert!(servers.iter_mut().all(|server| server.terminate().success()));
    let lines = parsed(&export(url, &folder, &["--event", "tap"]));
    let accepted: Vec<_> = having(&lines, &[("verdict", "fresh")])
        .iter()
        .map(|line| (line["tag"].as_str().unwrap().to_owned(), line["ctr"].as_u64().unwrap()))
        .filter(|(tag, _)| **tag >= *"xuid/tag00004")
        .collect();
    assert_eq!(accepted.len(), expected.len());
    assert_eq!(accepted.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Every answered tap is in the history of a data file after `kill -9`.
#[test]
fn answered_taps_are_in_the_history_after_kill_9() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    let folder = Folder::new();
    let data = folder.path("data.redb");
    let data = data.to_str().unwrap();
    imported(data, 8);
    let mut emulated: Vec<_> = (0..8).map(tags::tag).collect();
    let mut passed = BTreeSet::new();
    for round in 0..4 {
        let mut server = serve(data, &folder, &[]);
        let (dying, count, address) = (AtomicBool::new(false), AtomicU64::new(0), server.address.clone());
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                emulated.chunks_mut(2).map(|tags| scope.spawn(|| load(&address, tags, &count, &dying))).collect();
            let started = Instant::now();
            while count.load(Ordering::SeqCst) < 20 + 17 * round {
                assert!(started.elapsed() < Duration::from_secs(60), "no taps pass");
                std::thread::sleep(Duration::from_millis(1));
            }
            dying.store(true, Ordering::SeqCst);
            server.kill();
            for thread in threads {
                passed.extend(thread.join().unwrap().0);
            }
        });
    }
    let lines = parsed(&export(data, &folder, &["--event", "tap"]));
    let recorded: BTreeSet<_> = lines.iter().map(|line| (line["tag"].to_string(), line["ctr"].to_string())).collect();
    assert_eq!(recorded.len(), lines.len(), "a tap is recorded twice");
    for target in &passed {
        let values = target.split_once("x=").unwrap().1;
        let (xuid, values) = values.split_once("&n=").unwrap();
        let ctr = u32::from_str_radix(values.split('&').next().unwrap(), 16).unwrap();
        assert!(recorded.contains(&(format!("\"xuid/{xuid}\""), ctr.to_string())), "{target}");
    }
    assert!(passed.len() >= 80);
}

/// Forged requests remove no line of an accepted tap, make few lines, and delay no tap.
#[test]
fn a_flood_of_forged_requests_removes_nothing() {
    const FORGED: u32 = 50_000;
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let data = data.to_str().unwrap();
    imported(data, 40);
    let mut server = serve(data, &folder, &["--history-entries", "20000"]);
    let mut tapped = Vec::new();
    let mut client = Client::new(&server.address).unwrap();
    let mut emulated: Vec<_> = (0..40).map(tags::tag).collect();
    for tag in &mut emulated {
        let target = tags::target(&tag.tap().unwrap());
        assert!(client.get(&target).unwrap().body.contains("Pass"));
        tapped.push(target);
    }
    let address = server.address.clone();
    let started = Instant::now();
    let (taps, longest) = std::thread::scope(|scope| {
        let flood = |part: u32| {
            let mut client = Client::new(&address).unwrap();
            let mut requests = String::new();
            for number in (part..FORGED).step_by(4) {
                // A made-up tag, a known tag with a forged MAC, and an old URL.
                let target = match number % 10 {
                    0 => format!("/v1/t?x={}&n=0000FF&e=94EED9EE65337086", tags::xuid(number / 10 % 40)),
                    1 => tapped[number as usize / 10 % 40].clone(),
                    _ => format!("/v1/t?x=made{number}&n=000001&e=94EED9EE65337086"),
                };
                write!(requests, "GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
                if number % 40 == part || number + 4 >= FORGED {
                    let count = requests.matches("GET ").count();
                    client.send(requests.as_bytes()).unwrap();
                    for _ in 0..count {
                        assert!(!client.receive().unwrap().body.contains("Pass"));
                    }
                    requests.clear();
                }
            }
        };
        let floods: Vec<_> = (0..4).map(|part| scope.spawn(move || flood(part))).collect();
        let (mut taps, mut longest) = (0, Duration::ZERO);
        while floods.iter().any(|flood| !flood.is_finished()) {
            let index = taps % 40;
            let target = tags::target(&emulated[index].tap().unwrap());
            let start = Instant::now();
            assert!(client.get(&target).unwrap().body.contains("Pass"));
            longest = longest.max(start.elapsed());
            taps += 1;
            std::thread::sleep(Duration::from_millis(20));
        }
        for flood in floods {
            flood.join().unwrap();
        }
        (taps, longest)
    });
    assert!(longest < Duration::from_secs(9), "a tap took {longest:?}");
    let metrics = get(&server.address, "/metrics").body;
    assert!(metrics.contains("suntap_history_dropped_total 0\n"), "{metrics}");
    drop(client);
    assert!(server.terminate().success());
    let text = export(data, &folder, &[]);
    let lines = parsed(&text);
    let accepted = having(&lines, &[("verdict", "fresh")]).len();
    assert_eq!(accepted, taps + 40);
    // For each of 40 tags, at most three lines a minute; and one line a minute for all tags that do not exist.
    let others = lines.len() - accepted;
    let minutes = usize::try_from(started.elapsed().as_secs() / 60 + 2).unwrap();
    assert!(others <= minutes * 121 && !text.contains("made"), "{others} lines for {FORGED} forged requests");
    let refused: u64 = counted(&having(&lines, &[("event", "refused"), ("verdict", "unknown_tag")]));
    assert_eq!(refused, u64::from(FORGED / 10 * 8));
    println!("{FORGED} forged requests made {others} lines; the longest of {taps} taps took {longest:?}");
}

/// The limits hold in a running server, and with 0 days there is no history.
#[test]
fn a_server_removes_old_entries() {
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let data = data.to_str().unwrap();
    imported(data, 1);
    let mut tag = tags::tag(0);
    let mut tap = |server: &Server| {
        assert!(get(&server.address, &tags::target(&tag.tap().unwrap())).body.contains("Pass"));
    };
    let mut server = serve(data, &folder, &[]);
    (0..30).for_each(|_| tap(&server));
    assert!(server.terminate().success());
    let mut server = serve(data, &folder, &["--history-entries", "20"]);
    let start = Instant::now();
    while !get(&server.address, "/metrics").body.contains("suntap_history_removed_total 10\n") {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.terminate().success());
    let lines = parsed(&export(data, &folder, &[]));
    assert_eq!(
        lines.iter().map(|line| line["ctr"].as_u64().unwrap()).collect::<Vec<_>>(),
        (11..=30).collect::<Vec<_>>()
    );

    let mut server = serve(data, &folder, &["--history-keep", "0", "--history-entries", "10"]);
    (0..5).for_each(|_| tap(&server));
    get(&server.address, "/v1/t?x=nobody00");
    assert!(server.terminate().success());
    assert_eq!(parsed(&export(data, &folder, &[])), lines);
}

/// The address of the client comes from a trusted proxy only, in the history and for the limit of invalid keys.
#[test]
fn only_a_trusted_proxy_names_the_client() {
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let data = data.to_str().unwrap();
    imported(data, 1);
    let mut tag = tags::tag(0);
    let mut tap = |server: &Server, headers: &str| {
        let target = tags::target(&tag.tap().unwrap());
        let mut client = Client::new(&server.address).unwrap();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n{headers}\r\n").as_bytes()).unwrap();
        let reply = client.receive().unwrap();
        assert!(reply.body.contains("Pass"));
        // The answers of both APIs have no further header.
        assert!(!reply.head.to_ascii_lowercase().contains("request-id"), "{}", reply.head);
    };
    let spoofed =
        "X-Forwarded-For: 198.51.100.7, 203.0.113.5\r\nX-Request-Id: from-proxy\r\nForwarded: for=192.0.2.9\r\n";
    for (args, client, request) in [
        (&[][..], "127.0.0.1", None),
        (&["--trusted-proxy", "10.0.0.0/8"], "127.0.0.1", None),
        (&["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.1"], "203.0.113.5", Some("from-proxy")),
        (&["--trusted-proxy", "127.0.0.0/8,203.0.113.5"], "198.51.100.7", Some("from-proxy")),
    ] {
        let mut server = serve(data, &folder, args);
        tap(&server, spoofed);
        assert!(server.terminate().success());
        let lines = parsed(&export(data, &folder, &[]));
        let last = lines.last().unwrap();
        assert_eq!(last["client"], client, "{args:?}");
        assert_eq!(last["request"] == "from-proxy", request.is_some(), "{args:?}");
    }

    // Each client has its own limit of invalid keys.
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "info", "--store", data, "--invalid-keys", "1"]);
    command.arg("--secrets-file").arg(folder.secrets()).env("SUNTAP_TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8");
    command.stderr(std::fs::File::create(folder.path("log")).unwrap());
    let mut server = Server::spawn(command);
    let mut client = Client::new(&server.address).unwrap();
    for (address, status) in [("198.51.100.1", 401), ("198.51.100.1", 429), ("198.51.100.2", 401)] {
        let headers = format!("API-Key: wrong\r\nX-Forwarded-For: {address}\r\n");
        assert_eq!(client.post("/v1/tags/verify-authenticity", &headers, b"").unwrap().status, status);
    }
    drop(client);
    tap(&server, spoofed);
    assert!(server.terminate().success());
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    for text in ["client=198.51.100.1", "client=198.51.100.2", "client=203.0.113.5 request=from-proxy"] {
        assert!(log.contains(text), "{text} in {log}");
    }
    assert!(!log.contains("client=127.0.0.1"), "{log}");

    for value in ["localhost", "10.0.0.0/40", "10.0.0.1,"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        let output = command.args(["serve", "--trusted-proxy", value]).stderr(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains("--trusted-proxy"), "{value}: {text}");
    }
}

/// A role that may not use the tables of the history serves without them.
#[test]
fn postgres_serves_without_the_tables_of_the_history() {
    let Some(backend) = backends::postgres() else { return };
    imported(&backend.url, 1);
    let url = backend.url.replace("suntap@", "app@");
    let folder = Folder::new();
    let sql = |text: &str| {
        Runtime::new().unwrap().block_on(async {
            let (client, connection) = tokio_postgres::connect(&backend.url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            client.batch_execute(text).await.unwrap();
        });
    };
    let warnings = || {
        Runtime::new().unwrap().block_on(async {
            let store = open(&url).await;
            (store.recording(), store.warnings().join(" "))
        })
    };
    sql("CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT SELECT, INSERT, UPDATE, DELETE ON suntap_documents, suntap_marks TO app");
    let (recording, text) = warnings();
    assert_eq!(recording, Recording::Off);
    assert!(
        text.contains("the role needs SELECT, INSERT and DELETE on suntap_history, suntap_acts, suntap_replays"),
        "{text}"
    );
    let mut server = serve(&url, &folder, &[]);
    assert!(get(&server.address, &tags::target(&tags::tag(0).tap().unwrap())).body.contains("Pass"));
    assert!(get(&server.address, "/metrics").body.contains("suntap_history_dropped_total 1\n"));
    assert!(server.terminate().success());
    assert_eq!(export(&backend.url, &folder, &["--event", "tap"]), "");
    sql("DROP TABLE suntap_replays");
    let (recording, text) = warnings();
    assert!(recording == Recording::Off && text.contains("cannot be created: permission denied"), "{text}");
    // The owner creates what is missing.
    Runtime::new()
        .unwrap()
        .block_on(async { assert_eq!(open(&backend.url).await.recording(), Recording::WithCounter) });
    sql("GRANT SELECT, INSERT, DELETE ON suntap_history, suntap_acts, suntap_replays, suntap_refusals TO app");
    assert_eq!(warnings(), (Recording::WithCounter, String::new()));
}

/// A line of an administrative act, as the export shows it.
#[test]
fn an_administrative_act_is_a_line() {
    use futures_util::TryStreamExt as _;

    let folder = Folder::new();
    Runtime::new().unwrap().block_on(async {
        let store = open(folder.path("data.redb").to_str().unwrap()).await;
        let (act, subject, by) = ("tag.disable", "xuid/q8w3sbcz", "command line");
        let line = Line::Admin { act, subject, detail: "", by, client: None, request: None };
        let history = vec![line.entry(UnixMillis::new(1_700_000_000_123))];
        store.change(&Change { history, ..Change::default() }).await.unwrap();
        let text: Vec<String> = lines(&store, Filter::default()).try_collect().await.unwrap();
        let expected = r#"{"at":"2023-11-14T22:13:20.123Z","event":"admin","act":"tag.disable","subject":"xuid/q8w3sbcz","by":"command line"}"#;
        assert_eq!(text.concat(), format!("{expected}\n"));
        store.close().await;
    });
}
