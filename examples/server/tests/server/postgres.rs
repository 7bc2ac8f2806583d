//! PostgreSQL with locked rows, other defaults, few privileges, and without a server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use suntap::{Advance, AsyncCounterStore as _, CounterId, Mark, SdmReadCtr};
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Change, Options, Postgres, Store, StoreError};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

use crate::backends;
use crate::client::{Client, Server, get, refusal};
use crate::stores::{keeps_the_laws, open};
use crate::tags::{self, Folder};

/// Longest time of a tap whose row is not locked. Far below the five seconds that a tap waits for a store.
const FAST: Duration = Duration::from_secs(2);
/// More than a pool has connections.
const TAPS: u32 = 48;

/// Connects as an administrator would.
pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn import_tags(url: &str, numbers: std::ops::RangeInclusive<u32>) {
    let lines = [tags::levels(), numbers.map(tags::line).collect()].concat();
    import(&open(url).await, tags::secrets(), &tags::text(&lines), Allowed::default(), |_| ()).await.unwrap();
}

/// Sends each request on a connection of its own, and returns the status and the body of each answer.
fn all_at_once(address: &str, targets: &[String]) -> Vec<(u16, String)> {
    let ask = |target: &str| {
        let mut client = Client::new(address).unwrap();
        client.patience(Duration::from_secs(60));
        client.get(target).map(|reply| (reply.status, reply.body)).unwrap()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = targets.iter().map(|target| scope.spawn(move || ask(target))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Taps a new tag until the work is done. Each of its taps must pass, and fast.
fn while_another_tag_is_fast<T>(address: &str, number: u32, work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    let tap = || {
        let (mut client, mut tag) = (Client::new(address).unwrap(), tags::tag(number));
        let mut longest = Duration::ZERO;
        while !done.load(Ordering::SeqCst) {
            let target = tags::target(&tag.tap().unwrap());
            let start = Instant::now();
            let reply = client.get(&target).unwrap();
            longest = longest.max(start.elapsed());
            assert!(reply.body.contains("Pass"), "tag {number}: {} {}", reply.status, reply.body);
            assert!(longest < FAST, "tag {number}: a tap took {longest:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
        println!("the longest tap took {longest:?}");
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(tap);
        let result = work();
        done.store(true, Ordering::SeqCst);
        thread.join().unwrap();
        result
    })
}

/// Statements that were prepared when the table was empty must not read all of it later.
#[test]
fn taps_never_read_the_whole_table() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let store = open(&backend.url).await;
        let client = connect(&backend.url).await;
        // Now PostgreSQL knows that the table is empty.
        client.batch_execute("VACUUM ANALYZE suntap_marks").await.unwrap();
        let scans = async || {
            // A connection reports its statistics at the latest when it is closed.
            let others =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
            while client.query_one(others, &[]).await.unwrap().get::<_, i64>(0) > 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            let statistics = "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'suntap_marks'";
            let row = client.query_one(statistics, &[]).await.unwrap();
            (row.get::<_, i64>(0), row.get::<_, i64>(1))
        };
        drop(store);
        let before = scans().await;
        let store = open(&backend.url).await;
        for ctr in 1..=3 {
            let taps = (0..100).map(|number| {
                let (mut store, id) = (&store, CounterId::from_bytes([number; 16]));
                async move { store.advance(&id, SdmReadCtr::new(ctr).unwrap(), None).await.unwrap() }
            });
            let taps = futures_util::future::join_all(taps).await;
            assert!(taps.iter().all(|advance| matches!(advance, Advance::Advanced { .. })));
        }
        store.read(&["xuid/none".into()], Some(&CounterId::from_bytes([1; 16]))).await.unwrap();
        drop(store);
        let after = scans().await;
        assert_eq!(after.0, before.0, "{before:?} {after:?}");
        assert!(after.1 > before.1 + 3, "{before:?} {after:?}");
    });
}

/// Many taps of one locked tag, and one tap of each of many locked tags.
#[test]
fn a_locked_row_stops_its_own_tag_only() {
    let Some(backend) = backends::postgres() else { return };
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    runtime.block_on(import_tags(&backend.url, 0..=TAPS + 2));
    let server = Server::on(&backend.url, &folder.secrets());
    let address = &*server.address;
    let database = runtime.block_on(connect(&backend.url));
    let sql = |text: &str| runtime.block_on(database.batch_execute(text)).unwrap();

    let mut tag = tags::tag(0);
    let mut of_one: Vec<_> = (0..=TAPS).map(|_| tags::target(&tag.tap().unwrap())).collect();
    let mut of_many: Vec<_> = (0..TAPS).map(tags::tag).collect();
    let first = of_one.remove(0);
    assert!(get(address, &first).body.contains("Pass"));
    sql("BEGIN; SELECT 1 FROM suntap_marks FOR UPDATE");
    let replies = while_another_tag_is_fast(address, TAPS, || all_at_once(address, &of_one));
    assert!(replies.iter().all(|(status, _)| *status == 503), "{replies:?}");
    sql("ROLLBACK");
    assert!(get(address, of_one.last().unwrap()).body.contains("Pass"));
    let again = all_at_once(address, &of_one);
    assert!(again.iter().all(|(_, body)| body.contains(r#""response":"Fail "#)), "{again:?}");

    of_many.remove(0);
    for tag in &mut of_many {
        assert!(get(address, &tags::target(&tag.tap().unwrap())).body.contains("Pass"));
    }
    let locks = ["SELECT 1 FROM suntap_marks FOR UPDATE", "UPDATE suntap_marks SET taps = taps"];
    for (lock, free) in locks.into_iter().zip(TAPS + 1..) {
        sql(&format!("BEGIN; {lock}"));
        let targets: Vec<_> = of_many.iter_mut().map(|tag| tags::target(&tag.tap().unwrap())).collect();
        let replies = while_another_tag_is_fast(address, free, || all_at_once(address, &targets));
        assert!(replies.iter().all(|(status, _)| *status == 503), "{lock}: {replies:?}");
        sql("ROLLBACK");
        assert!(all_at_once(address, &targets).iter().all(|(_, body)| body.contains("Pass")));
        assert!(all_at_once(address, &targets).iter().all(|(_, body)| body.contains("Fail ")));
    }
}

/// Taps that wait for a row pass when it is free, each at most once.
#[test]
fn taps_that_wait_for_a_row_pass_once() {
    let Some(backend) = backends::postgres() else { return };
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    runtime.block_on(import_tags(&backend.url, 1..=1));
    let servers = [0, 1].map(|_| Server::on(&backend.url, &folder.secrets()));
    let database = runtime.block_on(connect(&backend.url));
    let mut tag = tags::tag(1);
    let targets: Vec<_> = (0..40).map(|_| tags::target(&tag.tap().unwrap())).collect();
    assert!(get(&servers[0].address, &targets[0]).body.contains("Pass"));
    runtime.block_on(database.batch_execute("BEGIN; SELECT 1 FROM suntap_marks FOR UPDATE")).unwrap();
    let mut replies = std::thread::scope(|scope| {
        let threads = servers.each_ref().map(|server| scope.spawn(|| all_at_once(&server.address, &targets[1..])));
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let start = Instant::now();
        while runtime.block_on(database.query_one(waiting, &[])).unwrap().get::<_, i64>(0) == 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "no tap waits");
        }
        runtime.block_on(database.batch_execute("ROLLBACK")).unwrap();
        threads.map(|thread| thread.join().unwrap()).concat()
    });
    replies.extend(all_at_once(&servers[0].address, &targets));
    let passed = replies.iter().filter(|(_, body)| body.contains("Pass")).count();
    let taps = runtime.block_on(database.query_one("SELECT taps FROM suntap_marks", &[])).unwrap().get::<_, i64>(0);
    // On a slow machine a call can end before its row is free. Its tap may be counted, and then never passes.
    let unanswered = replies.iter().filter(|(status, _)| *status != 200).count();
    assert!((passed + 1..=passed + 1 + unanswered).contains(&usize::try_from(taps).unwrap()), "{taps}: {replies:?}");
    assert!(passed > 0, "{replies:?}");
}

/// If a caller gives up a call, its connection is replaced and its statement is cancelled.
#[test]
fn a_connection_with_an_unfinished_statement_leaves_the_pool() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let options = Options { pool: 1, patience: Duration::from_secs(60), ..Options::default() };
        let store = Store::create(&backend.url.parse().unwrap(), options).await.unwrap();
        let advance = async |id: u8, ctr: u32| {
            (&mut &store).advance(&CounterId::from_bytes([id; 16]), SdmReadCtr::new(ctr).unwrap(), None).await.unwrap()
        };
        assert!(matches!(advance(1, 1).await, Advance::Advanced { .. }));
        let database = connect(&backend.url).await;
        // Unlike a locked row, this ends only with the statement.
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF NEW.ctr > 1000 THEN PERFORM pg_sleep(1000); END IF; RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON suntap_marks FOR EACH ROW EXECUTE FUNCTION slow()";
        database.batch_execute(slow).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(500), advance(1, 1001)).await.is_err());
        let start = Instant::now();
        assert!(matches!(advance(2, 1).await, Advance::Advanced { .. }));
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        let running = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while database.query_one(running, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            assert!(start.elapsed() < Duration::from_secs(30), "the statement goes on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(matches!(advance(1, 1).await, Advance::Stale { .. }));
    });
}

/// The server ends a statement before its tap is given up, so the connection stays.
#[test]
fn a_slow_statement_ends_before_the_tap_is_given_up() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let options = Options { pool: 1, patience: Duration::from_secs(2), ..Options::default() };
        let store = Store::create(&backend.url.parse().unwrap(), options).await.unwrap();
        let database = connect(&backend.url).await;
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(1000); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON suntap_marks FOR EACH ROW EXECUTE FUNCTION slow()";
        database.batch_execute(slow).await.unwrap();
        let mut late = &store;
        let late = late.advance(&CounterId::from_bytes([1; 16]), SdmReadCtr::new(1).unwrap(), None).await;
        assert_eq!(late.unwrap_err().to_string(), "PostgreSQL: canceling statement due to statement timeout (57014)");
    });
}

/// Without a synchronous standby, a tap is not accepted. Its mark is already on the primary, so the same tap is a replay later.
#[test]
fn a_missing_synchronous_standby_accepts_nothing() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let options = Options { patience: Duration::from_secs(2), ..Options::default() };
        let store = Store::create(&backend.url.parse().unwrap(), options).await.unwrap();
        let advance =
            async || (&mut &store).advance(&CounterId::from_bytes([1; 16]), SdmReadCtr::new(1).unwrap(), None).await;
        let database = connect(&backend.url).await;
        let reload = async |names: &str| {
            database.batch_execute(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).await.unwrap();
            database.batch_execute("SELECT pg_reload_conf()").await.unwrap();
            while database.query_one("SHOW synchronous_standby_names", &[]).await.unwrap().get::<_, &str>(0) != names {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        reload("elsewhere").await;
        let start = Instant::now();
        assert!(matches!(advance().await, Err(StoreError::Late)), "{:?}", start.elapsed());
        reload("").await;
        assert!(matches!(advance().await, Ok(Advance::Stale { .. })));
    });
}

/// The default isolation level of the database does not matter.
#[test]
fn postgres_with_other_isolation_keeps_the_laws() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let database = connect(&backend.url).await;
        for level in ["serializable", "repeatable read"] {
            let default = format!("ALTER DATABASE postgres SET default_transaction_isolation = '{level}'");
            database.batch_execute(&default).await.unwrap();
            let _ = database.batch_execute("TRUNCATE suntap_marks, suntap_documents").await;
            keeps_the_laws(&backend.url).await;
            import_tags(&backend.url, 1..=1).await;
        }
    });
}

/// A role that may only read and write rows serves and imports; without tables it says what is missing.
#[test]
fn a_role_without_create_serves_and_imports() {
    let Some(backend) = backends::postgres() else { return };
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    let url = backend.url.replace("suntap@", "app@");
    runtime.block_on(async {
        let database = connect(&backend.url).await;
        let role = "CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC";
        database.batch_execute(role).await.unwrap();
        let error = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap_err().to_string();
        for part in ["suntap_documents and suntap_marks do not exist", "permission denied", "42501"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(Postgres::open(&url, Options::default()).await, Err(StoreError::Missing(_))));
        drop(open(&backend.url).await);
        let app = open(&url).await;
        let unready = app.verify().await.unwrap_err().to_string();
        assert!(unready.contains("the role needs SELECT on suntap_documents"), "{unready}");
        let grant = "GRANT SELECT, INSERT, UPDATE, DELETE ON suntap_documents, suntap_marks TO app";
        database.batch_execute(grant).await.unwrap();
        app.verify().await.unwrap();
        assert!(Postgres::open(&url, Options::default()).await.is_ok());
        database.batch_execute("ALTER ROLE app SET default_transaction_read_only = on").await.unwrap();
        let unready = open(&url).await.verify().await.unwrap_err().to_string();
        assert!(unready.contains("read-only"), "{unready}");
        database.batch_execute("ALTER ROLE app RESET default_transaction_read_only").await.unwrap();
        import_tags(&url, 1..=2).await;
        import_tags(&url, 2..=3).await;
    });
    let server = Server::on(&url, &folder.secrets());
    let target = tags::target(&tags::tag(3).tap().unwrap());
    for response in ["Pass", "Fail 1"] {
        assert!(get(&server.address, &target).body.contains(response));
    }
}

/// Each counter of a change is raised once, although the change may name it twice.
#[test]
fn a_change_may_raise_a_counter_twice() {
    let Some(backend) = backends::postgres() else { return };
    Runtime::new().unwrap().block_on(async {
        let store = open(&backend.url).await;
        let id = CounterId::from_bytes([7; 16]);
        let raised = |ctr| (id, Mark { ctr: SdmReadCtr::new(ctr).unwrap(), at: None, taps: ctr });
        let change = Change { marks: vec![raised(5), raised(9), raised(3)], ..Change::default() };
        store.change(&change).await.unwrap();
        assert_eq!(store.read(&[], Some(&id)).await.unwrap().mark, Some(raised(9).1));
    });
}

#[test]
fn a_start_without_a_database_says_the_cause() {
    let Some(mut backend) = backends::postgres() else { return };
    let url = backend.url.clone();
    let host = url.split_once('@').unwrap().1.split_once('/').unwrap().0.to_owned();
    let with = |user: &str, host: &str, database: &str| format!("postgres://{user}:s3cret@{host}/{database}");
    Runtime::new().unwrap().block_on(async {
        let sql = "SET password_encryption = 'scram-sha-256'; CREATE ROLE bob LOGIN PASSWORD 'other'";
        connect(&url).await.batch_execute(sql).await.unwrap();
    });
    let no_user = refusal(&with("nobody", &host, "postgres"), &[]);
    assert!(no_user.contains(&format!("cannot connect to {host}: ")), "{no_user}");
    assert!(no_user.contains(r#"role "nobody" does not exist"#), "{no_user}");
    let no_database = refusal(&with("suntap", &host, "elsewhere"), &[]);
    assert!(no_database.contains(r#"database "elsewhere" does not exist (3D000)"#), "{no_database}");
    backend.require_passwords();
    let wrong_password = refusal(&with("bob", &host, "postgres"), &[]);
    assert!(wrong_password.contains(r#"password authentication failed for user "bob" (28P01)"#), "{wrong_password}");
    let no_password = refusal(&format!("postgres://bob@{host}/postgres"), &[]);
    assert!(no_password.contains("password missing"), "{no_password}");
    let no_host = refusal(&with("suntap", "nowhere.invalid:5432", "postgres"), &[]);
    assert!(no_host.contains("cannot connect to nowhere.invalid:5432: "), "{no_host}");
    assert!(no_host.contains("failed to lookup address"), "{no_host}");
    backend.kill();
    let no_server = refusal(&with("suntap", &host, "postgres"), &[]);
    assert!(no_server.contains("Connection refused"), "{no_server}");

    // A part of a password must not be shown as the host.
    for url in ["postgres://suntap:s3cret@s3cret@h/d", "postgres://suntap@h:s3cret", "postgres://a:s3cret"] {
        let text = refusal(url, &[]);
        assert!(text.contains("invalid URL: "), "{text}");
    }
    for pool in [0, 1025, usize::MAX] {
        let options = Options { pool, ..Options::default() };
        let text =
            Runtime::new().unwrap().block_on(Store::open(&url.parse().unwrap(), options)).unwrap_err().to_string();
        assert!(text.contains(&format!("the pool must have 1 to 1024 connections, got {pool}")), "{text}");
    }
}
