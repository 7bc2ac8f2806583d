//! The tool as its user sees it: output, errors and exit codes. There is one module for each subcommand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

mod batch;
mod certificate;
mod doctor;
mod emulate;
mod help;
mod key;
mod layout;
mod secrets;
mod settings;
mod verify;

const SAMPLE: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
const TEMPLATE: &str = "https://ntag.nxp.com/424?e={picc}&c={mac}";
const ZERO: &str = "00000000000000000000000000000000";

/// What a run of the program printed.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// Returns the JSON object in each line of the output.
    fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the only JSON object of the output.
    fn json(&self) -> Value {
        assert_eq!((&*self.err, self.out.lines().count()), ("", 1), "{}", self.out);
        serde_json::from_str(&self.out).unwrap()
    }
}

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_suntap"))
}

/// Runs the program with arguments and standard input.
fn suntap(args: &[&str], input: &str) -> Ran {
    run(command().args(args), input)
}

fn run(command: &mut Command, input: &str) -> Ran {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // Writing and reading run in parallel, because either pipe may be full. A program that exits early does not
        // read all input.
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap_or_default());
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Checks that the arguments are rejected in one line, which does not contain `secret`.
fn assert_rejected(args: &[&str], secret: &str) {
    let ran = suntap(args, "");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{args:?}: {}", ran.err);
    assert!(ran.err.starts_with("suntap: ") && !ran.err.contains(secret), "{args:?}: {}", ran.err);
}

/// Returns the taps of the vectors.
fn vectors() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../../../tests/vectors/sun-vectors.json")).unwrap();
    vectors["taps"].as_array().unwrap().clone()
}
