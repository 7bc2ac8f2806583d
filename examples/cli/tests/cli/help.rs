//! Help, examples in the help, completions, manual pages, and errors that concern every subcommand.

use std::process::Command;

use crate::{assert_rejected, run, suntap};

/// Each subcommand, and the exit code of each example in its help.
const EXAMPLES: &[(&[&str], &[i32])] = &[
    (&["verify"], &[0, 0, 0]),
    (&["doctor"], &[1, 1, 0]),
    (&["emulate"], &[0, 0, 0]),
    (&["layout"], &[0, 0, 0, 0]),
    (&["settings"], &[0, 0, 0, 1]),
    (&["key", "derive"], &[0, 0, 0]),
    (&["key", "identify"], &[0, 0]),
    (&["key", "new"], &[0, 0]),
    (&["key", "certificate"], &[0, 0]),
    (&["completions"], &[0, 0]),
    (&["man"], &[0, 0]),
];

/// Returns the commands below "Examples:".
fn examples(help: &str) -> Vec<String> {
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let (examples, _) = examples.split_once("\n\n").unwrap();
    let mut commands: Vec<String> = Vec::new();
    for line in examples.lines() {
        match commands.last_mut() {
            Some(command) if command.ends_with(['\\', '|', '&']) => {
                command.push('\n');
                command.push_str(line);
            }
            _ => commands.push(line.to_owned()),
        }
    }
    commands
}

#[test]
fn each_example_in_the_help_works() {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_suntap"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let folder = tempfile::tempdir().unwrap();
    for (subcommand, codes) in EXAMPLES {
        let help = suntap(&[subcommand, &["--help"][..]].concat(), "");
        assert_eq!((help.code, &*help.err), (0, ""));
        assert!(help.out.contains("\nExit codes:"), "{subcommand:?}");
        let commands = examples(&help.out);
        assert_eq!(commands.len(), codes.len(), "{subcommand:?}");
        for (command, code) in commands.iter().zip(*codes) {
            assert!(command.contains(&subcommand.join(" ")), "{command}");
            let ran = run(Command::new("sh").args(["-c", command]).env("PATH", &path).current_dir(folder.path()), "");
            assert_eq!((ran.code, &*ran.err), (*code, ""), "{command}\n{}", ran.out);
        }
    }
}

#[test]
fn the_help_and_the_version_are_printed() {
    let help = suntap(&["--help"], "");
    assert!(help.code == 0 && help.out.contains("Usage: suntap") && help.out.contains("Exit codes:"));
    assert!(suntap(&["--version"], "").out.starts_with("suntap 0."));
    let nothing = suntap(&[], "");
    assert!(nothing.code == 2 && nothing.out.is_empty() && nothing.err.contains("Usage: suntap"));
}

#[test]
fn templates_and_schemes_are_explained() {
    let help = |subcommand: &str| suntap(&[subcommand, "--help"], "").out;
    for element in ["{picc:uid,ctr}", "{enc:N}", "{enc:N,tt@K}", "{tt}", "{:name}", "[["] {
        assert!(help("layout").contains(element), "{element}");
    }
    for subcommand in ["doctor", "verify", "emulate"] {
        assert!(help(subcommand).contains("suntap layout --help"), "{subcommand}");
    }
    for scheme in ["static", "an10922", "cmac", "boltcard", "sdm_backend", "sdm_backend_legacy"] {
        let (_, batch) = help("verify").split_once("Batch:").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert!(batch.contains(scheme), "{scheme}");
    }
}

#[test]
fn completions_and_manual_pages_name_the_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = suntap(&["completions", shell], "");
        assert!(ran.code == 0 && ran.out.contains("meta-key"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert_eq!(suntap(&["man", pages.to_str().unwrap()], "").code, 0);
    let page = std::fs::read_to_string(pages.join("suntap-verify.1")).unwrap();
    assert!(page.contains("meta\\-key") && page.contains("Exit codes"));
}

#[test]
fn wrong_arguments_are_rejected_without_repeating_values() {
    let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
    for args in [
        &["nonsense"][..],
        &[secret],
        &["layout", "https://a.b/{mac}", secret],
        &["layout", "https://a.b/{mac}", "--ctr-ret", secret],
        &["layout", "https://a.b/{mac}", "--limit", secret],
        &["settings", secret, "--mode", secret],
        &["emulate", "--template", "https://a.b/{mac}", &format!("--kex={secret}")],
        &["emulate", "--template", "https://a.b/{mac}", "--count", secret],
        &["key", "derive", "an10922", "--master-key", secret, "--uid", secret],
        &["key", "derive", secret],
        &["key", "new", "--count", "0"],
        &["completions", secret],
        &["man", "/dev/null/pages"],
    ] {
        assert_rejected(args, secret);
    }
    let typo = suntap(&["emulate", "--metakey", secret], "");
    assert!(typo.err.contains("--metakey") && typo.err.contains("did you mean --meta-key"), "{}", typo.err);
}

#[test]
fn colours_are_only_for_terminals_and_can_be_turned_off() {
    let coloured = |name: &str| run(crate::command().args(["doctor"]).env(name, "1"), "").out.contains('\x1b');
    assert!(coloured("CLICOLOR_FORCE") && !coloured("NO_COLOR") && !coloured("SUNTAP_TEST"));
}
