use super::*;
use crate::report::Recovery;

fn report(scenario: usize, seed: u64) -> Report {
    let scenario = &SCENARIOS[scenario];
    Report::new(scenario, &simulation::run(scenario, seed).unwrap())
}

/// The guide has the table that this program prints. A run also fails if a tap is accepted twice.
#[test]
fn the_same_seed_gives_the_table_of_the_guide() {
    let table = table(SEED).unwrap();
    assert!(include_str!("../../../../src/guide/scaling.md").contains(&table), "{table}");
}

#[test]
fn another_seed_gives_the_same_picture() {
    let [uniform, shared, short, storm, calm] = [0, 3, 5, 7, 10].map(|scenario| report(scenario, 1));
    assert!(uniform.watched < 0.01 && uniform.others < 0.01, "{uniform}");
    assert!(shared.others > 0.3, "{shared}");
    assert!(short.watched > 0.7 && short.others < 0.01, "{short}");
    // The seven other shards accept as much as before, and the dead one accepted for the first ten seconds.
    let expected = uniform.accepted * (7.0 + 10.0 / 60.0) / 8.0;
    assert!((short.accepted / expected - 1.0).abs() < 0.02, "{short}");
    assert_eq!(storm.recovery, Recovery::Never, "{storm}");
    assert!(matches!(calm.recovery, Recovery::After(0 | 1)), "{calm}");
}

/// The counter of a tap whose answer was lost has advanced, so its retry is a replay.
#[test]
fn a_retry_after_a_lost_answer_is_a_replay() {
    let outcome = simulation::run(&SCENARIOS[0], 7).unwrap();
    let retried: Vec<_> = outcome.taps.iter().filter(|tap| tap.is_accepted && tap.is_hurt).collect();
    assert!(retried.len() > 50);
    let told = retried.iter().filter_map(|tap| tap.verdict);
    assert!(told.clone().count() > 50);
    assert!(told.clone().all(|(is_fresh, _)| !is_fresh));
}
