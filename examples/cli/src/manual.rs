//! `suntap completions` and `suntap man`: for packagers and shells, made from the command line itself.

use std::io::Write;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Outcome;
use crate::args::Cli;

const COMPLETIONS_HELP: &str = "\
Examples:
  suntap completions bash > suntap.bash
  suntap completions fish > suntap.fish

Exit codes: 0 written, 2 an argument is wrong or writing fails";

/// Prints the completions of a shell
#[derive(clap::Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

const MAN_HELP: &str = "\
Examples:
  suntap man > suntap.1
  suntap man .

Exit codes: 0 written, 2 an argument is wrong or writing fails";

/// Prints the manual page, or writes the pages of all subcommands to a folder
#[derive(clap::Args)]
#[command(after_help = MAN_HELP)]
pub(crate) struct ManArgs {
    /// The folder for the pages. Without it, the page of suntap itself is printed
    folder: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, out: &mut impl Write) -> Outcome {
    // `clap_complete` panics if writing fails, so it writes to memory.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "suntap", &mut script);
    out.write_all(&script)?;
    Ok(true)
}

pub(crate) fn man(args: &ManArgs, out: &mut impl Write) -> Outcome {
    match &args.folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            clap_mangen::generate_to(Cli::command(), folder)?;
        }
        None => clap_mangen::Man::new(Cli::command()).render(out)?,
    }
    Ok(true)
}
