//! Webhooks: each event arrives, signed, whatever the receiver does, and no tap waits for it.

pub(crate) mod receiver;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use suntap::emulator::EmulatedTag;
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store};
use tokio::runtime::Runtime;

use self::receiver::{ACCEPT, Mode, Receiver, SECRET};
use crate::backends;
use crate::client::{Client, Server, get};
use crate::states::sealed;
use crate::tags::{self, Folder};

/// Creates a store with three tags; the third one has a seal.
fn imported(url: &str) {
    let lines = [tags::levels(), vec![tags::line(0), tags::line(1), sealed(2).1]].concat();
    Runtime::new().unwrap().block_on(async {
        let store = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap();
        import(&store, tags::secrets(), &tags::text(&lines), Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
}

/// Creates such a store in a data file, and returns its folder and its path.
fn stored() -> (Folder, String) {
    let folder = Folder::new();
    let data = folder.path("data.redb").to_str().unwrap().to_owned();
    imported(&data);
    (folder, data)
}

/// Writes a configuration with one endpoint, and returns its path.
fn configured(folder: &Folder, port: u16, more: &str) -> String {
    let secret = folder.path("webhook-secret");
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    let (url, secret) = (format!("http://127.0.0.1:{port}/hooks/t0ken"), secret.to_str().unwrap());
    let text = format!("[webhooks.shop]\nurl = {url:?}\nsecret-file = {secret:?}\n{more}");
    let path = folder.path("suntap.toml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

fn serve(url: &str, folder: &Folder, config: &str, args: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "error", "--store", url, "--config", config]);
    command.arg("--secrets-file").arg(folder.secrets()).args(args);
    Server::spawn(command)
}

fn taps(server: &Server, tag: &mut EmulatedTag, count: u32) {
    let mut client = Client::new(&server.address).unwrap();
    for _ in 0..count {
        assert!(client.get(&tags::target(&tag.tap().unwrap())).unwrap().body.contains("Pass"));
    }
}

fn metric(server: &Server, name: &str) -> u64 {
    let text = get(&server.address, "/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}{{webhook=\"shop\"}} ")));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Each line of the history about a tap is one event.
fn each_line_is_an_event(url: &str) {
    let folder = Folder::new();
    imported(url);
    let receiver = Receiver::start(ACCEPT);
    let config = configured(&folder, receiver.port, "");
    let mut server = serve(url, &folder, &config, &[]);
    taps(&server, &mut tags::tag(0), 30);
    let mut tag = tags::tag(1);
    let urls: Vec<_> = (0..2).map(|_| tags::target(&tag.tap().unwrap())).collect();
    let mut client = Client::new(&server.address).unwrap();
    assert!(client.get(&urls[0]).unwrap().body.contains("Pass"));
    for _ in 0..20 {
        assert!(client.get(&urls[0]).unwrap().body.contains("Fail"));
    }
    let forged = urls[1].replace("e=", "e=0");
    for _ in 0..50 {
        assert!(client.get(&forged[..forged.len() - 1]).unwrap().body.contains("Fail"));
        assert_eq!(client.get("/v1/t?x=nobody00&n=000001&e=94EED9EE65337086").unwrap().status, 404);
    }
    let (mut seal, _) = sealed(2);
    for state in 0..3 {
        match state {
            1 => seal.open_seal(),
            2 => seal.close_seal(),
            _ => {}
        }
        let page = seal.tap().unwrap();
        assert!(client.get(page.strip_prefix("https://t.example").unwrap()).unwrap().body.contains("Genuine"));
    }
    drop(client);
    receiver.wait("accepted taps", |receiver| receiver.events_of_type("tap.accepted").len() == 34);
    receiver.wait("opened seals", |receiver| receiver.events_of_type("seal.opened").len() == 2);
    receiver.wait("a replay", |receiver| !receiver.events_of_type("tap.replayed").is_empty());
    // The counts of the last minute are written when the server ends, and delivered when it starts again.
    assert!(server.terminate().success());
    // If a minute ended before that, the first server has delivered its counts.
    let early = receiver.events_of_type("tap.refused").len();
    let server = serve(url, &folder, &config, &[]);
    receiver.wait("counts of refusals", |receiver| {
        let sum = |verdict: &str| {
            let events = receiver.events_of_type("tap.refused");
            let events = events.iter().filter(|event| event["data"]["verdict"] == verdict);
            events.map(|event| event["data"]["count"].as_u64().unwrap()).sum::<u64>()
        };
        (sum("not_authentic"), sum("unknown_tag")) == (50, 50)
            && sum("replayed") + u64::try_from(receiver.events_of_type("tap.replayed").len()).unwrap() == 20
    });

    // A minute may have ended during the test.
    let refused = receiver.events_of_type("tap.refused");
    assert!((3..=6).contains(&refused.len()), "{refused:?}");
    let minutes: BTreeSet<String> = refused
        .iter()
        .map(|event| format!("{} {} {}", event["timestamp"], event["data"]["verdict"], event["data"]["tag"]))
        .collect();
    assert_eq!(minutes.len(), refused.len());
    for event in &refused {
        assert!(event["timestamp"].as_str().unwrap().ends_with(":00.000Z"), "{event}");
    }
    let seals = receiver.events_of_type("seal.opened");
    let states: BTreeSet<_> = seals
        .iter()
        .map(|event| (event["data"]["seal"].as_str().unwrap(), event["data"]["ctr"].as_u64().unwrap()))
        .collect();
    assert_eq!(states, BTreeSet::from([("open", 2), ("opened_before", 3)]));
    for event in receiver.events().values() {
        let fields: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, ["data", "timestamp", "type"]);
        let data = event["data"].as_object().unwrap();
        assert!(!data.contains_key("client") && !data.contains_key("event") && !data.contains_key("at"), "{event}");
    }
    let accepted = &receiver.events_of_type("tap.accepted")[0]["data"];
    for field in ["verdict", "tag", "counterId", "ctr", "api", "request"] {
        assert!(!accepted[field].is_null(), "{accepted}");
    }
    // Both servers ended in good order, so nothing was sent twice.
    assert_eq!(receiver.posts().len(), receiver.events().len());
    assert_eq!(metric(&server, "suntap_webhook_failed_total"), 0);
    // The server counts an event a moment after the receiver has it.
    let delivered = u64::try_from(refused.len() - early).unwrap();
    receiver.wait("the metric", |_| metric(&server, "suntap_webhook_delivered_total") == delivered);
    drop(server);
    let history = history_events(url, &folder);
    let mut sent: Vec<String> = receiver.events().values().map(|event| event["data"].to_string()).collect();
    sent.sort_unstable();
    assert_eq!(sent, history);
}

/// The lines of the history as the data of events.
fn history_events(url: &str, folder: &Folder) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["history", "--store", url, "--secrets-file"]).arg(folder.secrets());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            let fields = line.as_object_mut().unwrap();
            let kind = fields.remove("event").unwrap();
            fields.retain(|name, _| !["at", "client"].contains(&&**name));
            (kind != "admin").then(|| line.to_string())
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn each_line_is_an_event_in_a_file() {
    let folder = Folder::new();
    each_line_is_an_event(folder.path("data.redb").to_str().unwrap());
}

#[test]
fn each_line_is_an_event_in_postgres() {
    let Some(backend) = backends::postgres() else { return };
    each_line_is_an_event(&backend.url);
}

#[test]
fn each_line_is_an_event_in_redis() {
    let Some(backend) = backends::redis(&[]) else { return };
    each_line_is_an_event(&backend.url);
}

#[test]
fn each_line_is_an_event_in_a_cluster() {
    let Some(backend) = backends::redis_cluster() else { return };
    each_line_is_an_event(&backend.url);
}

/// Events are repeated with the same id until the receiver accepts them, and the metrics say so.
#[test]
fn failed_posts_are_repeated_with_the_same_id() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Status(500, ""));
    let config = configured(&folder, receiver.port, "events = [\"tap.accepted\"]\nclient-address = true\n");
    let server = serve(data, &folder, &config, &[]);
    let mut tag = tags::tag(0);
    taps(&server, &mut tag, 3);
    receiver.wait("attempts", |receiver| receiver.posts().len() >= 3);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(metric(&server, "suntap_webhook_waiting_seconds") >= 1);
    // The pause ends earlier than the delay, so it is not added to it.
    receiver.set(Mode::Status(429, "Retry-After: 2\r\n"));
    receiver.wait("an answer with a pause", |receiver| receiver.posts().len() >= 4);
    receiver.set(Mode::Status(302, "Location: http://127.0.0.1:1/\r\n"));
    receiver.wait("a redirect", |receiver| receiver.posts().len() >= 7);
    assert!(receiver.events().is_empty());
    receiver.set(ACCEPT);
    receiver.wait("accepted taps", |receiver| receiver.counters() == [1, 2, 3]);
    let ids: BTreeSet<_> = receiver.posts().into_iter().map(|post| post.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(receiver.events().values().all(|event| event["data"]["client"] == "127.0.0.1"));
    let start = Instant::now();
    while metric(&server, "suntap_webhook_waiting_seconds") > 0 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(metric(&server, "suntap_webhook_delivered_total"), 3);
    assert!(metric(&server, "suntap_webhook_failed_total") >= 7);
    // A late answer is an answer: nothing is sent again.
    receiver.set(Mode::Late(Duration::from_secs(2)));
    taps(&server, &mut tag, 20);
    receiver.wait("late answers", |receiver| receiver.counters().len() == 23);
    assert_eq!(receiver.posts().iter().filter(|post| post.is_accepted).count(), 23);
}

/// A pause that the receiver asks for also holds for the events that wait for a free place.
#[test]
fn no_post_starts_during_a_pause() {
    let (folder, data) = stored();
    let data = &*data;
    // The first answers take so long that all events are waiting by then.
    let receiver = Receiver::start(Mode::Late(Duration::from_secs(3)));
    let config = configured(&folder, receiver.port, "events = [\"tap.accepted\"]\n");
    let mut server = serve(data, &folder, &config, &[]);
    taps(&server, &mut tags::tag(0), 40);
    receiver.wait("the first posts", |receiver| receiver.posts().len() >= 8);
    receiver.set(Mode::Status(429, "Retry-After: 3600\r\n"));
    let refused = || receiver.posts().iter().filter(|post| !post.is_accepted).count();
    receiver.wait("an answer with a pause", |_| refused() > 0);
    std::thread::sleep(Duration::from_secs(2));
    assert!(refused() <= 8, "only posts that had started: {}", refused());
    let start = Instant::now();
    assert!(server.terminate().success() && start.elapsed() < Duration::from_secs(10));
    assert!(refused() <= 8 && receiver.posts().len() < 40);
}

/// A receiver whose answers are lost gets each event again, with the same id and the same text, so it can tell duplicates.
#[test]
fn an_event_whose_answer_is_lost_comes_again_with_the_same_id() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Lose);
    let config = configured(&folder, receiver.port, "events = [\"tap.accepted\"]\n");
    let server = serve(data, &folder, &config, &[]);
    taps(&server, &mut tags::tag(0), 3);
    receiver.wait("the events", |receiver| receiver.counters() == [1, 2, 3]);
    assert_eq!(metric(&server, "suntap_webhook_delivered_total"), 0);
    receiver.set(ACCEPT);
    receiver.wait("the metric", |_| metric(&server, "suntap_webhook_delivered_total") == 3);
    let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for post in receiver.posts() {
        events.entry(post.id).or_default().push(post.body);
    }
    let is_repeated = |bodies: &Vec<Value>| bodies.len() >= 2 && bodies.iter().all(|body| *body == bodies[0]);
    assert!(events.len() == 3 && events.values().all(is_repeated), "{events:?}");
}

/// While the receiver hangs, taps are answered, and the server can end.
#[test]
fn no_tap_waits_for_a_receiver_that_hangs() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Hang);
    let config = configured(&folder, receiver.port, "");
    let mut server = serve(data, &folder, &config, &[]);
    let mut tag = tags::tag(0);
    taps(&server, &mut tag, 20);
    receiver.wait("posts that hang", |receiver| receiver.posts().len() == 8);
    let start = Instant::now();
    taps(&server, &mut tag, 100);
    // Ten posts would already take longer than this.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let start = Instant::now();
    assert!(server.terminate().success());
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    receiver.set(ACCEPT);
    let _server = serve(data, &folder, &config, &[]);
    receiver.wait("all taps", |receiver| receiver.counters() == (1..=120).collect::<Vec<_>>());
}

/// The heads of such answers come faster than they are read, so the thread that reads them never waits.
#[test]
fn no_tap_waits_for_a_receiver_that_never_ends_its_heads() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Informational);
    let config = configured(&folder, receiver.port, "");
    let server = serve(data, &folder, &config, &[]);
    let mut tag = tags::tag(0);
    taps(&server, &mut tag, 10);
    receiver.wait("posts", |receiver| receiver.posts().len() >= 2);
    let start = Instant::now();
    taps(&server, &mut tag, 30);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let start = Instant::now();
    while metric(&server, "suntap_webhook_failed_total") == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the posts do not end");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Many refused events of one tag do not hold back those of another one.
#[test]
fn refused_events_do_not_hold_back_others() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Refuse("xuid/tag00000"));
    let config = configured(&folder, receiver.port, "events = [\"tap.accepted\"]\n");
    let server = serve(data, &folder, &config, &[]);
    taps(&server, &mut tags::tag(0), 30);
    taps(&server, &mut tags::tag(1), 30);
    receiver.wait("the events of the other tag", |receiver| receiver.counters() == (1..=30).collect::<Vec<_>>());
    receiver.set(ACCEPT);
    receiver.wait("all events", |receiver| receiver.counters().len() == 60);
}

/// The receiver dies and comes back, and the server is killed: no accepted tap is missing, and an event always has the same id.
fn a_kill_loses_no_event(url: &str) {
    let folder = Folder::new();
    imported(url);
    let port = backends::port();
    let config = configured(&folder, port, "events = [\"tap.accepted\"]\n");
    let mut tag = tags::tag(0);
    let mut server = serve(url, &folder, &config, &[]);
    taps(&server, &mut tag, 20);
    server.kill();
    let receiver = Receiver::on(port, Mode::Late(Duration::from_millis(50)));
    let mut server = serve(url, &folder, &config, &[]);
    receiver.wait("the first events", |receiver| receiver.counters().len() >= 10);
    taps(&server, &mut tag, 100);
    server.kill();
    let mut posts = receiver.posts();
    drop(receiver);
    let mut server = serve(url, &folder, &config, &[]);
    taps(&server, &mut tag, 10);
    let receiver = loop {
        // Connections of the first receiver end a moment later.
        if let Ok(receiver) = std::panic::catch_unwind(|| Receiver::on(port, ACCEPT)) {
            break receiver;
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    let counters = |posts: &[receiver::Post]| -> BTreeSet<u64> {
        posts.iter().filter(|post| post.is_accepted).map(|post| post.body["data"]["ctr"].as_u64().unwrap()).collect()
    };
    receiver.wait("all taps", |receiver| {
        counters(&[&*posts, &*receiver.posts()].concat()) == (1..=130).collect::<BTreeSet<_>>()
    });
    posts.extend(receiver.posts());
    let mut ids: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for post in posts {
        ids.entry(post.body["data"]["ctr"].as_u64().unwrap()).or_default().insert(post.id);
    }
    assert!(ids.len() == 130 && ids.values().all(|ids| ids.len() == 1), "{ids:?}");
    assert!(server.terminate().success());
}

#[test]
fn a_kill_loses_no_event_in_a_file() {
    let folder = Folder::new();
    a_kill_loses_no_event(folder.path("data.redb").to_str().unwrap());
}

#[test]
fn a_kill_loses_no_event_in_postgres() {
    let Some(backend) = backends::postgres() else { return };
    a_kill_loses_no_event(&backend.url);
}

/// An endpoint that answers 410 gets no further posts from this process.
#[test]
fn gone_ends_the_posts_until_a_restart() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(Mode::Status(410, ""));
    let config = configured(&folder, receiver.port, "");
    let mut server = serve(data, &folder, &config, &[]);
    let mut tag = tags::tag(0);
    taps(&server, &mut tag, 1);
    receiver.wait("a post", |receiver| receiver.posts().len() == 1);
    receiver.set(ACCEPT);
    taps(&server, &mut tag, 2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(receiver.posts().len(), 1);
    let start = Instant::now();
    while metric(&server, "suntap_webhook_waiting_seconds") == 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "the alert needs the age of the oldest event");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(server.terminate().success());
    let _server = serve(data, &folder, &config, &[]);
    receiver.wait("all taps", |receiver| receiver.counters() == [1, 2, 3]);
}

/// What the history removes before it is delivered is counted.
#[test]
fn removed_entries_are_counted_as_lost() {
    let (folder, data) = stored();
    let data = &*data;
    let config = configured(&folder, backends::port(), "events = [\"tap.accepted\"]\n");
    let mut server = serve(data, &folder, &config, &[]);
    taps(&server, &mut tags::tag(0), 30);
    assert!(server.terminate().success());
    // Old entries are removed at the start.
    let server = serve(data, &folder, &config, &["--history-entries", "10"]);
    let start = Instant::now();
    while metric(&server, "suntap_webhook_lost_total") == 0 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(metric(&server, "suntap_webhook_lost_total"), 20);
}

/// Of two servers on one database, one delivers. If it is killed, the other one goes on.
fn one_of_two_servers_delivers(url: &str) {
    let folder = Folder::new();
    imported(url);
    let receiver = Receiver::start(ACCEPT);
    let config = configured(&folder, receiver.port, "");
    let mut servers = [serve(url, &folder, &config, &[]), serve(url, &folder, &config, &[])];
    let mut tag = tags::tag(0);
    for server in &servers {
        taps(server, &mut tag, 20);
    }
    receiver.wait("all taps", |receiver| receiver.counters().len() == 40);
    assert_eq!(receiver.posts().len(), 40);
    let delivered = |server: &Server| metric(server, "suntap_webhook_delivered_total");
    // The receiver has an event before the server knows it.
    receiver.wait("the metric", |_| servers.iter().map(delivered).sum::<u64>() >= 40);
    let mut counts = [delivered(&servers[0]), delivered(&servers[1])];
    let holder = usize::from(counts[0] == 0);
    counts.sort_unstable();
    assert_eq!(counts, [0, 40]);
    taps(&servers[holder], &mut tag, 5);
    servers[holder].kill();
    let other = &servers[1 - holder];
    taps(other, &mut tag, 5);
    receiver.wait("the events after a kill", |receiver| receiver.counters().len() == 50);
    receiver.wait("the metric of the other server", |_| delivered(other) >= 5);
}

#[test]
fn one_of_two_servers_delivers_in_postgres() {
    let Some(backend) = backends::postgres() else { return };
    one_of_two_servers_delivers(&backend.url);
}

#[test]
fn one_of_two_servers_delivers_in_redis() {
    let Some(backend) = backends::redis(&[]) else { return };
    one_of_two_servers_delivers(&backend.url);
}

/// A transaction that began before a delivered tap, and commits after it, is not skipped.
#[test]
fn a_late_commit_is_not_skipped() {
    let Some(backend) = backends::postgres() else { return };
    let folder = Folder::new();
    imported(&backend.url);
    let receiver = Receiver::start(ACCEPT);
    let config = configured(&folder, receiver.port, "");
    let mut server = serve(&backend.url, &folder, &config, &[]);
    let mut tag = tags::tag(0);
    taps(&server, &mut tag, 2);
    receiver.wait("the first taps", |receiver| receiver.counters().len() == 2);
    Runtime::new().unwrap().block_on(async {
        let (client, connection) = tokio_postgres::connect(&backend.url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let late = "BEGIN; INSERT INTO suntap_history (at, entry) SELECT extract(epoch FROM clock_timestamp()) * 1000,
            '{\"event\":\"tap\",\"verdict\":\"fresh\",\"tag\":\"xuid/late\",\"ctr\":1000}'";
        client.batch_execute(late).await.unwrap();
        taps(&server, &mut tag, 5);
        receiver.wait("later taps", |receiver| receiver.counters().len() == 7);
        // The cursor is written, and the other entries are delivered.
        std::thread::sleep(Duration::from_secs(3));
        client.batch_execute("COMMIT").await.unwrap();
    });
    receiver.wait("the late tap", |receiver| receiver.counters().contains(&1000));
    // The same over a restart: delivered entries are not sent again.
    std::thread::sleep(Duration::from_secs(2));
    assert!(server.terminate().success());
    let server = serve(&backend.url, &folder, &config, &[]);
    taps(&server, &mut tag, 1);
    receiver.wait("a tap after a restart", |receiver| receiver.counters().len() == 9);
    assert_eq!(receiver.posts().len(), 9);
}

/// Measures the time of a tap with an endpoint in several states, and how many events are delivered in a second. Run it with
/// `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let (folder, data) = stored();
    let data = &*data;
    let receiver = Receiver::start(ACCEPT);
    let config = configured(&folder, receiver.port, "");
    std::fs::write(folder.path("none.toml"), "").unwrap();
    let none = folder.path("none.toml");
    let mut tag = tags::tag(0);
    for round in 0..3 {
        for (name, config, mode) in [
            ("no endpoint", none.to_str().unwrap(), ACCEPT),
            ("it accepts", &config, ACCEPT),
            ("it hangs", &config, Mode::Hang),
        ] {
            receiver.set(mode);
            let mut server = serve(data, &folder, config, &[]);
            taps(&server, &mut tag, 100);
            let start = Instant::now();
            taps(&server, &mut tag, 500);
            println!("round {round}, {name}: {:.2} ms a tap", start.elapsed().as_secs_f64() * 2.0);
            assert!(server.terminate().success());
        }
    }
    for mode in [ACCEPT, Mode::Late(Duration::from_millis(50))] {
        receiver.set(Mode::Status(410, ""));
        let mut server = serve(data, &folder, &config, &[]);
        taps(&server, &mut tag, 2000);
        assert!(server.terminate().success());
        receiver.set(mode);
        let before = receiver.posts().len();
        let start = Instant::now();
        let _server = serve(data, &folder, &config, &[]);
        receiver.wait("all taps", |receiver| receiver.posts().len() - before >= 2000);
        println!("{mode:?}: {:.0} events/s", 2000.0 / start.elapsed().as_secs_f64());
    }
}
