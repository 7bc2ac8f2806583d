//! Marks that are divided over two instances of PostgreSQL, with one verifier in front of them.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use futures_util::future::join_all;
use suntap::conformance::{self, Contest, Promise};
use suntap::emulator::EmulatedTag;
use suntap::{
    Advance, AsyncCounterStore, CommitError, CounterId, Error, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey,
    SdmReadCtr, TagTexts, Uid, UnixMillis, Verifier, sdm_layout,
};
use suntap_server::store::{Options, Store, StoreError};
use tokio::runtime::Runtime;

use crate::backends;
use crate::postgres::connect;
use crate::stores::keeps_the_laws;

static LAYOUT: SdmLayout = sdm_layout!("https://t.example/tap?u={uid}&n={ctr}&e={mac}");

const TAGS: u8 = 64;

/// Each counter is in one of the stores, which depends only on its id.
struct Sharded([Store; 2]);

impl Sharded {
    async fn open(backends: &[backends::Backend; 2]) -> Self {
        let options = Options { patience: Duration::from_secs(2), ..Options::default() };
        let stores = join_all(backends.iter().map(|backend| {
            let url = backend.url.clone();
            async move { Store::create(&url.parse().unwrap(), options).await.unwrap() }
        }));
        Self(stores.await.try_into().unwrap())
    }

    async fn close(self) {
        for store in self.0 {
            store.close().await;
        }
    }
}

/// The ids of tags are results of a CMAC, so any of their bytes would do. The ids of the conformance tests differ in few bytes.
fn shard(id: &CounterId) -> usize {
    usize::from(id.as_bytes().iter().fold(0, |folded, byte| folded ^ byte) % 2)
}

impl AsyncCounterStore for &Sharded {
    type Error = StoreError;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        (&mut &self.0[shard(id)]).advance(id, ctr, at).await
    }
}

fn uid(number: u8) -> Uid {
    Uid::from_bytes([0x04, 0x55, 0, 0, 0, 0, number])
}

fn file_key(uid: Uid) -> SdmFileReadKey {
    let [.., number] = *uid.as_bytes();
    SdmFileReadKey::from_bytes([number; 16])
}

fn tag(number: u8) -> EmulatedTag {
    let key = file_key(uid(number));
    EmulatedTag::new(&LAYOUT, &TagTexts::default(), SdmMetaReadKey::FACTORY, key, uid(number)).unwrap()
}

fn shard_of_tag(number: u8) -> usize {
    shard(&file_key(uid(number)).prepare(Scheme::Aes).counter_id(Some(uid(number))))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fresh,
    Replay,
    Unavailable,
}

/// Verifies one tap of each tag in parallel.
async fn verdicts(store: &Sharded, urls: &[String]) -> Vec<Verdict> {
    let file_keys = |uid| ready(Ok::<_, Infallible>(Some(file_key(uid))));
    let verifier = Verifier::new_async(&LAYOUT, (), file_keys).unwrap();
    let verdict = async |url: &String| match verifier.admit_async(&**url, &mut &*store, None).await {
        Ok(_) => Verdict::Fresh,
        Err(Error::Commit(CommitError::Replayed { .. })) => Verdict::Replay,
        Err(Error::Commit(CommitError::Store(_))) => Verdict::Unavailable,
        Err(error) => panic!("{error:?}"),
    };
    join_all(urls.iter().map(verdict)).await
}

/// Returns a tap of each tag.
fn tap(tags: &mut [EmulatedTag]) -> Vec<String> {
    tags.iter_mut().map(|tag| tag.tap().unwrap().to_string()).collect()
}

#[test]
fn a_stopped_shard_refuses_its_own_tags_only() {
    let (Some(first), Some(second)) = (backends::postgres(), backends::postgres()) else { return };
    let mut backends = [first, second];
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(Sharded::open(&backends));
    let verdicts = |urls: &[String]| runtime.block_on(verdicts(&store, urls));
    let all = |verdict| vec![verdict; usize::from(TAGS)];
    let by_shard = |of: [Verdict; 2]| (0..TAGS).map(|number| of[shard_of_tag(number)]).collect::<Vec<_>>();
    let mut tags: Vec<_> = (0..TAGS).map(tag).collect();

    let accepted = tap(&mut tags);
    assert_eq!(verdicts(&accepted), all(Verdict::Fresh));
    assert_eq!(verdicts(&accepted), all(Verdict::Replay));
    // Each instance has the marks of its own tags, and no others.
    for (number, backend) in backends.iter().enumerate() {
        let rows = runtime.block_on(async {
            let database = connect(&backend.url).await;
            database.query_one("SELECT count(*) FROM suntap_marks", &[]).await.unwrap().get::<_, i64>(0)
        });
        let expected = (0..TAGS).filter(|tag| shard_of_tag(*tag) == number).count();
        assert_eq!(usize::try_from(rows).unwrap(), expected);
        assert!(expected > 16, "{expected} of {TAGS} tags");
    }

    backends[1].kill();
    let meanwhile = tap(&mut tags);
    assert_eq!(verdicts(&meanwhile), by_shard([Verdict::Fresh, Verdict::Unavailable]));
    assert_eq!(verdicts(&accepted), by_shard([Verdict::Replay, Verdict::Unavailable]));

    backends[1].restart_postgres();
    assert_eq!(verdicts(&accepted), all(Verdict::Replay));
    // Nothing was accepted without the instance, so these taps are new there.
    assert_eq!(verdicts(&meanwhile), by_shard([Verdict::Replay, Verdict::Fresh]));
    assert_eq!(verdicts(&meanwhile), all(Verdict::Replay));
    runtime.block_on(store.close());
}

#[test]
fn two_instances_keep_the_laws() {
    let (Some(first), Some(second)) = (backends::postgres(), backends::postgres()) else { return };
    let backends = [first, second];
    Runtime::new().unwrap().block_on(async {
        let store = Sharded::open(&backends).await;
        conformance::sequential_async(&mut &store, 1).await.unwrap();
        let mut promises = Vec::new();
        for run in [2, 3] {
            promises.push(Promise::make_async(&mut &store, run, 500).await);
        }
        store.close().await;
        let store = Sharded::open(&backends).await;
        for promise in &promises {
            promise.keep_async(&mut &store).await.unwrap();
        }
        for round in 0..20 {
            let run = 10 + 3 * round;
            let contests =
                [Contest::Equal { run }, Contest::Increasing { run: run + 1 }, Contest::Apart { run: run + 2 }];
            for contest in contests {
                let enter = async |number| contest.enter_async(&mut &store, number).await;
                let results = join_all((0..16).map(enter)).await;
                contest.judge_async(&mut &store, results).await.unwrap();
            }
        }
        store.close().await;
    });
}

/// The statements of the guide create the table before the server does.
#[test]
fn marks_in_hash_partitions_keep_the_laws() {
    let Some(backend) = backends::postgres() else { return };
    let guide = include_str!("../../../../src/guide/scaling.md");
    let sql = guide.split_once("```sql\n").unwrap().1.split_once("```").unwrap().0;
    Runtime::new().unwrap().block_on(async {
        let database = connect(&backend.url).await;
        database.batch_execute(sql).await.unwrap();
        keeps_the_laws(&backend.url).await;
        for partition in 0..4 {
            let count = format!("SELECT count(*) FROM suntap_marks_{partition}");
            assert!(database.query_one(&count, &[]).await.unwrap().get::<_, i64>(0) > 0);
        }
    });
}
