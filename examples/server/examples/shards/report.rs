//! The figures of a row.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::scenario::Scenario;
use crate::simulation::{Outcome, Tap};
use crate::traffic::END;

pub(crate) const HEADER: &str = "\
| load | front | retries | accepted/s | replay/s | 503/s | p50 ms | p99 ms | its shard | others | not told | back after |
|---|---|---|---|---|---|---|---|---|---|---|---|
";

pub(crate) struct Report {
    /// Taps a second whose clients were told that they are new.
    pub(crate) accepted: f64,
    replays: f64,
    unavailable: f64,
    p50: Duration,
    p99: Duration,
    /// The share of taps whose first request got no verdict: of the shard of the most popular tag, and of the others.
    pub(crate) watched: f64,
    pub(crate) others: f64,
    /// The share of accepted taps whose clients were told that they are replays, or nothing.
    not_told: f64,
    pub(crate) recovery: Recovery,
}

/// Says when at least 95% of the first requests get a verdict again after a shard has returned.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    NoReturn,
    /// After so many seconds.
    After(u64),
    Never,
}

impl Report {
    pub(crate) fn new(scenario: &Scenario, outcome: &Outcome) -> Self {
        let told = |tap: &&Tap| tap.verdict.map(|(is_fresh, _)| is_fresh);
        let per_second = |number| count(number) / END.as_secs_f64();
        let taps = || outcome.taps.iter();
        let (watched, others): (Vec<_>, _) = taps().partition(|tap| tap.shard == outcome.watched);
        let mut times: Vec<_> = taps().filter_map(|tap| Some(tap.verdict?.1.saturating_sub(tap.start))).collect();
        times.sort_unstable();
        let percentile = |percent: usize| {
            let place = times.len().saturating_mul(percent).checked_div(100);
            place.and_then(|place| times.get(place)).copied().unwrap_or_default()
        };
        let accepted: Vec<_> = taps().filter(|tap| tap.is_accepted).collect();
        let outage = scenario.outage().filter(|outage| outage.end < END.as_secs());
        Self {
            accepted: per_second(taps().filter(|tap| told(tap) == Some(true)).count()),
            replays: per_second(taps().filter(|tap| told(tap) == Some(false)).count()),
            unavailable: per_second(outcome.unavailable),
            p50: percentile(50),
            p99: percentile(99),
            not_told: share(&accepted, |tap| told(&tap) != Some(true)),
            recovery: outage.map_or(Recovery::NoReturn, |outage| recovery(&watched, outage.end)),
            watched: share(&watched, |tap| tap.is_hurt),
            others: share(&others, |tap| tap.is_hurt),
        }
    }
}

fn recovery(taps: &[&Tap], up: u64) -> Recovery {
    let mut seconds: BTreeMap<u64, Vec<&Tap>> = BTreeMap::new();
    for tap in taps {
        seconds.entry(tap.start.as_secs()).or_default().push(tap);
    }
    let last_bad = seconds.iter().rev().find(|(_, taps)| share(taps, |tap| tap.is_hurt) > 0.05);
    let good = last_bad.map_or(up, |(second, _)| up.max(second.saturating_add(1)));
    if good < END.as_secs() { Recovery::After(good.saturating_sub(up)) } else { Recovery::Never }
}

fn share(taps: &[&Tap], is_counted: impl Fn(&Tap) -> bool) -> f64 {
    count(taps.iter().filter(|tap| is_counted(tap)).count()) / count(taps.len().max(1))
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::INFINITY, f64::from)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} | {:.0} | {:.0} | ", self.accepted, self.replays, self.unavailable)?;
        write!(f, "{} | {}", self.p50.as_millis(), self.p99.as_millis())?;
        for share in [self.watched, self.others, self.not_told] {
            write!(f, " | {:.1}%", 100.0 * share)?;
        }
        match self.recovery {
            Recovery::NoReturn => f.write_str(" | -"),
            Recovery::After(seconds) => write!(f, " | {seconds} s"),
            Recovery::Never => f.write_str(" | never"),
        }
    }
}
