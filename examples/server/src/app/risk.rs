//! Signals from the history of a tag. Of each tag, the server keeps the last accepted tap.

use suntap::platform::{Accepted, Refusal, Verdict};
use suntap::risk::{Decision, Limits, Signal, Tap, signals};
use suntap::{Mark, SdmReadCtr, UnixMillis};

/// Returns the signals of a genuine tap: one that is fresh, or a replay. Other verdicts have none, because anybody can cause them.
pub(super) fn signals_of(verdict: &Verdict, at: Option<UnixMillis>) -> impl Iterator<Item = Signal> + use<> {
    let compared = match verdict {
        Verdict::Fresh(Accepted { tap, previous, .. }) => Some((Decision::Fresh, tap.ctr, *previous)),
        Verdict::Refused(Refusal::Replayed { tap, stored }) => Some((Decision::Replayed, tap.ctr, Some(*stored))),
        Verdict::Refused(_) => None,
    };
    compared.into_iter().flat_map(move |(decision, ctr, last)| {
        let earlier = last.map(|Mark { ctr, at, .. }| at_counter(Decision::Fresh, ctr, at));
        signals(&earlier, &at_counter(decision, ctr, at), &Limits::default())
    })
}

fn at_counter(decision: Decision, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Tap {
    Tap { ctr: Some(ctr), at, ..Tap::new(decision) }
}
