//! The counters of one request. They record what happens to the tap.

use std::time::Instant;

use suntap::platform::{Accepted, Failure, Refusal, TapValues, Verdict};
use suntap::risk::Signal;
use suntap::{Advance, AsyncCounterStore, CounterId, SdmReadCtr, UnixMillis};

use super::{App, Verdicts, risk};
use crate::http::Sender;
use crate::http::page::Seal;
use crate::ops::history::{History, Line, counter_text};
use crate::ops::metrics::{Api, word};
use crate::registry::Registry;
use crate::store::{self, Entry, StoreError, Stream};
use crate::time::now;
use crate::trace;

/// The counters of one request. An accepted tap gets an entry of the history with the commit of its counter.
#[derive(Debug)]
pub(crate) struct Recording<'a> {
    app: &'a App,
    api: Api,
    registry: &'a Registry<'a>,
    sender: &'a Sender,
    started: Instant,
    /// The last counter that did not advance.
    stale: Option<CounterId>,
}

impl<'a> Recording<'a> {
    pub(super) fn new(app: &'a App, api: Api, registry: &'a Registry<'a>, sender: &'a Sender) -> Self {
        Self { app, api, registry, sender, started: Instant::now(), stale: None }
    }

    fn entry(
        &self,
        at: UnixMillis,
        verdict: &str,
        signal: Option<&str>,
        tag: &str,
        id: Option<&CounterId>,
        ctr: Option<SdmReadCtr>,
    ) -> Entry {
        let line = Line::Tap {
            verdict,
            signal,
            tag,
            counter_id: id.map(counter_text),
            ctr: ctr.map(SdmReadCtr::get),
            api: self.api.name(),
            client: self.sender.address,
            request: self.sender.request.to_string(),
        };
        line.entry(at)
    }

    /// Counts a verdict, writes it to the log, and records it unless the counter has.
    pub(crate) async fn note(&self, verdict: &Verdicts) {
        let word = word(verdict.as_ref());
        let time = self.started.elapsed();
        self.app.metrics.count(self.api, word, time);
        trace::decided(word);
        self.log(verdict, word, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        let signals: Vec<_> = match verdict {
            Some(Ok(verdict)) => risk::signals_of(verdict, now()).collect(),
            _ => Vec::new(),
        };
        for signal in &signals {
            self.app.metrics.count_signal(*signal);
        }
        let Some(history) = &self.app.history else { return };
        let (tag, ctr) = (self.registry.found(), verdict_tap(verdict).map(|tap| tap.ctr));
        match (verdict, &tag) {
            (Some(Ok(Verdict::Fresh(Accepted { tap, .. }))), _) => {
                self.note_accepted(history, &tag.unwrap_or_default(), tap, &signals).await;
            }
            // It has a valid MAC.
            (Some(Ok(Verdict::Refused(Refusal::Replayed { .. }))), Some(tag)) => {
                let id = self.stale.as_ref();
                let signal = signals.first().map(|signal| signal.name());
                history.replayed(word, tag, |at| self.entry(at, word, signal, tag, id, ctr));
            }
            _ => history.refused(word, tag.as_deref()),
        }
    }

    /// Records signals of an accepted tap, and that its seal was opened. The commit of the counter does not know them, so this is another
    /// write, before the answer: a client that has the answer knows that the lines are in the history.
    async fn note_accepted(&self, history: &History, tag: &str, tap: &TapValues, signals: &[Signal]) {
        let seal = match Seal::new(tap.tamper) {
            Seal::Open => Some("open"),
            Seal::OpenedBefore => Some("opened_before"),
            Seal::None | Seal::Closed | Seal::Unknown => None,
        };
        let (api, client, ctr) = (self.api.name(), self.sender.address, tap.ctr.get());
        let request = || self.sender.request.to_string();
        let seal = seal.map(|seal| Line::Seal { seal, tag, ctr, api, client, request: request() });
        let signals = signals.iter().map(|signal| {
            let (skipped, left) = match signal {
                Signal::Gap { skipped } => (Some(*skipped), None),
                Signal::NearLimit { left } => (None, Some(*left)),
                _ => (None, None),
            };
            Line::Signal { signal: signal.name(), skipped, left, tag, ctr, api, client, request: request() }
        });
        let at = now().unwrap_or(UnixMillis::new(0));
        let entries: Vec<_> = seal.into_iter().chain(signals).map(|line| line.entry(at)).collect();
        let count = entries.len();
        if let Err(error) = self.app.store.append(Stream::Records, entries).await {
            history.drop_entries(count);
            tracing::warn!(%error, "a seal or a signal could not be written to the history");
        }
    }

    fn log(&self, verdict: &Verdicts, word: &'static str, micros: u64) {
        let api = self.api.name();
        let (client, request) = (self.sender.address.map(tracing::field::display), &self.sender.request);
        let tag = self.registry.found().unwrap_or_default();
        match verdict {
            // Anybody can send these requests, and they are not about a tag.
            None => tracing::debug!(api, verdict = word, client, %request, micros),
            Some(Err(Failure::Registry(error) | Failure::Counters(error))) => {
                tracing::error!(api, verdict = word, tag, client, %request, micros, %error);
            }
            Some(Ok(_)) => {
                let tap = verdict_tap(verdict);
                let uid = tap.and_then(|tap| tap.uid).map(|uid| {
                    let digits = uid.to_string();
                    // The first digits are those of the manufacturer.
                    if self.app.log_uids { digits } else { format!("…{}", digits.get(10..).unwrap_or_default()) }
                });
                let (uid, ctr) = (uid.unwrap_or_default(), tap.map(|tap| tap.ctr.get()));
                tracing::info!(api, verdict = word, tag, uid, ctr, client, %request, micros);
            }
        }
    }
}

impl AsyncCounterStore for Recording<'_> {
    type Error = StoreError;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        let App { store, history, .. } = self.app;
        let Some(history) = history else { return store.advance_recorded(id, ctr, at, None).await };
        let recording = store.recording();
        let tag = self.registry.found().unwrap_or_default();
        let entry = self.entry(at.unwrap_or(UnixMillis::new(0)), "fresh", None, &tag, Some(id), Some(ctr));
        let (entry, later) = match recording {
            store::Recording::WithCounter => (Some(entry), None),
            store::Recording::Later => (None, Some(entry)),
            store::Recording::Off => (None, None),
        };
        let advance = store.advance_recorded(id, ctr, at, entry).await?;
        match (advance, recording, later) {
            (Advance::Stale { .. }, ..) => self.stale = Some(*id),
            (_, _, Some(entry)) => history.queue(Stream::Records, entry),
            (_, store::Recording::Off, _) => history.drop_entries(1),
            (_, store::Recording::WithCounter | store::Recording::Later, _) => {}
        }
        Ok(advance)
    }
}

fn verdict_tap(verdict: &Verdicts) -> Option<&TapValues> {
    match verdict {
        Some(Ok(Verdict::Fresh(Accepted { tap, .. }) | Verdict::Refused(Refusal::Replayed { tap, .. }))) => Some(tap),
        _ => None,
    }
}
