//! A disk without space, and a disk that stalls.

use std::io::{self, ErrorKind};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use suntap::Advance;
use suntap_server::store::{Embedded, Options, Store, StoreError};

use crate::client::{Client, Server, get};
use crate::crash::advance;
use crate::tags::{self, Folder};

/// Storage that can be full or can stall, and outlives the store.
#[derive(Clone, Debug)]
struct Disk(Arc<Contents>);

#[derive(Debug)]
struct Contents {
    bytes: InMemoryBackend,
    is_full: AtomicBool,
    /// Held while the disk does not answer.
    stall: Mutex<()>,
    refused: Mutex<u32>,
}

impl Disk {
    fn new() -> Self {
        let bytes = InMemoryBackend::new();
        Self(Arc::new(Contents {
            bytes,
            is_full: AtomicBool::new(false),
            stall: Mutex::default(),
            refused: Mutex::new(0),
        }))
    }

    fn space(&self) -> io::Result<()> {
        if self.0.is_full.load(Ordering::SeqCst) {
            *self.0.refused.lock().unwrap() += 1;
            return Err(ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.0.bytes.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.bytes.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.space()?;
        self.0.bytes.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        drop(self.0.stall.lock());
        self.0.bytes.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.space()?;
        self.0.bytes.write(offset, data)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_a_failure_until_the_store_is_opened_again() {
    let disk = Disk::new();
    for round in 1..20 {
        let store = Store::from(Embedded::open_with(disk.clone(), Options::default()).unwrap());
        let failed = store.failed();
        assert!(matches!(advance(&store, 1, 2 * round).await, Ok(Advance::Advanced { .. })));
        disk.0.is_full.store(true, Ordering::SeqCst);
        for _ in 0..3 {
            let error = advance(&store, 1, 2 * round + 1).await.unwrap_err();
            assert!(
                matches!(error, StoreError::Failed(_)) && error.to_string().contains("no storage space"),
                "{error}"
            );
        }
        assert!(!store.works());
        assert!(store.read(&["x".into()], None).await.is_err());
        // The cause is the first one, and it is there for each who waits.
        for failed in [failed, store.failed()] {
            let cause = tokio::time::timeout(Duration::from_secs(60), failed).await.unwrap();
            assert!(cause.to_string().contains("no storage space"), "{cause}");
        }
        assert!(*disk.0.refused.lock().unwrap() > 0);
        store.close().await;
        disk.0.is_full.store(false, Ordering::SeqCst);
        let store = Store::from(Embedded::open_with(disk.clone(), Options::default()).unwrap());
        assert!(matches!(advance(&store, 1, 2 * round).await, Ok(Advance::Stale { .. })), "it passes again");
        store.close().await;
    }
}

/// Clients give up while the disk stalls. No tap is answered before it is on disk, and none is accepted twice afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stalls_accepts_nothing() {
    const TAGS: u8 = 32;
    let disk = Disk::new();
    let options = Options { group_commit: 4, ..Options::default() };
    let store = Store::from(Embedded::open_with(disk.clone(), options).unwrap());
    let at_once = async |ctr: u32, patience: u64| {
        let taps =
            (0..TAGS).map(|tag| tokio::time::timeout(Duration::from_millis(patience), advance(&store, tag, ctr)));
        futures_util::future::join_all(taps).await
    };
    let accepted = |taps: &[Result<Result<Advance, _>, _>]| {
        taps.iter().filter(|tap| matches!(tap, Ok(Ok(Advance::Advanced { .. })))).count()
    };
    let count = usize::from(TAGS);
    for round in 0..3 {
        let ctr = 10 * round;
        assert_eq!(accepted(&at_once(ctr + 1, 60_000).await), count);
        let stall = disk.0.stall.lock().unwrap();
        let late = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async { at_once(ctr + 2, 500).await })
        });
        assert!(late.iter().all(Result::is_err), "{late:?}");
        drop(stall);
        // The taps of the group that was being written are stored. The other clients gave up, so theirs are not.
        let again = at_once(ctr + 2, 60_000).await;
        assert!(accepted(&again) < count, "nothing was being written");
        assert_eq!(accepted(&at_once(ctr + 2, 60_000).await), 0);
        assert_eq!(accepted(&at_once(ctr + 1, 60_000).await), 0);
    }
    store.close().await;
}

/// The limit of the process for the size of a file stands for a full disk.
#[cfg(unix)]
#[test]
fn a_server_on_a_full_disk_ends_and_starts_again() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let lines = folder.path("lines.ndjson");
    tags::write(&lines, &[tags::levels(), vec![tags::line(1)]].concat());
    let (program, secrets) = (env!("CARGO_BIN_EXE_suntap-server"), folder.secrets());
    let secrets = secrets.to_str().unwrap();
    let args = ["--store", &store, "--secrets-file", secrets];
    let imported = Command::new(program).arg("import").arg(&lines).args(args).stdout(Stdio::null()).status().unwrap();
    assert!(imported.success());
    let serve = [&["serve"], &args[..]].concat();
    let mut tag = tags::tag(1);
    let mut server = Server::start(&serve);
    let first = tags::target(&tag.tap().unwrap());
    assert!(get(&server.address, &first).body.contains("Pass"));
    assert!(server.terminate().success());

    // 4096 bytes: the header can be written, and no other page.
    let mut command = Command::new("sh");
    command.arg("-c").arg("trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"").arg(program);
    command.stderr(Stdio::piped());
    command.args(&serve).args(["--listen", "127.0.0.1:0", "--log", "warn"]);
    let mut server = Server::spawn(command);
    let second = tags::target(&tag.tap().unwrap());
    let reply = Client::new(&server.address).unwrap().get(&second).unwrap();
    assert_eq!((reply.status, &*reply.body), (503, r#"{"xuid":"tag00001","error":"unavailable"}"#));
    assert_eq!(server.ended().code(), Some(1));

    // With space again, what was answered is still known.
    let server = Server::start(&serve);
    assert!(get(&server.address, &first).body.contains("Fail"));
    let third = tags::target(&tag.tap().unwrap());
    assert!(get(&server.address, &third).body.contains("Pass"));
    assert!(get(&server.address, &second).body.contains("Fail"));
}
