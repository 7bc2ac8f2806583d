//! `suntap key`: derives, finds and creates keys, and reads certificates.

mod certificate;
mod derive;
mod identify;
mod new;

use std::io::Write;

use clap::Subcommand;

use crate::Outcome;

/// Derives, finds and creates keys, and reads certificates
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Derive(derive::Args),
    Identify(identify::Args),
    New(new::Args),
    Certificate(certificate::Args),
}

pub(crate) fn run(args: Args, out: &mut impl Write) -> Outcome {
    match args.command {
        Command::Derive(args) => derive::run(&args, out),
        Command::Identify(args) => identify::run(&args, out),
        Command::New(args) => new::run(&args, out),
        Command::Certificate(args) => certificate::run(&args, out),
    }
}
