//! `/healthz` and `/readyz`, and a data file that another program changes under a running server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use suntap::emulator::EmulatedTag;
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store};

use crate::backends::{self, Backend};
use crate::client::{Client, Server, get};
use crate::tags::{self, Folder};

/// Fills a store with a tag.
fn fill(store: &str) {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::create(&store.parse().unwrap(), Options::default()).await.unwrap();
        let lines = tags::text(&[tags::levels(), vec![tags::line(1)]].concat());
        import(&store, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap();
        store.close().await;
    });
}

fn filled() -> (Folder, String) {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    fill(&store);
    (folder, store)
}

fn tap(server: &Server, tag: &mut EmulatedTag) -> (u16, String) {
    let reply = get(&server.address, &tags::target(&tag.tap().unwrap()));
    (reply.status, reply.body)
}

#[test]
fn readiness_and_metrics_move() {
    let (folder, store) = filled();
    let secrets = folder.secrets();
    let base = ["serve", "--store", &store, "--secrets-file", secrets.to_str().unwrap()];
    let mut server = Server::start(&base);
    let status = |address: &str, path| get(address, path).status;
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    assert_eq!(get(&server.address, "/readyz").body, "ready\n");
    assert_eq!(status(&server.address, "/metrics"), 200);
    assert!(server.terminate().success());

    let ops = format!("127.0.0.1:{}", backends::port());
    let mut server = Server::start(&[&base[..], &["--ops-listen", &ops]].concat());
    for (address, path, expected) in [
        (&server.address, "/healthz", 200),
        (&server.address, "/readyz", 404),
        (&server.address, "/metrics", 404),
        (&ops, "/healthz", 200),
        (&ops, "/readyz", 200),
        (&ops, "/metrics", 200),
        (&ops, "/v1/t", 404),
        (&ops, "/", 404),
    ] {
        assert_eq!(status(address, path), expected, "{address}{path}");
    }
    assert!(server.terminate().success());
}

/// Readiness follows the database; the process stays alive.
fn follows(mut backend: Backend, cause: &str) {
    let folder = Folder::new();
    fill(&backend.url);
    let server = Server::on(&backend.url, &folder.secrets());
    assert_eq!(get(&server.address, "/readyz").body, "ready\n");
    backend.kill();
    let start = Instant::now();
    let reply = loop {
        let reply = get(&server.address, "/readyz");
        if reply.status != 200 {
            break reply;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "it stays ready");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!((reply.status, &*reply.body), (503, cause));
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    if backend.url.starts_with("redis") {
        backend.restart_redis();
        while get(&server.address, "/readyz").status != 200 {
            assert!(start.elapsed() < Duration::from_secs(60), "it does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn redis_that_is_away_is_not_ready() {
    let Some(backend) = backends::redis(&[]) else { return };
    follows(backend, "Redis does not answer\n");
}

#[test]
fn postgres_that_is_away_is_not_ready() {
    let Some(backend) = backends::postgres() else { return };
    follows(backend, "PostgreSQL does not answer\n");
}

/// However many ask, the store is asked once a second.
#[test]
fn readiness_is_cached() {
    let Some(backend) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    fill(&backend.url);
    let server = Server::on(&backend.url, &folder.secrets());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let reads = || -> u64 {
        let info: String = runtime.block_on(async {
            let client = redis::Client::open(&*backend.url).unwrap();
            let mut connection = redis::aio::ConnectionManager::new(client).await.unwrap();
            redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap()
        });
        let calls = info.lines().filter(|line| line.starts_with("cmdstat_get:") || line.starts_with("cmdstat_mget:"));
        let calls = calls.map(|line| line.split("calls=").nth(1).unwrap().split(',').next().unwrap());
        calls.map(|calls| calls.parse::<u64>().unwrap()).sum()
    };
    let (before, start) = (reads(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = Client::new(&server.address).unwrap();
                for _ in 0..50 {
                    assert_eq!(client.get("/readyz").unwrap().status, 200);
                }
            });
        }
    });
    let (reads, seconds) = (reads() - before, start.elapsed().as_secs());
    assert!((1..=seconds + 2).contains(&reads), "{reads} reads in {seconds} seconds for 400 requests");
}

/// Another program changes the file of a running server. The server ends with an error and never says that all is well; no tap that
/// was answered afterwards is lost, and the new file is not touched.
fn ends_after(change: impl Fn(&Path, &Path), is_intact: bool, cause: &str) {
    let (folder, store) = filled();
    let (data, backup) = (folder.path("data.redb"), folder.path("backup.redb"));
    std::fs::copy(&data, &backup).unwrap();
    let secrets = folder.secrets();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.stderr(Stdio::from(std::fs::File::create(folder.path("stderr")).unwrap()));
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--store", &store, "--secrets-file"])
        .arg(secrets);
    let mut server = Server::spawn(command);
    let mut tag = tags::tag(1);
    assert!(tap(&server, &mut tag).1.contains("Pass"));
    assert_eq!(get(&server.address, "/readyz").body, "ready\n");
    change(&data, &backup);
    // A tap is never answered with 500, and one that passes would be lost.
    if let Ok(mut client) = Client::new(&server.address)
        && let Ok(reply) = client.get(&tags::target(&tag.tap().unwrap()))
    {
        assert_eq!(reply.status, 503, "{reply:?}");
    }
    for path in ["/readyz", "/healthz"] {
        if let Ok(mut client) = Client::new(&server.address)
            && let Ok(reply) = client.get(path)
        {
            assert_eq!(reply.status, 503, "{path}: {reply:?}");
        }
    }
    assert_eq!(server.ended().code(), Some(1));
    let said = std::fs::read_to_string(folder.path("stderr")).unwrap();
    assert!(said.contains(cause), "{said}");
    if is_intact {
        assert!(std::fs::read(&data).unwrap() == std::fs::read(&backup).unwrap(), "the restored file was changed");
        let server = Server::on(&store, &folder.secrets());
        assert!(tap(&server, &mut tag).1.contains("Pass"));
    }
}

fn rename_over(data: &Path, backup: &Path) {
    let copy = data.with_extension("copy");
    std::fs::copy(backup, &copy).unwrap();
    std::fs::rename(copy, data).unwrap();
}

fn truncate(data: &Path, length: u64) {
    std::fs::File::options().write(true).open(data).unwrap().set_len(length).unwrap();
}

#[cfg(unix)]
#[test]
fn a_file_that_another_program_changes_ends_the_server() {
    let copy = |data: &Path, backup: &Path| assert!(std::fs::copy(backup, data).unwrap() > 0);
    ends_after(copy, true, "another program wrote to the file");
    ends_after(rename_over, true, "the file was replaced");
    ends_after(|data, _| std::fs::remove_file(data).unwrap(), false, "the file was removed");
    ends_after(|data, _| truncate(data, 0), false, "another program truncated the file");
    ends_after(|data, _| truncate(data, 4096), false, "another program truncated the file");
    let half = |data: &Path, _: &Path| truncate(data, data.metadata().unwrap().len() / 2);
    ends_after(half, false, "another program truncated the file");
}

/// Nobody asks it anything, and it ends all the same.
#[cfg(unix)]
#[test]
fn an_idle_server_notices_that_its_file_is_gone() {
    let (folder, store) = filled();
    let mut server = Server::on(&store, &folder.secrets());
    rename_over(&folder.path("data.redb"), &folder.secrets());
    assert_eq!(server.ended().code(), Some(1));
}

#[test]
fn a_probe_says_whether_the_server_is_ready() {
    let (_folder, server, _) = crate::http::server("30");
    let probe = |address: &str| {
        let mut probe = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        probe.args(["probe", "--listen", address]).output().unwrap()
    };
    let ready = probe(&server.address);
    assert!(ready.status.success() && ready.stdout == b"ready\n", "{ready:?}");
    drop(server);
    let gone = probe(&format!("127.0.0.1:{}", backends::port()));
    let error = String::from_utf8_lossy(&gone.stderr);
    assert!(gone.status.code() == Some(1) && error.contains("cannot connect"), "{gone:?}");
}
