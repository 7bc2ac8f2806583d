//! Changes of documents, in parts.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd};
use suntap::{CounterId, Mark};

use super::{Change, Connection, Entry, Redis, StoreError, document_key, history, mark_key, millis, token};
use crate::store::Stream;

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

/// Takes the lock. Returns 0, or the milliseconds until the lock of another change expires.
const TAKE: &str = "
    local holder = redis.call('GET', KEYS[1])
    if holder and holder ~= ARGV[1] then
        return math.max(redis.call('PTTL', KEYS[1]), 1)
    end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 0";

/// Renews the lock. Returns 0 if another change has it, or nobody.
const RENEW: &str = "
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then
        return 0
    end
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// Releases the lock, if this change still has it.
const GIVE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0";

/// The lock that a change holds.
const LOCK: &str = "suntap:lock";
/// The lock of a process that was killed expires after this time. A running change renews it with each part.
const LEASE: Duration = Duration::from_secs(10);
/// Largest number of commands in a part. Redis answers no tap while it runs a part.
const PART: usize = 100;
/// A part is complete when it has this many bytes.
const PART_BYTES: usize = 64 * 1024;

impl Redis {
    pub(in crate::store) async fn change(&self, change: &Change, history: &[Entry]) -> Result<(), StoreError> {
        self.settings.check()?;
        let token = token();
        self.lock(&token).await?;
        let changed = self.change_locked(change, history, &token).await;
        self.unlock(&token).await;
        changed
    }

    /// Takes the lock.
    pub(super) async fn lock(&self, token: &str) -> Result<(), StoreError> {
        let milliseconds = self.lock_script(TAKE, token).await?;
        match u64::try_from(milliseconds) {
            Ok(milliseconds @ 1..) => Err(StoreError::Locked { seconds: milliseconds.div_ceil(1000) }),
            _ => Ok(()),
        }
    }

    /// Releases the lock. If this fails, the lock expires.
    pub(super) async fn unlock(&self, token: &str) {
        let _ = self.lock_script(GIVE, token).await;
    }

    async fn change_locked(&self, change: &Change, history: &[Entry], token: &str) -> Result<(), StoreError> {
        let keys: Vec<String> = change.seen.iter().map(|(key, _)| key.clone()).collect();
        for (keys, seen) in keys.chunks(1000).zip(change.seen.chunks(1000)) {
            let found = self.read(keys, None).await?;
            if found.documents.iter().zip(seen).any(|(found, (_, seen))| found != seen) {
                return Err(StoreError::Contended);
            }
            self.renew(token).await?;
        }
        let mut writer = Writer::new(self, token).await?;
        let written = writer.write_all(change, history).await;
        written.map_err(|error| if writer.may_have_written { StoreError::Incomplete(Box::new(error)) } else { error })
    }

    /// Keeps the lock for another [`LEASE`].
    pub(super) async fn renew(&self, token: &str) -> Result<(), StoreError> {
        if self.lock_script(RENEW, token).await? == 1 { Ok(()) } else { Err(StoreError::Contended) }
    }

    async fn lock_script(&self, script: &str, token: &str) -> Result<i64, StoreError> {
        let mut command = redis::cmd("EVAL");
        command.arg(script).arg(1).arg(LOCK).arg(token).arg(lease());
        self.run(&command).await
    }
}

/// Writes the parts of one change.
pub(super) struct Writer<'c> {
    redis: &'c Redis,
    token: &'c str,
    /// A connection for transactions, to a single Redis.
    single: Option<MultiplexedConnection>,
    part: Vec<Cmd>,
    bytes: usize,
    may_have_written: bool,
}

impl<'c> Writer<'c> {
    pub(super) async fn new(redis: &'c Redis, token: &'c str) -> Result<Self, StoreError> {
        let single = match &redis.connection {
            Connection::One(_, client) => Some(connect(client).await.map_err(StoreError::Redis)?),
            Connection::Cluster(_) => None,
        };
        Ok(Self { redis, token, single, part: Vec::new(), bytes: 0, may_have_written: false })
    }

    /// Writes the marks first: an imported tag must not be found before its counter. The commands of a part run in parallel in a
    /// cluster, so no part has both kinds. The history comes last: an entry says that the change was made.
    pub(super) async fn write_all(&mut self, change: &Change, history: &[Entry]) -> Result<(), StoreError> {
        for (id, mark) in &change.marks {
            self.add(raise(id, *mark), 0).await?;
        }
        self.flush().await?;
        for (key, text) in &change.writes {
            let mut command = redis::cmd(if text.is_some() { "SET" } else { "DEL" });
            command.arg(document_key(key)).arg(text);
            self.add(command, text.as_ref().map_or(0, String::len)).await?;
        }
        self.flush().await?;
        for command in history::add(Stream::Acts, history) {
            self.add(command, PART_BYTES).await?;
        }
        self.flush().await
    }

    /// Writes entries of the history that belong to no change.
    pub(super) async fn write_history(&mut self, history: &[(Stream, Entry)]) -> Result<(), StoreError> {
        for entries in history.chunk_by(|(stream, _), (other, _)| stream == other) {
            let Some((stream, _)) = entries.first() else { continue };
            let entries: Vec<_> = entries.iter().map(|(_, entry)| entry.clone()).collect();
            for command in history::add(*stream, &entries) {
                // A part of its own, because the commands of a part run in parallel in a cluster.
                self.add(command, PART_BYTES).await?;
            }
        }
        self.flush().await
    }

    async fn add(&mut self, command: Cmd, bytes: usize) -> Result<(), StoreError> {
        self.part.push(command);
        self.bytes = self.bytes.saturating_add(bytes);
        if self.part.len() >= PART || self.bytes >= PART_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let part = std::mem::take(&mut self.part);
        if part.is_empty() {
            return Ok(());
        }
        let written = self.write(part).await;
        self.may_have_written |= !matches!(written, Err(StoreError::Contended));
        written
    }

    async fn write(&mut self, part: Vec<Cmd>) -> Result<(), StoreError> {
        if let Some(single) = &mut self.single {
            return transact(single, self.token, part).await;
        }
        self.redis.renew(self.token).await?;
        futures_util::future::try_join_all(part.iter().map(|command| self.redis.run::<()>(command))).await?;
        Ok(())
    }
}

/// Writes a part in one transaction. It fails without an effect if this change no longer has the lock.
async fn transact(single: &mut MultiplexedConnection, token: &str, part: Vec<Cmd>) -> Result<(), StoreError> {
    let mut look = redis::pipe();
    look.cmd("WATCH").arg(LOCK).ignore().cmd("GET").arg(LOCK);
    let (holder,): (Option<String>,) = look.query_async(single).await.map_err(StoreError::Redis)?;
    if holder.as_deref() != Some(token) {
        return Err(StoreError::Contended);
    }
    let mut transaction = redis::pipe();
    transaction.atomic();
    for command in part {
        transaction.add_command(command).ignore();
    }
    transaction.cmd("PEXPIRE").arg(LOCK).arg(lease());
    let done: Option<(i64,)> = transaction.query_async(single).await.map_err(StoreError::Redis)?;
    done.map(drop).ok_or(StoreError::Contended)
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, redis::RedisError> {
    // A part that takes longer than this has lost the lock.
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(LEASE));
    client.get_multiplexed_async_connection_with_config(&config).await
}

fn raise(id: &CounterId, Mark { ctr, at, taps }: Mark) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(RAISE).arg(1).arg(mark_key(id)).arg(ctr.get()).arg(millis(at)).arg(taps);
    command
}

fn lease() -> u64 {
    u64::try_from(LEASE.as_millis()).unwrap_or(u64::MAX)
}
