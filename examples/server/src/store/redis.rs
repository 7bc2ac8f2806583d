//! Documents and counters in Redis, a single one or a cluster, for any number of servers.
//!
//! A counter advances by one script over one key, so it works in a cluster, and Redis decides between two servers.
//!
//! **Redis keeps what its settings say, and no more.** With `appendonly no`, or `appendfsync everysec`, it forgets the last taps when
//! its machine crashes, and they pass once more. The same happens after a failover to a replica that did not have them, which no
//! setting prevents. Only `appendfsync always` without a failover keeps every tap that was answered. The [`settings`] are checked at
//! the start and once a minute: each weakness is logged. If Redis may evict keys, the store does not open, and an open store rejects
//! all taps until this is corrected.
//!
//! **A change of documents is not all or nothing.** Redis answers no tap while it runs a transaction, so a change is written in
//! [parts](change) of at most 100 documents. If the process or the connection ends between two parts, some documents are written and
//! others are not. The marks are written first and the tags last, so no tag is found before its counter, and the same change made once
//! more completes it. A lock keeps a second change out. It ends 10 s after the process that held it was killed. A large change is in
//! memory as a whole while it is written.

mod change;
mod cursors;
mod format;
mod history;
mod settings;
mod snapshot;

use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{Client, Cmd, FromRedisValue, IntoConnectionInfo as _, RedisError, Script, Value};
use suntap::{Advance, CounterId, SdmReadCtr, UnixMillis};

use self::settings::{Settings, line, masters};
use super::{Change, Entry, Found, Options, Place, StoreError, mark};

/// Advances a counter. Returns the new number of taps, or 0 if the counter did not advance, and the previous mark. A client that
/// lost the connection sends its call again, and gets the answer of the first, or a replay if another call has moved the counter
/// meanwhile. If there is a second key, adds an entry to the history.
const ADVANCE: &str = "
    local old = redis.call('HMGET', KEYS[1], 'ctr', 'at', 'taps', 'call', 'was_ctr', 'was_at', 'was_taps')
    if old[1] == ARGV[1] and old[4] == ARGV[3] then
        return {old[3], old[5], old[6], old[7]}
    end
    if old[1] and tonumber(ARGV[1]) <= tonumber(old[1]) then
        return {0, old[1], old[2], old[3]}
    end
    local taps = math.min(tonumber(old[3] or '0') + 1, 4294967295)
    redis.call('HSET', KEYS[1], 'ctr', ARGV[1], 'at', ARGV[2], 'taps', string.format('%.0f', taps), 'call', ARGV[3])
    if old[1] then
        redis.call('HSET', KEYS[1], 'was_ctr', old[1], 'was_at', old[2], 'was_taps', old[3])
    end
    if KEYS[2] then
        redis.call('XADD', KEYS[2], '*', 'at', ARGV[4], 'entry', ARGV[5])
    end
    return {taps, old[1], old[2], old[3]}";

/// A connection that many tasks share.
pub struct Redis {
    connection: Connection,
    advance: Script,
    settings: Settings,
    /// The warnings at the start.
    warnings: Vec<String>,
}

#[derive(Clone)]
enum Connection {
    /// The client opens another connection for a change of documents.
    One(ConnectionManager, Box<Client>),
    Cluster(ClusterConnection),
}

impl Redis {
    /// Connects to one Redis, or to the cluster that it belongs to.
    ///
    /// # Errors
    /// Returns an error if a URL is invalid, if Redis cannot be reached, or if it may evict counters.
    pub async fn open(urls: &[String], options: Options) -> Result<Self, StoreError> {
        let mut store = Self::connect(urls, options).await?;
        store.migrate(false).await?;
        Ok(store)
    }

    /// Like [`open`](Self::open), for a Redis into which documents will be written.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn create(urls: &[String], options: Options) -> Result<Self, StoreError> {
        let mut store = Self::connect(urls, options).await?;
        store.migrate(true).await?;
        Ok(store)
    }

    /// Like [`open`](Self::open), for a Redis that will be filled from a backup.
    pub(super) async fn connect(urls: &[String], options: Options) -> Result<Self, StoreError> {
        let connection = connect(urls, options.patience.min(Duration::from_secs(1_000_000))).await?;
        let settings = Settings::watch(&connection, options.recheck).await?;
        settings.check()?;
        let warnings = settings.warnings();
        Ok(Self { connection, advance: Script::new(ADVANCE), settings, warnings })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.connection, Connection::Cluster(_))
    }

    /// Returns the warnings at the start. Later ones are logged.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks that Redis can be reached, and keeps counters.
    ///
    /// # Errors
    /// Returns an error if it cannot be reached, or may evict counters.
    pub(super) async fn verify(&self) -> Result<(), StoreError> {
        self.settings.update(&self.connection).await
    }

    pub(super) async fn read(&self, keys: &[String], tag: Option<&CounterId>) -> Result<Found, StoreError> {
        let documents = self.documents(keys);
        let stored = async {
            let Some(tag) = tag else { return Ok(None) };
            let mut command = redis::cmd("HMGET");
            command.arg(mark_key(tag)).arg("ctr").arg("at").arg("taps");
            self.run::<(Option<i64>, Option<String>, Option<i64>)>(&command).await.map(Some)
        };
        let (documents, stored) = tokio::try_join!(documents, stored)?;
        let mark = stored.and_then(|(ctr, at, taps)| Some(mark(ctr?, time(at), taps.unwrap_or(i64::MAX))));
        Ok(Found { documents, mark })
    }

    async fn documents(&self, keys: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        if !self.is_cluster() && !keys.is_empty() {
            let mut command = redis::cmd("MGET");
            for key in keys {
                command.arg(document_key(key));
            }
            return self.run(&command).await;
        }
        // In a cluster, each is sent to its node.
        let documents = keys.iter().map(|key| async move {
            let mut command = redis::cmd("GET");
            command.arg(document_key(key));
            self.run(&command).await
        });
        futures_util::future::try_join_all(documents).await
    }

    /// Lists a page of documents. A document may be listed twice.
    pub(super) async fn list(
        &self,
        prefix: &str,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let (keys, next) = self.scan(DOCUMENT, prefix, place, limit).await?;
        let found = self.read(&keys, None).await?;
        let documents = keys.into_iter().zip(found.documents).filter_map(|(key, text)| Some((key, text?))).collect();
        Ok((documents, next))
    }

    /// Lists a page of the keys in `space` that start with `prefix`, without `space`. A key may be listed twice. If a cluster moves slots
    /// between the pages, keys may be missing.
    async fn scan(
        &self,
        space: &str,
        prefix: &str,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<String>, Place), StoreError> {
        let (node, cursor, expected) = match place {
            Place::Cursor(node, cursor, nodes) => (node, cursor, Some(nodes)),
            _ => (0, 0, None),
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern(space, prefix)).arg("COUNT").arg(limit);
        let (nodes, count, answer) = match self.connection.clone() {
            Connection::One(mut one, _) => (0, 1, scan.query_async(&mut one).await.map_err(StoreError::Redis)?),
            Connection::Cluster(mut cluster) => {
                let masters = masters::<String>(&mut cluster, &redis::cmd("PING")).await.map_err(StoreError::Redis)?;
                let mut masters: Vec<_> = masters.into_keys().collect();
                masters.sort_unstable();
                let nodes = hash_of(&masters);
                // With other nodes, `node` may be another one, and a part of the keys would be missing.
                if expected.is_some_and(|expected| expected != nodes) {
                    return Err(StoreError::NodesChanged);
                }
                let address = masters.get(node).and_then(|address| address.rsplit_once(':'));
                let address = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
                let (host, port) = address.ok_or_else(|| StoreError::Document("a node".into()))?;
                let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                let answer = cluster.route_command(scan, to).await.and_then(value).map_err(StoreError::Redis)?;
                (nodes, masters.len(), answer)
            }
        };
        let (cursor, keys): (u64, Vec<String>) = answer;
        let keys = keys.iter().filter_map(|key| key.strip_prefix(space)).map(String::from).collect();
        let following = node.saturating_add(1);
        let next = match cursor {
            0 if following < count => Place::Cursor(following, 0, nodes),
            0 => Place::End,
            cursor => Place::Cursor(node, cursor, nodes),
        };
        Ok((keys, next))
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
        entry: Option<&Entry>,
    ) -> Result<Advance, StoreError> {
        self.settings.check()?;
        let mut call = self.advance.prepare_invoke();
        call.key(mark_key(id)).arg(ctr.get()).arg(millis(at));
        call.arg(token());
        if let Some(entry) = entry {
            call.key(history::RECORDS).arg(entry.at.get()).arg(&entry.text);
        }
        let answer: (i64, Option<i64>, Option<String>, Option<i64>) = match self.connection.clone() {
            Connection::One(mut one, _) => call.invoke_async(&mut one).await,
            Connection::Cluster(mut cluster) => call.invoke_async(&mut cluster).await,
        }
        .map_err(StoreError::Redis)?;
        let (taps, old, old_at, old_taps) = answer;
        let previous = old.map(|ctr| mark(ctr, time(old_at), old_taps.unwrap_or(i64::MAX)));
        match (taps, previous) {
            (0, Some(stored)) => Ok(Advance::Stale { stored }),
            (0, None) => Err(StoreError::Document("a counter".into())),
            (taps, previous) => {
                let mut now = mark(ctr.get().into(), None, taps);
                now.at = at;
                Ok(Advance::Advanced { previous, now })
            }
        }
    }

    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        match self.connection.clone() {
            Connection::One(mut one, _) => command.query_async(&mut one).await,
            Connection::Cluster(mut cluster) => command.query_async(&mut cluster).await,
        }
        .map_err(StoreError::Redis)
    }
}

async fn connect(urls: &[String], patience: Duration) -> Result<Connection, StoreError> {
    // Otherwise a part of a password with a comma could be read as a host, and errors show the host.
    let all_start = |scheme| urls.iter().all(|url| url.starts_with(scheme));
    if !all_start("redis://") && !all_start("rediss://") {
        let text =
            "invalid URL: each node must start with redis://, or each with rediss:// (write `,` in a password as %2C)";
        return Err(StoreError::Unfit(text.into()));
    }
    let first = urls.first().map(String::as_str).unwrap_or_default();
    let config = ConnectionManagerConfig::new().set_number_of_retries(2).set_response_timeout(Some(patience));
    let invalid =
        |_| StoreError::Unfit("invalid URL: must be like redis://USER:PASSWORD@HOST:PORT, or rediss:// for TLS".into());
    let info = first.into_connection_info().map_err(invalid)?.set_tcp_settings(tcp_settings(patience));
    let client = Client::open(info).map_err(invalid)?;
    let address = client.get_connection_info().addr().to_string();
    let failed = |error: RedisError| StoreError::Unfit(format!("cannot connect to {address}: {error}"));
    let mut one = ConnectionManager::new_with_config(client.clone(), config).await.map_err(failed)?;
    let info: String = redis::cmd("INFO").query_async(&mut one).await.map_err(failed)?;
    if line(&info, "cluster_enabled") != Some("1") {
        return Ok(Connection::One(one, Box::new(client)));
    }
    let client =
        ClusterClient::builder(urls.iter().map(String::as_str)).response_timeout(patience).connection_timeout(patience);
    let client = client.tcp_settings(tcp_settings(patience)).build().map_err(invalid)?;
    Ok(Connection::Cluster(client.get_async_connection().await.map_err(failed)?))
}

/// Returns settings that end a connection if what was sent is not acknowledged for 10 s, or for `patience` if that is longer. Otherwise
/// a connection that a firewall has forgotten would be used for many minutes, since a call that times out does not end it.
fn tcp_settings(patience: Duration) -> TcpSettings {
    let settings = TcpSettings::default();
    #[cfg(target_os = "linux")]
    let settings = settings.set_user_timeout(patience.max(Duration::from_secs(10)));
    #[cfg(not(target_os = "linux"))]
    let _ = patience;
    settings
}

/// Returns a text that identifies one call.
fn token() -> String {
    use std::hash::{BuildHasher as _, RandomState};

    // `RandomState` has random keys. The text need not be hard to guess.
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

/// The prefix of the keys of documents.
const DOCUMENT: &str = "suntap:document:";
/// The prefix of the keys of marks.
const MARK: &str = "suntap:mark:";

fn hash_of(nodes: &[String]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    nodes.hash(&mut hasher);
    hasher.finish()
}

fn document_key(key: &str) -> String {
    format!("{DOCUMENT}{key}")
}

/// Returns the pattern of the keys in `space` that start with `prefix`.
fn pattern(space: &str, prefix: &str) -> String {
    let mut pattern = String::from(space);
    for c in prefix.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('*');
    pattern
}

fn millis(at: Option<UnixMillis>) -> String {
    at.map(|at| at.get().to_string()).unwrap_or_default()
}

fn mark_key(id: &CounterId) -> String {
    format!("{MARK}{}", crate::hex::encode(id.as_bytes()))
}

/// Returns a time, which is stored as an empty text if it is unknown.
fn time(at: Option<String>) -> Option<i64> {
    at.and_then(|at| at.parse().ok())
}

fn value<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    Ok(redis::from_redis_value(value)?)
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}
