//! Figures of the last hour, and the last taps.

use std::collections::BTreeMap;

use suntap::UnixMillis;

use super::lines::Rows;
use crate::ops::history::{Past, Recent, Span};
use crate::store::{Store, StoreError};

/// The number of the last taps.
const LAST: usize = 8;
/// The number of minutes in the figures.
pub(super) const MINUTES: usize = 60;
const MINUTE: u64 = 60 * 1000;

/// Figures of the last hour, or of a shorter time if the hour has too many entries.
#[derive(Debug)]
pub(super) struct Figures {
    /// The time that the figures are about. `None` if there are too many entries even for the shortest time.
    pub(super) span: Option<Span>,
    pub(super) accepted: u64,
    /// Refused requests by the word of their verdict.
    pub(super) refused: BTreeMap<String, u64>,
    pub(super) acts: u64,
    /// The requests of each minute, the last one first.
    pub(super) minutes: [Minute; MINUTES],
    /// The last taps.
    pub(super) last: Rows,
    /// The time in which the last taps were looked for.
    pub(super) last_span: Option<Span>,
    /// `true` if there are too many entries to look further back.
    pub(super) is_cut: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Minute {
    pub(super) all: u64,
    pub(super) refused: u64,
}

impl Figures {
    pub(super) async fn read(store: &Store, now: UnixMillis) -> Result<Self, StoreError> {
        let mut figures = Self {
            span: None,
            accepted: 0,
            refused: BTreeMap::new(),
            acts: 0,
            minutes: [Minute::default(); MINUTES],
            last: Rows::new(LAST),
            last_span: None,
            is_cut: false,
        };
        let mut recent = Recent::new(store, now);
        while recent.span() < Some(Span::HOUR) || !figures.last.is_full() {
            let Some(entries) = recent.next().await? else { break };
            let is_counted = recent.span() <= Some(Span::HOUR);
            for entry in &entries {
                let Some(past) = Past::new(entry) else { continue };
                if is_counted {
                    figures.count(now, entry.at, &past);
                }
                if matches!(past, Past::Tap { .. } | Past::Refused { .. }) {
                    figures.last.add(entry.at, &past);
                }
            }
        }
        figures.last_span = recent.span();
        figures.span = figures.last_span.map(|span| span.min(Span::HOUR));
        figures.is_cut = recent.is_cut();
        Ok(figures)
    }

    fn count(&mut self, now: UnixMillis, at: UnixMillis, past: &Past<'_>) {
        let (verdict, count) = match past {
            Past::Tap { verdict, .. } => (verdict, 1),
            Past::Refused { verdict, count, .. } => (verdict, *count),
            // The tap has been counted.
            Past::Seal { .. } | Past::Signal { .. } => return,
            Past::Admin { .. } => {
                self.acts = self.acts.saturating_add(1);
                return;
            }
        };
        let is_refused = verdict != "fresh";
        let sum = if is_refused { self.refused.entry(verdict.to_string()).or_default() } else { &mut self.accepted };
        *sum = sum.saturating_add(count);
        let age = now.get().saturating_sub(at.get()) / MINUTE;
        if let Some(minute) = usize::try_from(age).ok().and_then(|age| self.minutes.get_mut(age)) {
            minute.all = minute.all.saturating_add(count);
            minute.refused = minute.refused.saturating_add(if is_refused { count } else { 0 });
        }
    }

    /// Returns the number of refused requests.
    pub(super) fn all_refused(&self) -> u64 {
        self.refused.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
