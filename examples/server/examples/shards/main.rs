//! Simulates marks that are divided over eight shards: `shards [SEED]` prints one row for each scenario.
//!
//! The time is simulated, so the same seed gives the same table. A shard is one database: it decides one tap after another, and
//! keeps its marks while it is down. The front is the service that calls the shards, and the client is a server that calls the
//! service. An answer that the front gives without a shard costs no time.

use std::fmt::Write as _;

use anyhow::Context as _;

mod report;
mod scenario;
mod shard;
mod simulation;
mod traffic;

use self::report::{HEADER, Report};
use self::scenario::{Front, Load, Retries, Scenario};

/// The seed of the table in the guide.
const SEED: u64 = 424;

const SCENARIOS: [Scenario; 11] = [
    Scenario(Load::Uniform, Front::Short, Retries::Careful),
    Scenario(Load::Skewed, Front::Short, Retries::Naive),
    Scenario(Load::Skewed, Front::Short, Retries::Careful),
    Scenario(Load::Dead, Front::Shared, Retries::Careful),
    Scenario(Load::Dead, Front::Short, Retries::Naive),
    Scenario(Load::Dead, Front::Short, Retries::Careful),
    Scenario(Load::Returns, Front::Long, Retries::None),
    Scenario(Load::Returns, Front::Long, Retries::Naive),
    Scenario(Load::Returns, Front::Long, Retries::Careful),
    Scenario(Load::Returns, Front::Short, Retries::Naive),
    Scenario(Load::Returns, Front::Short, Retries::Careful),
];

fn table(seed: u64) -> anyhow::Result<String> {
    let mut text = HEADER.to_owned();
    for scenario in &SCENARIOS {
        let report = Report::new(scenario, &simulation::run(scenario, seed)?);
        let Scenario(load, front, retries) = scenario;
        writeln!(text, "| {load:?} | {front:?} | {retries:?} | {report} |")?;
    }
    Ok(text)
}

fn main() -> anyhow::Result<()> {
    let seed = std::env::args().nth(1).map_or(Ok(SEED), |text| text.parse()).context("shards [SEED]")?;
    print!("{}", table(seed)?);
    Ok(())
}

#[cfg(test)]
mod tests;
