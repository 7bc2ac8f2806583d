//! A database that stalls, answers too late, loses an answer or receives a command twice: no tap passes twice.
//!
//! A TCP proxy between the store and the database injects each fault at each message in turn. [`Judge`] sees all answers of all
//! stores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use suntap::conformance::{self, Contest, Promise};
use suntap::{Advance, AsyncCounterStore, CounterId, SdmReadCtr, UnixMillis};
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store, StoreError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::backends::{self, Backend};
use crate::client::{Client, Server, get};
use crate::redis::redis;
use crate::stores::open;
use crate::tags::{self, Folder};

/// A direction of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The message after this many others, and all later ones, are held until there is another fault.
    Hold(Way, u32),
    /// The message after this many others is lost together with its connection.
    Cut(Way, u32),
}

/// A proxy on loopback. A message is what one read returns.
struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    /// The number of messages from the database.
    answers: watch::Sender<u32>,
}

impl Proxy {
    /// Forwards connections to `port`. With `is_doubled`, each request is also sent over a second connection, whose answers are
    /// dropped.
    async fn start(port: u16, is_doubled: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            fault: watch::Sender::new(Fault::None),
            answers: watch::Sender::new(0),
        };
        let (fault, answers) = (proxy.fault.clone(), proxy.answers.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (fault, answers) = (fault.clone(), answers.clone());
                tokio::spawn(async move {
                    let connect = async || TcpStream::connect(("127.0.0.1", port)).await.map(TcpStream::into_split);
                    let (from_client, to_client) = client.into_split();
                    let Ok((from_database, to_database)) = connect().await else { return };
                    let mut targets = vec![to_database];
                    if is_doubled && let Ok((mut from_second, to_second)) = connect().await {
                        targets.push(to_second);
                        tokio::spawn(async move { tokio::io::copy(&mut from_second, &mut tokio::io::sink()).await });
                    }
                    tokio::select! {
                        _ = forward(Way::Request, from_client, targets, &fault, None) => {}
                        _ = forward(Way::Answer, from_database, vec![to_client], &fault, Some(&answers)) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Returns the URL of the database through the proxy.
    fn url(&self, backend: &Backend) -> String {
        backend.url.replace(&format!(":{}", backend.port()), &format!(":{}", self.port))
    }

    fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Returns `true` if the fault has happened, or is happening.
    fn has_struck(&self) -> bool {
        matches!(*self.fault.borrow(), Fault::None | Fault::Hold(_, 0))
    }

    /// Ends a fault. Waits until the database has answered a held request.
    async fn end_fault(&self) {
        let mut answers = self.answers.subscribe();
        let before = *answers.borrow_and_update();
        if self.fault.send_replace(Fault::None) == Fault::Hold(Way::Request, 0) {
            let answered = answers.wait_for(|answers| *answers > before);
            tokio::time::timeout(Duration::from_secs(30), answered).await.unwrap().unwrap();
        }
    }
}

/// Forwards messages until one side ends or the connection is cut.
async fn forward(
    way: Way,
    mut source: OwnedReadHalf,
    mut targets: Vec<OwnedWriteHalf>,
    fault: &watch::Sender<Fault>,
    count: Option<&watch::Sender<u32>>,
) -> std::io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let length = source.read(&mut bytes).await?;
        count.inspect(|count| count.send_modify(|count| *count += 1));
        if length == 0 {
            for target in &mut targets {
                target.shutdown().await?;
            }
            // The database may still answer.
            return if way == Way::Answer { Ok(()) } else { std::future::pending().await };
        }
        let mut is_cut = false;
        fault.send_if_modified(|fault| {
            match fault {
                Fault::Hold(hit, left @ 1..) if *hit == way => *left -= 1,
                Fault::Cut(hit, left @ 1..) if *hit == way => *left -= 1,
                Fault::Cut(hit, 0) if *hit == way => {
                    is_cut = true;
                    *fault = Fault::None;
                }
                _ => return false,
            }
            true
        });
        if is_cut {
            return Ok(());
        }
        let _ = fault.subscribe().wait_for(|fault| *fault != Fault::Hold(way, 0)).await;
        for target in &mut targets {
            target.write_all(&bytes[..length]).await?;
        }
    }
}

/// Sees the answers of all stores of one database, one after another.
#[derive(Default)]
struct Judge(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    /// The greatest counter that an answer has shown.
    greatest: HashMap<CounterId, SdmReadCtr>,
    accepted: u32,
}

impl Judge {
    fn accepted(&self) -> u32 {
        self.0.lock().unwrap().accepted
    }
}

/// A store whose answers are judged.
struct Watched<'s>(&'s Store, &'s Judge);

impl AsyncCounterStore for Watched<'_> {
    type Error = StoreError;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        let advance = (&mut &*self.0).advance(id, ctr, at).await?;
        let mut seen = self.1.0.lock().unwrap();
        let before = seen.greatest.get(id).copied();
        let (shown, is_right) = match advance {
            Advance::Advanced { previous, now } => {
                seen.accepted += 1;
                (now.ctr, now.ctr == ctr && before < Some(ctr) && previous.map(|mark| mark.ctr) >= before)
            }
            Advance::Stale { stored } => (stored.ctr, stored.ctr >= ctr && Some(stored.ctr) >= before),
        };
        assert!(is_right, "an answer showed {before:?}, and a later one is {advance:?} for {ctr:?}");
        seen.greatest.insert(*id, shown);
        Ok(advance)
    }
}

/// Returns the options of a store that gives up soon, and sends nothing else.
fn impatient() -> Options {
    Options { pool: 1, patience: Duration::from_millis(300), recheck: Duration::from_secs(3600), ..Options::default() }
}

/// How many taps without an answer were accepted later, and how many were replays.
#[derive(Debug, Default)]
struct Retries {
    accepted: u32,
    replays: u32,
}

/// Taps with a fault at each message of a call in turn. After each fault, the client sends the same tap again over another connection,
/// and taps once more. Then the fault ends, and what was held arrives late.
async fn strike(proxy: &Proxy, stores: &[Store; 2], judge: &Judge, run: u64, fault: impl Fn(u32) -> Fault) -> Retries {
    let [mut faulty, mut direct] = stores.each_ref().map(|store| Watched(store, judge));
    let mut retries = Retries::default();
    let (mut message, start) = (0, Instant::now());
    for ctr in (1..).step_by(3) {
        assert!(start.elapsed() < Duration::from_secs(300), "the fault strikes again and again");
        proxy.set(fault(message));
        let tap = Promise::make_failing_async(&mut faulty, run, ctr).await;
        let has_struck = proxy.has_struck();
        let before = judge.accepted();
        tap.keep_async(&mut direct).await.unwrap();
        let is_accepted = judge.accepted() > before;
        let next = Promise::make_async(&mut direct, run, ctr + 1).await;
        proxy.end_fault().await;
        for promise in [next, tap, next] {
            promise.keep_async(&mut direct).await.unwrap();
        }
        while Promise::make_async(&mut faulty, run, ctr + 2).await.acknowledged().is_none() {
            assert!(start.elapsed() < Duration::from_secs(300), "the store does not recover");
        }
        match (has_struck, tap.acknowledged()) {
            // The call has no further message.
            (false, Some(_)) => break,
            // The machine is slow.
            (false, None) => {}
            (true, answer) => {
                message += 1;
                retries.accepted += u32::from(answer.is_none() && is_accepted);
                retries.replays += u32::from(answer.is_none() && !is_accepted);
            }
        }
    }
    retries
}

/// A tap whose request was lost or late may be accepted when it is sent again. A tap whose answer was lost or late is a replay.
async fn late_and_lost_messages(backend: &Backend) {
    let proxy = Proxy::start(backend.port(), false).await;
    let (direct, mut patient) = (open(&backend.url).await, &open(&proxy.url(backend)).await);
    let start = Instant::now();
    let faulty = loop {
        match Store::open(&proxy.url(backend).parse().unwrap(), impatient()).await {
            Ok(store) => break store,
            // The machine is slow.
            Err(error) => assert!(start.elapsed() < Duration::from_secs(60), "{error}"),
        }
    };
    let (stores, judge) = ([faulty, direct], Judge::default());
    conformance::sequential_async(&mut patient, 1).await.unwrap();
    for (run, fault) in (10..).step_by(10).zip([Fault::Hold, Fault::Cut]) {
        let requests = strike(&proxy, &stores, &judge, run, |message| fault(Way::Request, message)).await;
        assert!(requests.accepted > 0, "{requests:?}");
        let answers = strike(&proxy, &stores, &judge, run + 1, |message| fault(Way::Answer, message)).await;
        assert!(answers.replays > 0, "{answers:?}");
        println!("requests: {requests:?}, answers: {answers:?}");
        conformance::sequential_async(&mut patient, run + 2).await.unwrap();
    }
}

#[test]
fn no_fault_of_the_network_accepts_twice_in_postgres() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        late_and_lost_messages(&backend).await;
        statements_that_arrive_twice(&backend).await;
    });
}

#[test]
fn no_fault_of_the_network_accepts_twice_in_redis() {
    let Some(backend) = backends::redis(&[]) else { return };
    Runtime::new().unwrap().block_on(async {
        late_and_lost_messages(&backend).await;
        // The second of two equal calls gets the answer of the first, so the laws hold. `Contest::Increasing` is not one of them: if
        // another call moves the counter between the two, the second gets a replay.
        let proxy = Proxy::start(backend.port(), true).await;
        let store = Arc::new(open(&proxy.url(&backend)).await);
        for run in 0..20 {
            conformance::sequential_async(&mut &*store, 100 + run).await.unwrap();
            for contest in [Contest::Equal { run: 200 + run }, Contest::Apart { run: 300 + run }] {
                let enter = |number| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move { contest.enter_async(&mut &*store, number).await })
                };
                let tasks: Vec<_> = (0..8).map(enter).collect();
                let mut results = Vec::new();
                for task in tasks {
                    results.push(task.await.unwrap());
                }
                contest.judge_async(&mut &*store, results).await.unwrap();
            }
        }
    });
}

/// PostgreSQL may answer with the result of the second statement, a replay. It never accepts a tap twice.
async fn statements_that_arrive_twice(backend: &Backend) {
    let proxy = Proxy::start(backend.port(), true).await;
    let direct = open(&backend.url).await;
    let options = Options { pool: 1, ..Options::default() };
    let doubled = Store::open(&proxy.url(backend).parse().unwrap(), options).await.unwrap();
    let (stores, judge) = ([doubled, direct], Judge::default());
    let [mut doubled, mut direct] = stores.each_ref().map(|store| Watched(store, &judge));
    for ctr in 1..=50 {
        let tap = Promise::make_failing_async(&mut doubled, 500, ctr).await;
        tap.keep_async(&mut doubled).await.unwrap();
        tap.keep_async(&mut direct).await.unwrap();
    }
    println!("{} of 50 taps that arrived twice were accepted", judge.accepted());
    assert!(judge.accepted() > 0);
}

/// A store in a cluster that loses the connection before the first answer to each call.
struct Forgetful<'s>(&'s Store, &'s [Proxy]);

impl AsyncCounterStore for Forgetful<'_> {
    type Error = StoreError;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        self.1.iter().for_each(|proxy| proxy.set(Fault::Cut(Way::Answer, 0)));
        let advance = (&mut &*self.0).advance(id, ctr, at).await;
        assert!(self.1.iter().any(Proxy::has_struck), "the connection was not lost");
        advance
    }
}

/// The client of a cluster sends a call again if it loses the connection, and gets the answer of the first call.
#[test]
fn lost_answers_of_a_cluster_keep_the_laws() {
    let Some(backend) = backends::redis_cluster() else { return };
    Runtime::new().unwrap().block_on(async {
        let mut proxies = Vec::new();
        for node in backend.url.split(',') {
            let proxy = Proxy::start(node.rsplit_once(':').unwrap().1.parse().unwrap(), false).await;
            redis(node, &["CONFIG", "SET", "cluster-announce-port", &proxy.port.to_string()]).await;
            proxies.push(proxy);
        }
        let start = Instant::now();
        for node in backend.url.split(',') {
            let knows_all = |slots: String| proxies.iter().all(|proxy| slots.contains(&proxy.port.to_string()));
            while !knows_all(format!("{:?}", redis(node, &["CLUSTER", "SLOTS"]).await)) {
                assert!(start.elapsed() < Duration::from_secs(60), "the nodes do not announce the proxies");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let urls: Vec<_> = proxies.iter().map(|proxy| format!("redis://127.0.0.1:{}", proxy.port)).collect();
        let options = Options { recheck: Duration::from_secs(3600), ..Options::default() };
        let store = Store::open(&urls.join(",").parse().unwrap(), options).await.unwrap();
        conformance::sequential_async(&mut Forgetful(&store, &proxies), 1).await.unwrap();
    });
}

/// Sends a request on several connections at once, twice on each, before any answer is read.
fn send_often(addresses: &[&str], target: &str) -> Vec<String> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").repeat(2);
    let mut clients: Vec<_> = addresses.iter().map(|address| Client::new(address).unwrap()).collect();
    for client in &mut clients {
        client.send(request.as_bytes()).unwrap();
    }
    clients.iter_mut().flat_map(|client| [(); 2].map(|()| client.receive().unwrap().body)).collect()
}

fn import_tags(url: &str, numbers: std::ops::Range<u32>) {
    let lines = tags::text(&[tags::levels(), numbers.map(tags::line).collect()].concat());
    Runtime::new().unwrap().block_on(async {
        let store = open(url).await;
        import(&store, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
}

/// One server receives the same request twice on each of two connections.
pub(crate) fn the_same_request_is_fresh_once(url: &str) {
    let folder = Folder::new();
    import_tags(url, 2..3);
    let server = Server::on(url, &folder.secrets());
    let mut tag = tags::tag(2);
    for _ in 0..50 {
        let bodies = send_often(&[&*server.address; 2], &tags::target(&tag.tap().unwrap()));
        let count = |response: &str| bodies.iter().filter(|body| body.contains(response)).count();
        assert_eq!((count(r#""response":"Pass""#), count(r#""response":"Fail "#)), (1, 3), "{bodies:?}");
    }
}

/// While all processes of the database are stopped, each tap gets the documented error in half of `--timeout`. When they go on, each tap
/// is accepted at most once.
#[cfg(target_os = "linux")]
fn a_stopped_database_accepts_nothing(backend: Option<Backend>) {
    const TAGS: u32 = 8;
    let Some(backend) = backend else { return };
    let folder = Folder::new();
    import_tags(&backend.url, 0..TAGS);
    let secrets = folder.secrets();
    let args = ["serve", "--store", &backend.url, "--secrets-file", secrets.to_str().unwrap(), "--timeout", "4"];
    let server = Server::start(&args);
    let address = &*server.address;
    let mut emulated: Vec<_> = (0..TAGS).map(tags::tag).collect();
    let mut targets = || -> Vec<_> { emulated.iter_mut().map(|tag| tags::target(&tag.tap().unwrap())).collect() };
    let (first, during, later) = (targets(), targets(), targets());
    let passes =
        |targets: &[String]| targets.iter().filter(|target| get(address, target).body.contains("Pass")).count();
    assert_eq!(passes(&first), first.len());
    backend.while_stopped(|| {
        std::thread::scope(|scope| {
            for (number, target) in during.iter().enumerate() {
                scope.spawn(move || {
                    let start = Instant::now();
                    let reply = get(address, target);
                    let (time, xuid) = (start.elapsed(), tags::xuid(number as u32));
                    assert_eq!(reply.body, format!(r#"{{"xuid":"{xuid}","error":"unavailable"}}"#));
                    assert_eq!(reply.status, 503);
                    assert!(time >= Duration::from_millis(1900), "{time:?}");
                });
            }
        });
        assert_eq!(get(address, "/healthz").status, 200);
        assert_eq!(get(address, "/readyz").status, 503);
    });
    let start = Instant::now();
    while get(address, "/readyz").status != 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "the server does not recover");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(passes(&first), 0);
    let accepted = passes(&during);
    println!("{accepted} of {TAGS} taps without an answer were accepted later");
    assert_eq!((passes(&during), passes(&later)), (0, later.len()));
    assert_eq!([&first, &during, &later].map(|targets| passes(targets)), [0; 3]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_stopped_postgres_accepts_nothing() {
    a_stopped_database_accepts_nothing(backends::postgres());
}

#[cfg(target_os = "linux")]
#[test]
fn a_stopped_redis_accepts_nothing() {
    a_stopped_database_accepts_nothing(backends::redis(&[]));
}
