//! The graph of the last hour.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::figures::{MINUTES, Minute};
use super::number;

/// The size of the graph in units of its own. The style sets its size on the screen.
const HEIGHT: u64 = 1000;
const STEP: usize = 10;
const WIDTH: usize = MINUTES.saturating_sub(1).saturating_mul(STEP);

/// Draws the requests of each minute. `minutes` has the last minute first.
pub(super) fn plot(minutes: &[Minute; MINUTES]) -> Markup {
    let highest = minutes.iter().map(|minute| minute.all).max().unwrap_or_default();
    let last = minutes.first().copied().unwrap_or_default().all;
    let top = top(highest);
    let all = line(minutes.iter().map(|minute| minute.all), top);
    let refused = line(minutes.iter().map(|minute| minute.refused), top);
    let label = format!(
        "Taps per minute in the last hour. Last minute {}, highest {}.",
        indicatif::HumanCount(last),
        indicatif::HumanCount(highest)
    );
    html! {
        div.block-head {
            h2 #rate { "Taps per minute" }
            p.soft.small {
                "Last minute " strong.number { (number(last)) } ", highest " strong.number { (number(highest)) }
            }
        }
        div {
            p.axis { span { (number(top)) " a minute" } }
            svg.plot.plot-main.is-bad viewBox=(format_args!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(label) {
                path.grid d=(format_args!("M0 0H{WIDTH}M0 {}H{WIDTH}M0 {HEIGHT}H{WIDTH}", HEIGHT / 2)) {}
                path.area d=(format_args!("{all}V{HEIGHT}H0Z")) {}
                path d=(all) {}
                path.refused d=(refused) {}
            }
            p.axis { span { "60 minutes ago" } span { "now" } }
        }
        p.key {
            span { svg.plot viewBox="0 0 24 12" aria-hidden="true" { path d="M0 6H24" {} } "All" }
            span { svg.plot.is-bad viewBox="0 0 24 12" aria-hidden="true" { path.refused d="M0 6H24" {} } "Refused" }
        }
        p.soft.small { "A refusal is counted when its minute has ended." }
    }
}

/// Returns the path of a line through values, of which the first is at the right end.
fn line(values: impl DoubleEndedIterator<Item = u64>, top: u64) -> String {
    let mut path = String::new();
    for (index, value) in values.rev().enumerate() {
        let x = index.saturating_mul(STEP);
        let y = HEIGHT.saturating_sub(share(value, top, HEIGHT));
        // Writing into a string cannot fail.
        let _ = write!(path, "{}{x} {y}", if index == 0 { "M" } else { "L" });
    }
    path
}

/// Returns a part as a share of the whole, which is `full`.
pub(super) fn share(part: u64, whole: u64, full: u64) -> u64 {
    let share = u128::from(part).saturating_mul(full.into()).checked_div(whole.into()).unwrap_or_default();
    u64::try_from(share).unwrap_or(full)
}

/// Returns a round number that is not less than `highest`.
fn top(highest: u64) -> u64 {
    let powers = std::iter::successors(Some(10_u64), |power| power.checked_mul(10));
    let mut tops = powers.flat_map(|power| [1, 2, 5].map(|digit| power.saturating_mul(digit)));
    tops.find(|top| *top >= highest).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_minute_is_at_the_right_and_the_top_is_round() {
        let mut minutes = [Minute::default(); MINUTES];
        minutes[0] = Minute { all: 30, refused: 10 };
        minutes[59] = Minute { all: 40, refused: 0 };
        let plot = plot(&minutes).0;
        assert!(plot.contains("d=\"M0 200L10 1000L"), "{plot}");
        assert!(plot.contains("L590 400\"") && plot.contains("L590 800\"") && plot.contains("50 a minute"), "{plot}");
        for (highest, expected) in [(0, 10), (10, 10), (11, 20), (38, 50), (51, 100), (u64::MAX, u64::MAX)] {
            assert_eq!(top(highest), expected);
        }
        assert_eq!((share(1, 0, 100), share(u64::MAX, 1, 100), share(1, 3, 100)), (0, 100, 33));
    }
}
