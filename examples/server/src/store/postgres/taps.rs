//! Advances the counters of many taps in one statement.
//!
//! A statement has at most one tap of each counter. Another tap of the same counter in the batch is refused if the result of the
//! statement shows that its counter is used. Otherwise it is decided alone. A row that another transaction has locked, or has changed
//! without committing, is skipped, and its tap is decided alone, so the other taps do not wait for it. New rows are inserted with
//! `ON CONFLICT DO NOTHING`: the statement waits for a row that another transaction is inserting, but does not return it, and its tap
//! is decided alone. The ids are sorted, so that two statements cannot wait for each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};
use tokio::sync::oneshot;
use tokio_postgres::Row;

use super::batches::while_wanted;
use super::connections::{Connections, finish};
use super::history::signed;
use super::{column, id, is_conflict, millis, previous_mark, stored_mark};
use crate::store::{Entry, StoreError};

/// A counter to advance, with the entry of the history.
#[derive(Clone)]
pub(super) struct Tap {
    pub(super) id: CounterId,
    pub(super) ctr: SdmReadCtr,
    pub(super) at: Option<UnixMillis>,
    pub(super) entry: Option<Entry>,
}

/// A tap in a batch.
pub(super) struct Call {
    pub(super) tap: Tap,
    pub(super) answer: oneshot::Sender<Result<Decision, StoreError>>,
}

/// What a batch says about a tap.
#[derive(Clone, Copy, Debug)]
pub(super) enum Decision {
    Decided(Advance),
    /// The tap must be decided alone. Nothing was changed for it.
    Alone,
}

/// Locks the rows of known counters, moves those that advance, and inserts those of new counters. Returns one row for each tap that
/// it decides. A row of `advanced` without a previous counter is new. `created` must not try a row that `known` skipped, because
/// `ON CONFLICT` waits for the end of a transaction that has changed it.
const ADVANCE: &str = "
    WITH tap AS (
        SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) AS tap (tag, ctr, at, time, entry)),
    known AS MATERIALIZED (
        SELECT tag, stored.ctr, stored.at, stored.taps, tap.ctr AS new_ctr, tap.at AS new_at
        FROM suntap_marks AS stored JOIN tap USING (tag) WHERE stored.tag = ANY($1) ORDER BY tag FOR UPDATE OF stored SKIP LOCKED),
    seen AS MATERIALIZED (SELECT tag FROM suntap_marks WHERE tag = ANY($1)),
    moved AS (
        UPDATE suntap_marks AS stored SET previous_ctr = stored.ctr, previous_at = stored.at,
            ctr = new_ctr, at = new_at, taps = least(stored.taps + 1, 4294967295)
        FROM known WHERE stored.tag = known.tag AND new_ctr > stored.ctr
        RETURNING stored.tag, stored.ctr, stored.at, stored.taps, stored.previous_ctr, stored.previous_at),
    created AS (
        INSERT INTO suntap_marks (tag, ctr, at, taps)
        SELECT tag, ctr, at, 1 FROM tap WHERE tag NOT IN (SELECT tag FROM seen) ORDER BY tag
        ON CONFLICT (tag) DO NOTHING
        RETURNING tag, ctr, at, taps, previous_ctr, previous_at),
    advanced AS (SELECT * FROM moved UNION ALL SELECT * FROM created)";

const RECORDED: &str = ",
    recorded AS (
        INSERT INTO suntap_history (at, entry) SELECT time, entry FROM advanced JOIN tap USING (tag) WHERE entry IS NOT NULL)";

const RESULT: &str = "
    SELECT ctr, at, taps, previous_ctr, previous_at, tag, true FROM advanced
    UNION ALL
    SELECT ctr, at, taps, NULL, NULL, tag, false FROM known WHERE tag NOT IN (SELECT tag FROM advanced)";

/// Decides a batch, and answers each of its taps.
pub(super) async fn decide(connections: Arc<Connections>, calls: Vec<Call>) {
    let mut waiting: BTreeMap<CounterId, Vec<Call>> = BTreeMap::new();
    // A request that waits no longer was answered with an error. Its tap is not spent.
    for call in calls.into_iter().filter(|call| !call.answer.is_closed()) {
        waiting.entry(call.tap.id).or_default().push(call);
    }
    if waiting.is_empty() {
        return;
    }
    let first: Vec<Tap> = waiting.values().filter_map(|calls| Some(calls.first()?.tap.clone())).collect();
    let answers: Vec<_> = waiting.values_mut().flatten().map(|call| &mut call.answer).collect();
    let Some(result) = while_wanted(answers, advance(&connections, &first)).await else { return };
    let decided = match result {
        Ok(decided) => decided,
        // Some of the taps may be decided without a conflict.
        Err(error) if is_conflict(&error) => BTreeMap::new(),
        Err(error) => {
            let error = Arc::new(error);
            for call in waiting.into_values().flatten() {
                let _ = call.answer.send(Err(StoreError::Shared(Arc::clone(&error))));
            }
            return;
        }
    };
    for (id, calls) in waiting {
        let first = decided.get(&id).copied();
        for (index, Call { tap, answer }) in calls.into_iter().enumerate() {
            let decision = match first {
                Some(advance) if index == 0 => Decision::Decided(advance),
                // The stored counter never goes down, so this tap is refused whatever happened since.
                Some(advance) if tap.ctr <= stored(advance).ctr => {
                    Decision::Decided(Advance::Stale { stored: stored(advance) })
                }
                _ => Decision::Alone,
            };
            let _ = answer.send(Ok(decision));
        }
    }
}

/// Returns the mark that a result shows as stored.
fn stored(advance: Advance) -> Mark {
    match advance {
        Advance::Advanced { now, .. } => now,
        Advance::Stale { stored } => stored,
    }
}

/// Runs the statement. The taps have different ids, which are sorted.
async fn advance(connections: &Connections, taps: &[Tap]) -> Result<BTreeMap<CounterId, Advance>, StoreError> {
    let ids: Vec<&[u8]> = taps.iter().map(|tap| tap.id.as_bytes().as_slice()).collect();
    let ctrs: Vec<i64> = taps.iter().map(|tap| tap.ctr.get().into()).collect();
    let ats: Vec<Option<i64>> = taps.iter().map(|tap| millis(tap.at)).collect();
    let entries = taps.iter().map(|tap| tap.entry.as_ref());
    let (times, texts): (Vec<Option<i64>>, Vec<Option<&str>>) =
        entries.map(|entry| entry.map(|entry| (signed(entry.at.get()), &*entry.text)).unzip()).unzip();
    let recorded = if texts.iter().any(Option::is_some) { RECORDED } else { "" };
    let client = connections.get().await?;
    let rows = async {
        let statement = client.prepare_cached(&[ADVANCE, recorded, RESULT].concat()).await?;
        client.query(&statement, &[&ids, &ctrs, &ats, &times, &texts]).await
    };
    let rows = rows.await;
    finish(client);
    rows.map_err(StoreError::Postgres)?.iter().map(decided).collect()
}

fn decided(row: &Row) -> Result<(CounterId, Advance), StoreError> {
    let id = CounterId::from_bytes(id(row, 5)?);
    let now = stored_mark(row)?;
    let advance = if column(row, 6)? {
        Advance::Advanced { previous: previous_mark(row, now)?, now }
    } else {
        Advance::Stale { stored: now }
    };
    Ok((id, advance))
}
