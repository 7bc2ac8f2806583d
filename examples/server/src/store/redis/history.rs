//! The history in Redis: a stream for each part.
//!
//! A single Redis adds the entry of an accepted tap in the script that advances the counter. A script in a cluster can write only to
//! the node of its counter, so the server adds the entry afterwards there. **Redis keeps its streams in memory**: 10 million entries
//! take about 2 GB.

use redis::Cmd;
use redis::streams::{StreamId, StreamRangeReply};
use suntap::UnixMillis;

use super::{Redis, StoreError};
use crate::store::Entry;
use crate::store::history::{Position, Retention, STEP, Stream};

/// The key of accepted taps.
pub(super) const RECORDS: &str = key(Stream::Records);

const fn key(stream: Stream) -> &'static str {
    match stream {
        Stream::Records => "suntap:history",
        Stream::Acts => "suntap:acts",
        Stream::Replays => "suntap:replays",
        Stream::Refusals => "suntap:refusals",
    }
}

/// Adds entries in their order.
const ADD: &str = "
    for index = 1, #ARGV, 2 do
        redis.call('XADD', KEYS[1], '*', 'at', ARGV[index], 'entry', ARGV[index + 1])
    end
    return #ARGV / 2";
/// Entries of one command. Redis answers no tap while it adds them.
const PART: usize = 100;

/// Returns the commands that add entries. Redis numbers the entries by its own clock.
pub(super) fn add(stream: Stream, entries: &[Entry]) -> impl Iterator<Item = Cmd> {
    entries.chunks(PART).map(move |part| {
        let mut command = redis::cmd("EVAL");
        command.arg(ADD).arg(1).arg(key(stream));
        for entry in part {
            command.arg(entry.at.get()).arg(&entry.text);
        }
        command
    })
}

impl Redis {
    pub(in crate::store) async fn append(&self, stream: Stream, entries: &[Entry]) -> Result<(), StoreError> {
        for command in add(stream, entries) {
            self.run::<u64>(&command).await?;
        }
        Ok(())
    }

    pub(in crate::store) async fn entries(
        &self,
        stream: Stream,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<(Position, Entry)>, StoreError> {
        let start = after.map_or_else(|| "-".into(), |Position(time, number)| format!("({time}-{number}"));
        let mut command = redis::cmd("XRANGE");
        command.arg(key(stream)).arg(start).arg("+").arg("COUNT").arg(limit);
        let reply: StreamRangeReply = self.run(&command).await?;
        reply.ids.iter().map(entry).collect()
    }

    pub(super) async fn remove_history(&self) -> Result<(), StoreError> {
        for stream in Stream::ALL {
            self.run::<()>(redis::cmd("DEL").arg(key(stream))).await?;
        }
        Ok(())
    }

    pub(in crate::store) async fn prune(&self, stream: Stream, retention: &Retention) -> Result<usize, StoreError> {
        let mut length = redis::cmd("XLEN");
        length.arg(key(stream));
        let length: u64 = self.run(&length).await?;
        let oldest = self.entries(stream, None, STEP).await?;
        let count = retention.excess(stream, length, oldest.iter().map(|(_, entry)| entry.at));
        let last = count.checked_sub(1).and_then(|last| oldest.get(last));
        let Some((Position(time, number), _)) = last else { return Ok(0) };
        let mut trim = redis::cmd("XTRIM");
        trim.arg(key(stream)).arg("MINID").arg(format!("{time}-{}", number.saturating_add(1)));
        self.run::<u64>(&trim).await?;
        Ok(count)
    }
}

fn entry(stored: &StreamId) -> Result<(Position, Entry), StoreError> {
    let position =
        stored.id.split_once('-').and_then(|(time, number)| Some(Position(time.parse().ok()?, number.parse().ok()?)));
    let entry = || Some(Entry { at: UnixMillis::new(stored.get("at")?), text: stored.get("entry")? });
    position.zip(entry()).ok_or_else(|| StoreError::Document("of the history".into()))
}
