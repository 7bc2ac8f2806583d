//! The events of a run, in the order of their times.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use fastrand::Rng;
use suntap::{CounterId, SdmReadCtr};

use crate::scenario::{Front, Load, Retries, Scenario};
use crate::shard::{Call, Shard};
use crate::traffic::{END, Traffic, exponential};

const SHARDS: usize = 8;
/// The mean time, in seconds, in which a shard decides a tap.
const DECIDING: f64 = 0.005;
/// How long a client waits for an answer.
const TIME_OUT: Duration = Duration::from_secs(1);
/// How long the front waits for a shard, like the default of the server.
const PATIENCE: Duration = Duration::from_secs(5);
/// The share of answers that do not reach their client.
const LOST: f64 = 0.002;
/// Retries that each tap adds to the budget of careful clients, and the most that they save.
const RETRY_SHARE: f64 = 0.1;
const SAVED: f64 = 100.0;

/// A tap and what its client knows.
pub(crate) struct Tap {
    id: CounterId,
    ctr: SdmReadCtr,
    pub(crate) shard: usize,
    pub(crate) start: Duration,
    attempts: u32,
    /// The attempt whose answer the client waits for.
    waits_for: Option<u32>,
    /// The first request was not answered with a verdict.
    pub(crate) is_hurt: bool,
    /// A shard advanced the counter for it.
    pub(crate) is_accepted: bool,
    /// The client was told that the tap is new, or a replay, at this time.
    pub(crate) verdict: Option<(bool, Duration)>,
}

/// What happened in a run.
pub(crate) struct Outcome {
    pub(crate) taps: Vec<Tap>,
    /// Requests that were answered with 503.
    pub(crate) unavailable: usize,
    /// The shard of the most popular tag.
    pub(crate) watched: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival,
    Request { tap: usize },
    TimeOut { tap: usize, attempt: u32 },
    Decided { shard: usize },
    Deadline { shard: usize },
    Outage { shard: usize, is_down: bool },
}

struct Run<'s> {
    scenario: &'s Scenario,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    /// Orders events of the same time.
    sequence: u64,
    traffic: Traffic,
    rng: Rng,
    shards: Vec<Shard>,
    /// Every tap that advanced a counter. Unlike the marks, it does not depend on the shard.
    accepted: HashSet<(CounterId, SdmReadCtr)>,
    /// Retries that careful clients may still make.
    budget: f64,
    outcome: Outcome,
}

/// Fails if a tap is accepted twice.
pub(crate) fn run(scenario: &Scenario, seed: u64) -> anyhow::Result<Outcome> {
    let traffic = Traffic::new(scenario.0 == Load::Skewed, seed);
    let watched = shard_of(traffic.first().context("no tags")?);
    let mut run = Run {
        scenario,
        now: Duration::ZERO,
        events: BinaryHeap::new(),
        sequence: 0,
        traffic,
        // The traffic has a generator of its own, so all scenarios with the same skew have the same taps.
        rng: Rng::with_seed(!seed),
        shards: (0..SHARDS).map(|_| Shard::default()).collect(),
        accepted: HashSet::new(),
        budget: SAVED,
        outcome: Outcome { taps: Vec::new(), unavailable: 0, watched },
    };
    if let Some(outage) = scenario.outage() {
        run.after(Duration::from_secs(outage.start), Event::Outage { shard: watched, is_down: true });
        run.after(Duration::from_secs(outage.end), Event::Outage { shard: watched, is_down: false });
    }
    run.after(Duration::ZERO, Event::Arrival);
    while let Some(Reverse((time, _, event))) = run.events.pop() {
        run.now = time;
        run.handle(event)?;
    }
    Ok(run.outcome)
}

/// The bytes of an id are spread evenly, so they need no further hash.
fn shard_of(id: CounterId) -> usize {
    let [first, ..] = *id.as_bytes();
    usize::from(first).checked_rem(SHARDS).unwrap_or_default()
}

impl Run<'_> {
    fn after(&mut self, pause: Duration, event: Event) {
        self.events.push(Reverse((self.now.saturating_add(pause), self.sequence, event)));
        self.sequence = self.sequence.saturating_add(1);
    }

    fn tap(&mut self, number: usize) -> anyhow::Result<&mut Tap> {
        self.outcome.taps.get_mut(number).context("no such tap")
    }

    fn shard(&mut self, number: usize) -> anyhow::Result<&mut Shard> {
        self.shards.get_mut(number).context("no such shard")
    }

    fn handle(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Arrival => self.arrive(),
            Event::Request { tap } => self.request(tap),
            Event::TimeOut { tap, attempt } => match self.tap(tap)?.waits_for {
                Some(waits_for) if waits_for == attempt => self.fail(tap),
                _ => Ok(()),
            },
            Event::Decided { shard } => self.decide(shard),
            Event::Deadline { shard } => self.give_up(shard),
            Event::Outage { shard, is_down } => {
                self.shard(shard)?.is_down = is_down;
                self.take_next(shard)
            }
        }
    }

    fn arrive(&mut self) -> anyhow::Result<()> {
        let (id, ctr) = self.traffic.tap(self.now)?;
        let tap = self.outcome.taps.len();
        let (shard, start) = (shard_of(id), self.now);
        let (attempts, waits_for, is_hurt, is_accepted, verdict) = (0, None, false, false, None);
        self.outcome.taps.push(Tap { id, ctr, shard, start, attempts, waits_for, is_hurt, is_accepted, verdict });
        self.budget = (self.budget + RETRY_SHARE).min(SAVED);
        let pause = self.traffic.pause();
        if self.now.saturating_add(pause) < END {
            self.after(pause, Event::Arrival);
        }
        self.request(tap)
    }

    fn request(&mut self, number: usize) -> anyhow::Result<()> {
        let tap = self.tap(number)?;
        tap.attempts = tap.attempts.saturating_add(1);
        tap.waits_for = Some(tap.attempts);
        let (attempt, shard) = (tap.attempts, tap.shard);
        self.after(TIME_OUT, Event::TimeOut { tap: number, attempt });
        let calls = self.shard(shard)?.calls();
        let is_full = match self.scenario.1 {
            Front::Short => calls >= 32,
            Front::Long => calls >= 1000,
            Front::Shared => self.shards.iter().map(Shard::calls).sum::<usize>() >= 256,
        };
        let call = Call { tap: number, attempt, deadline: self.now.saturating_add(PATIENCE) };
        if is_full {
            return self.answer(&call, None);
        }
        self.shard(shard)?.queue.push_back(call);
        self.after(PATIENCE, Event::Deadline { shard });
        self.take_next(shard)
    }

    fn take_next(&mut self, number: usize) -> anyhow::Result<()> {
        let shard = self.shard(number)?;
        if shard.is_down || shard.current.is_some() {
            return Ok(());
        }
        shard.current = shard.queue.pop_front();
        if shard.current.is_some() {
            let time = exponential(&mut self.rng, DECIDING);
            self.after(time, Event::Decided { shard: number });
        }
        Ok(())
    }

    fn decide(&mut self, number: usize) -> anyhow::Result<()> {
        let call = self.shard(number)?.current.take().context("no current call")?;
        let tap = self.tap(call.tap)?;
        let (id, ctr) = (tap.id, tap.ctr);
        let is_fresh = self.shard(number)?.advance(id, ctr);
        if is_fresh {
            ensure!(self.accepted.insert((id, ctr)), "{id:?} was accepted twice with the counter {}", ctr.get());
            self.tap(call.tap)?.is_accepted = true;
        }
        // A shard that failed meanwhile has the mark, but does not answer.
        if !self.shard(number)?.is_down {
            self.answer(&call, Some(is_fresh))?;
        }
        self.take_next(number)
    }

    /// Answers the calls that waited too long.
    fn give_up(&mut self, number: usize) -> anyhow::Result<()> {
        let now = self.now;
        while self.shard(number)?.queue.front().is_some_and(|call| call.deadline <= now) {
            let call = self.shard(number)?.queue.pop_front().context("no call")?;
            self.answer(&call, None)?;
        }
        Ok(())
    }

    /// Answers a call with a verdict, or with 503.
    fn answer(&mut self, call: &Call, is_fresh: Option<bool>) -> anyhow::Result<()> {
        if is_fresh.is_none() {
            self.outcome.unavailable = self.outcome.unavailable.saturating_add(1);
        }
        let (is_lost, at) = (self.rng.f64() < LOST, self.now);
        let tap = self.tap(call.tap)?;
        if is_lost || tap.waits_for != Some(call.attempt) {
            return Ok(());
        }
        let Some(is_fresh) = is_fresh else { return self.fail(call.tap) };
        (tap.waits_for, tap.verdict) = (None, Some((is_fresh, at)));
        Ok(())
    }

    /// Ends an attempt without a verdict.
    fn fail(&mut self, number: usize) -> anyhow::Result<()> {
        let tap = self.tap(number)?;
        (tap.waits_for, tap.is_hurt) = (None, true);
        let attempts = tap.attempts;
        match self.scenario.2 {
            Retries::Naive if attempts < 20 => {
                self.after(Duration::from_millis(100), Event::Request { tap: number });
            }
            Retries::Careful if attempts < 5 && self.budget >= 1.0 => {
                self.budget -= 1.0;
                let longest = Duration::from_millis(100).saturating_mul(2_u32.saturating_pow(attempts));
                let pause = longest.mul_f64(self.rng.f64());
                self.after(pause, Event::Request { tap: number });
            }
            _ => {}
        }
        Ok(())
    }
}
