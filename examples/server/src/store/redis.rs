//! Documents and counters in Redis, a single one or a cluster, for any number of servers.
//!
//! A counter advances by one script over one key, so it works in a cluster, and Redis decides between two servers.
//!
//! **Redis keeps what its configuration says, and no more.** With `appendonly no`, or `appendfsync everysec`, it forgets the last
//! taps when its machine dies, and they pass once more; so they do when a replica takes over that had not heard of them, which no
//! setting excludes. Only `appendfsync always` without a failover keeps every tap that was answered. A memory limit that evicts keys
//! would forget counters while all is well: such a Redis is refused.
//!
//! A change of documents is one transaction of a single Redis. A cluster has none over several keys: where the connection breaks half
//! way, some documents are written and others are not, and the same change once more completes it.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo, SingleNodeRoutingInfo};
use redis::{Client, Cmd, FromRedisValue, Script, Value};
use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};

use super::{Change, Found, PAGE, Place, StoreError, mark};

/// Compares and moves. What was there comes back, and the new number of taps if it moved. A client that lost the connection sends
/// its call again, and gets the answer of the first.
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
    return {taps, old[1], old[2], old[3]}";

/// Merges a mark from another service with the stored one. A counter is never lowered.
const RAISE: &str = "
    local old = redis.call('HMGET', KEYS[1], 'ctr', 'at', 'taps')
    if old[1] and tonumber(ARGV[1]) < tonumber(old[1]) then
        return 0
    end
    local taps = string.format('%.0f', math.max(tonumber(ARGV[3]), tonumber(old[3] or '0')))
    if old[1] and tonumber(ARGV[1]) == tonumber(old[1]) then
        redis.call('HSET', KEYS[1], 'at', old[2] ~= '' and old[2] or ARGV[2], 'taps', taps)
    else
        redis.call('HSET', KEYS[1], 'ctr', ARGV[1], 'at', ARGV[2], 'taps', taps, 'call', '')
    end
    return 1";

/// Gives a lock back, if it is still ours.
const UNLOCK: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end";

/// Held while documents are written.
const LOCK: &str = "suntap:lock";
/// For a server that died with it.
const LOCK_SECONDS: u32 = 600;
/// Documents that are written at once.
const PART: usize = 500;

/// A connection that many tasks share.
pub struct Redis {
    connection: Connection,
    advance: Script,
    warnings: Vec<String>,
}

#[derive(Clone)]
enum Connection {
    /// And what makes another for a change of documents, which may take its time.
    One(ConnectionManager, Client),
    Cluster(ClusterConnection),
}

impl Redis {
    /// Connects to one Redis, or to the cluster that it is of.
    ///
    /// # Errors
    /// If it can not be reached, or would evict keys.
    pub async fn open(urls: &[String], patience: Duration) -> Result<Self, StoreError> {
        let first = urls.first().map(String::as_str).unwrap_or_default();
        let config = ConnectionManagerConfig::new().set_number_of_retries(2).set_response_timeout(Some(patience));
        let client = Client::open(first).map_err(StoreError::Redis)?;
        let mut one = ConnectionManager::new_with_config(client.clone(), config).await.map_err(StoreError::Redis)?;
        let info: String = redis::cmd("INFO").query_async(&mut one).await.map_err(StoreError::Redis)?;
        let (connection, infos) = if line(&info, "cluster_enabled") == Some("1") {
            let client = ClusterClient::builder(urls.iter().map(String::as_str))
                .response_timeout(patience)
                .connection_timeout(patience);
            let client = client.build().map_err(StoreError::Redis)?;
            let mut cluster = client.get_async_connection().await.map_err(StoreError::Redis)?;
            let every = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
            let infos = cluster.route_command(redis::cmd("INFO"), every).await.map_err(StoreError::Redis)?;
            let infos: std::collections::HashMap<String, String> = value(infos)?;
            (Connection::Cluster(cluster), infos.into_values().collect())
        } else {
            (Connection::One(one, client), vec![info])
        };
        let mut warnings = Vec::new();
        for info in &infos {
            let limited = line(info, "maxmemory").is_some_and(|limit| limit != "0");
            if limited && line(info, "maxmemory_policy") != Some("noeviction") {
                let kind =
                    (redis::ErrorKind::InvalidClientConfig, "it may evict counters: set maxmemory-policy noeviction");
                return Err(StoreError::Redis(kind.into()));
            }
            if line(info, "aof_enabled") != Some("1") {
                let text =
                    "Redis keeps no append-only file: the taps since its last snapshot pass once more after a restart";
                warnings.push(text.into());
            }
        }
        warnings.dedup();
        Ok(Self { connection, advance: Script::new(ADVANCE), warnings })
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) async fn read(&self, keys: &[String], tag: Option<&CounterId>) -> Result<Found, StoreError> {
        // One connection carries them all at once, and a cluster sends each to its own node.
        let documents = futures_util::future::try_join_all(keys.iter().map(|key| async move {
            let mut command = redis::cmd("GET");
            command.arg(document_key(key));
            self.run::<Option<String>>(&command).await
        }));
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

    /// A document may be listed twice.
    pub(super) async fn list(&self, prefix: &str, place: Place) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let (node, cursor) = match place {
            Place::Cursor(node, cursor) => (node, cursor),
            _ => (0, 0),
        };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(document_key(prefix) + "*").arg("COUNT").arg(PAGE);
        let (nodes, answer) = match self.connection.clone() {
            Connection::One(mut one, _) => (1, scan.query_async(&mut one).await.map_err(StoreError::Redis)?),
            Connection::Cluster(mut cluster) => {
                let masters = masters(&mut cluster).await?;
                let address = masters.get(node).and_then(|address| address.rsplit_once(':'));
                let address = address.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
                let (host, port) = address.ok_or_else(|| StoreError::Document("a node".into()))?;
                let to = RoutingInfo::SingleNode(SingleNodeRoutingInfo::ByAddress { host, port });
                (masters.len(), value(cluster.route_command(scan, to).await.map_err(StoreError::Redis)?)?)
            }
        };
        let (cursor, keys): (u64, Vec<String>) = answer;
        let keys: Vec<_> = keys.iter().filter_map(|key| key.strip_prefix(DOCUMENT)).map(String::from).collect();
        let found = self.read(&keys, None).await?;
        let documents = keys.into_iter().zip(found.documents).filter_map(|(key, text)| Some((key, text?))).collect();
        let following = node.saturating_add(1);
        let next = match cursor {
            0 if following < nodes => Place::Cursor(following, 0),
            0 => Place::End,
            cursor => Place::Cursor(node, cursor),
        };
        Ok((documents, next))
    }

    pub(super) async fn change(&self, change: &Change) -> Result<(), StoreError> {
        let token = token();
        let mut take = redis::cmd("SET");
        take.arg(LOCK).arg(&token).arg("NX").arg("EX").arg(LOCK_SECONDS);
        if self.run::<Option<String>>(&take).await?.is_none() {
            return Err(StoreError::Contended);
        }
        let done = self.change_locked(change).await;
        // If it can not be given back, it ends by itself.
        let mut give = redis::cmd("EVAL");
        give.arg(UNLOCK).arg(1).arg(LOCK).arg(&token);
        let _ = self.run::<Value>(&give).await;
        done
    }

    async fn change_locked(&self, change: &Change) -> Result<(), StoreError> {
        let keys: Vec<String> = change.seen.iter().map(|(key, _)| key.clone()).collect();
        for (keys, seen) in keys.chunks(1000).zip(change.seen.chunks(1000)) {
            let found = self.read(keys, None).await?;
            if found.documents.iter().zip(seen).any(|(found, (_, seen))| found != seen) {
                return Err(StoreError::Contended);
            }
        }
        let writes = change.writes.iter().map(|(key, text)| {
            let mut command = redis::cmd(if text.is_some() { "SET" } else { "DEL" });
            command.arg(document_key(key)).arg(text);
            command
        });
        let marks = change.marks.iter().map(|(id, Mark { ctr, at, taps })| {
            let mut command = redis::cmd("EVAL");
            command.arg(RAISE).arg(1).arg(mark_key(id)).arg(ctr.get()).arg(millis(*at)).arg(taps);
            command
        });
        // The marks first: an imported tag must not be found before its counter.
        match self.connection.clone() {
            Connection::One(_, client) => {
                let config = ConnectionManagerConfig::new().set_response_timeout(None);
                let mut one = ConnectionManager::new_with_config(client, config).await.map_err(StoreError::Redis)?;
                let mut transaction = redis::pipe();
                transaction.atomic();
                for command in marks.chain(writes) {
                    transaction.add_command(command).ignore();
                }
                transaction.query_async::<()>(&mut one).await.map_err(StoreError::Redis)
            }
            Connection::Cluster(_) => {
                let (marks, writes): (Vec<_>, Vec<_>) = (marks.collect(), writes.collect());
                // The commands of a part run in parallel, so no part has both kinds.
                for part in marks.chunks(PART).chain(writes.chunks(PART)) {
                    futures_util::future::try_join_all(part.iter().map(|command| self.run::<()>(command))).await?;
                    let mut hold = redis::cmd("EXPIRE");
                    hold.arg(LOCK).arg(LOCK_SECONDS);
                    self.run::<()>(&hold).await?;
                }
                Ok(())
            }
        }
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        let mut call = self.advance.prepare_invoke();
        call.key(mark_key(id)).arg(ctr.get()).arg(millis(at));
        call.arg(token());
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

/// Of one call, to know it again.
fn token() -> String {
    use std::hash::{BuildHasher as _, RandomState};

    // Keyed anew each time; nobody has to be unable to guess it.
    format!("{:016x}{:016x}", RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}

/// In front of the key of a document.
const DOCUMENT: &str = "suntap:document:";

fn document_key(key: &str) -> String {
    format!("{DOCUMENT}{key}")
}

fn millis(at: Option<UnixMillis>) -> String {
    at.map(|at| at.get().to_string()).unwrap_or_default()
}

/// The addresses of the masters of a cluster, in order.
async fn masters(cluster: &mut ClusterConnection) -> Result<Vec<String>, StoreError> {
    let every = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answers = cluster.route_command(redis::cmd("PING"), every).await.map_err(StoreError::Redis)?;
    let answers: std::collections::HashMap<String, String> = value(answers)?;
    let mut masters: Vec<_> = answers.into_keys().collect();
    masters.sort_unstable();
    Ok(masters)
}

fn mark_key(id: &CounterId) -> String {
    format!("suntap:mark:{}", crate::hex::encode(id.as_bytes()))
}

/// A time, which is an empty text where there was none.
fn time(at: Option<String>) -> Option<i64> {
    at.and_then(|at| at.parse().ok())
}

fn value<T: FromRedisValue>(value: Value) -> Result<T, StoreError> {
    redis::from_redis_value(value).map_err(|error| StoreError::Redis(error.into()))
}

/// A value out of `INFO`.
fn line<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").finish_non_exhaustive()
    }
}
