//! What was answered stays answered: through `kill -9`, and through a power cut.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redb::StorageBackend;
use suntap::{Advance, AsyncCounterStore as _, CounterId, SdmReadCtr};
use suntap_server::store::{Embedded, Options, Store};

use crate::client::{Client, Server};
use crate::tags::{self, Folder};

const ROUNDS: u64 = 20;
const CLIENTS: u32 = 8;
const TAGS_EACH: u32 = 4;
const GROUPS: Options = Options {
    group_commit: 64,
    cache_size: 1024 * 1024,
    pool: 1,
    patience: Duration::from_secs(5),
    recheck: Duration::from_secs(60),
};

/// Twenty times the server dies under load, and is asked again for every tap that it had called genuine.
#[test]
fn no_answered_tap_passes_again_after_kill_9() {
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let lines: Vec<_> = (0..CLIENTS * TAGS_EACH).map(tags::line).collect();
    runtime.block_on(async {
        let store = Store::create(&data.to_str().unwrap().parse().unwrap(), Options::default()).await.unwrap();
        let text = tags::text(&[tags::levels(), lines].concat());
        suntap_server::import::import(
            &store,
            tags::secrets(),
            &text,
            suntap_server::import::Allowed::default(),
            |_| (),
        )
        .await
        .unwrap();
        store.close().await;
    });
    let mut emulated: Vec<_> = (0..CLIENTS * TAGS_EACH).map(tags::tag).collect();
    let (mut answered, mut cut_off) = (0, 0);
    for round in 0..ROUNDS {
        let mut server = Server::on(data.to_str().unwrap(), &folder.secrets());
        let (dying, address) = (AtomicBool::new(false), server.address.clone());
        let count = AtomicU64::new(0);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = emulated
                .chunks_mut(TAGS_EACH as usize)
                .map(|tags| scope.spawn(|| load(&address, tags, &count, &dying)))
                .collect();
            // Each round at another moment, told by taps and not by a clock, since machines differ.
            let started = Instant::now();
            while count.load(Ordering::SeqCst) < 5 + 7 * round % 61 {
                assert!(started.elapsed() < Duration::from_secs(60), "no taps pass");
                std::thread::sleep(Duration::from_millis(1));
            }
            dying.store(true, Ordering::SeqCst);
            server.kill();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let server = Server::on(data.to_str().unwrap(), &folder.secrets());
        let mut client = Client::new(&server.address).unwrap();
        for (passed, lost) in results {
            for target in &passed {
                let body = client.get(target).unwrap().body;
                assert!(body.contains(r#""response":"Fail"#), "round {round}: {target} passed again: {body}");
            }
            answered += passed.len();
            // Nobody was told of this one. It may be spent or not, and passes once at most.
            if let Some(target) = lost {
                let first = client.get(&target).unwrap().body;
                assert!(client.get(&target).unwrap().body.contains("Fail"), "{first}");
                cut_off += 1;
            }
        }
    }
    println!("{answered} taps were answered and none passed again; {cut_off} had no answer");
    assert!(cut_off > 0);
}

/// Taps until the server is gone: those that passed, and the one without an answer.
pub(crate) fn load(
    address: &str,
    tags: &mut [suntap::emulator::EmulatedTag],
    count: &AtomicU64,
    dying: &AtomicBool,
) -> (Vec<String>, Option<String>) {
    let mut client = Client::new(address).unwrap();
    let mut passed = Vec::new();
    for turn in 0.. {
        let index = turn % tags.len();
        let target = tags::target(&tags[index].tap().unwrap());
        match client.get(&target) {
            Ok(reply) if reply.body.contains(r#""response":"Pass""#) => {
                passed.push(target);
                count.fetch_add(1, Ordering::SeqCst);
            }
            Ok(reply) => panic!("a new tap was refused: {}", reply.body),
            Err(error) => {
                assert!(dying.load(Ordering::SeqCst), "{error}");
                return (passed, Some(target));
            }
        }
    }
    unreachable!()
}

/// A disk that loses, at a power cut, any of the writes that it was not asked to sync, or a part of them.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Sectors>>);

#[derive(Debug, Default)]
struct Sectors {
    /// What the operating system shows.
    seen: Vec<u8>,
    /// What is on the disk for certain.
    synced: Vec<u8>,
    /// What may be.
    pending: Vec<Write>,
    /// Operations until the power is cut.
    left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

impl Write {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Bytes(at, bytes) => {
                if image.len() < at + bytes.len() {
                    image.resize(at + bytes.len(), 0);
                }
                image[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Length(length) => image.resize(*length, 0),
        }
    }
}

impl Sectors {
    fn powered(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("the power is cut")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, write: Write) {
        write.apply(&mut self.seen);
        self.pending.push(write);
    }
}

impl Disk {
    /// What is there when the power is back.
    fn after_the_cut(&self, random: &mut impl FnMut(usize) -> usize) -> Self {
        let sectors = self.0.lock().unwrap();
        let mut image = sectors.synced.clone();
        for write in &sectors.pending {
            match (random(3), write) {
                (0, _) => {}
                // Sectors are written whole, a page of several is not.
                (1, Write::Bytes(at, bytes)) => {
                    let end = random(bytes.len() / 512 + 1) * 512;
                    Write::Bytes(*at, bytes[..end.min(bytes.len())].to_vec()).apply(&mut image);
                }
                _ => write.apply(&mut image),
            }
        }
        Self(Arc::new(Mutex::new(Sectors { seen: image.clone(), synced: image, ..Sectors::default() })))
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let sectors = self.0.lock().unwrap();
        let start = offset as usize;
        let bytes = sectors.seen.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.powered()?;
        sectors.write(Write::Length(length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.powered()?;
        let pending = std::mem::take(&mut sectors.pending);
        for write in pending {
            write.apply(&mut sectors.synced);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut sectors = self.0.lock().unwrap();
        sectors.powered()?;
        sectors.write(Write::Bytes(offset as usize, data.to_vec()));
        Ok(())
    }
}

/// Taps in groups until the power is cut; what had been answered is still known when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn no_answered_tap_passes_again_after_a_power_cut() {
    let mut state = 0x5EED_u64;
    let mut random = |below: usize| {
        // Xorshift: any will do that comes out the same each time.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut disk = Disk::default();
    let store = Store::from(Embedded::open_with(disk.clone(), GROUPS).unwrap());
    store.close().await;
    disk.sync_data().unwrap();
    let mut answered = std::collections::HashMap::new();
    let (mut groups_cut, mut next) = (0, 1);
    for round in 0..150 {
        disk.0.lock().unwrap().left = Some(5 + random(120) as u64);
        if let Ok(store) = Embedded::open_with(disk.clone(), GROUPS) {
            let store = Arc::new(Store::from(store));
            let mut failed = false;
            while !failed {
                let group: Vec<_> = (0..16_u8).map(|tag| (tag, next)).collect();
                next += 1;
                let taps = group.into_iter().map(|(tag, ctr)| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move { (tag, ctr, advance(&store, tag, ctr).await) })
                });
                for tap in taps.collect::<Vec<_>>() {
                    match tap.await.unwrap() {
                        (tag, ctr, Ok(Advance::Advanced { .. })) => {
                            answered.insert(tag, ctr);
                        }
                        (_, _, Ok(other)) => panic!("{other:?}"),
                        (_, _, Err(_)) => failed = true,
                    }
                }
            }
            assert!(!store.works(), "the last write came to nothing");
            groups_cut += 1;
            Arc::into_inner(store).unwrap().close().await;
        }
        disk = disk.after_the_cut(&mut random);
        let store = Store::from(
            Embedded::open_with(disk.clone(), GROUPS)
                .unwrap_or_else(|error| panic!("round {round}: the file does not open any more: {error}")),
        );
        for (tag, ctr) in &answered {
            let advance = advance(&store, *tag, *ctr).await.unwrap();
            assert!(matches!(advance, Advance::Stale { .. }), "round {round}: tag {tag} at {ctr} passes again");
        }
        store.close().await;
        disk.sync_data().unwrap();
    }
    println!("{groups_cut} of 150 cuts met taps on their way; the last counter is {next}");
    assert!(groups_cut > 50 && next > 500);
}

pub(crate) async fn advance(store: &Store, tag: u8, ctr: u32) -> Result<Advance, suntap_server::store::StoreError> {
    (&mut &*store).advance(&CounterId::from_bytes([tag; 16]), SdmReadCtr::new(ctr).unwrap(), None).await
}
