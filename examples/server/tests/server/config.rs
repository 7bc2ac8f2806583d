//! The configuration file, and what `--check-config` says.

use std::process::{Command, Output};

use crate::client::{Server, get};
use crate::http::imported;
use crate::tags::{self, Folder};

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).env_remove("RUST_BACKTRACE");
    command
}

fn said(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap()
}

fn write(folder: &Folder, text: &str) -> String {
    let path = folder.path("suntap.toml");
    std::fs::write(&path, text).unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A file with the store and the secrets.
fn file(folder: &Folder, more: &str) -> String {
    let (store, secrets) = (folder.path("data.redb"), folder.secrets());
    let (store, secrets) = (store.display(), secrets.display());
    write(folder, &format!("store = '{store}'\nsecrets-file = '{secrets}'\nlisten = \"127.0.0.1:0\"\n{more}"))
}

#[test]
fn a_server_runs_from_a_file() {
    let (folder, _) = imported(&tags::levels());
    let file = file(&folder, "log = \"error\"\n[serve]\nmax-connections = 7\n");
    for args in [&["serve", "--config", &file][..], &["--config", &file]] {
        let server = Server::spawn(command(args));
        assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    }
    let mut by_variable = command(&["serve"]);
    by_variable.env("SUNTAP_CONFIG", &file);
    let server = Server::spawn(by_variable);
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    drop(server);
    // The other commands use the same store and secrets.
    let output = command(&["check", "--config", &file]).output().unwrap();
    assert_eq!(said(&output), "0 findings\n");
}

#[test]
fn check_config_shows_where_each_option_comes_from() {
    let folder = Folder::new();
    let file = file(&folder, "timeout = 20\npool = 3\nlog-uids = true\n");
    let mut check = command(&["serve", "--check-config", "--config", &file, "--pool", "4"]);
    check.env("SUNTAP_CACHE_SIZE", "65").env("SUNTAP_TIMEOUT", "30");
    let output = check.output().unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    let option = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(option("listen"), format!("127.0.0.1:0 {file}:3"));
    assert_eq!(option("timeout"), "30 environment SUNTAP_TIMEOUT");
    assert_eq!(option("pool"), "4 flag");
    assert_eq!(option("cache-size"), "65 environment SUNTAP_CACHE_SIZE");
    assert_eq!(option("log-uids"), format!("true {file}:6"));
    assert_eq!(option("demo"), "false default");
    assert_eq!(option("ops-listen"), "- default");
    assert_eq!(option("config"), format!("{file} flag"));
    assert!(text.contains("server secrets ") && text.ends_with("the configuration is valid\n"), "{text}");
    assert!(!text.contains("5E5E5E5E5E") && !text.contains("A1A1A1A1A1"), "{text}");
    // The store does not exist, and still does not.
    assert!(!folder.path("data.redb").exists());
}

#[test]
fn check_config_finds_what_is_wrong() {
    let folder = Folder::new();
    let check = |file: &str, more: &[&str]| {
        let output = command(&[&["serve", "--check-config", "--config", file], more].concat()).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("panicked"), "{text}");
        text
    };
    let listn = file(&folder, "listn = 1\n");
    assert!(
        check(&listn, &[]).starts_with(&format!("suntap-server: {listn}:4:1: unknown key `listn`, expected one of: "))
    );
    let broken = write(&folder, "store = \"postgres://u:s3cret@h/d\n");
    assert!(check(&broken, &[]).starts_with(&format!("suntap-server: {broken}:1:")));
    let missing = folder.path("missing.toml");
    assert!(check(missing.to_str().unwrap(), &[]).contains("No such file"));
    let good = file(&folder, "");
    assert!(check(&good, &["--listen", "nowhere"]).contains("--listen nowhere: expected a host and a port"));
    assert!(check(&good, &["--store", "mysql://u:s3cret@h/d"]).contains("--store: expected a path"));
    folder.write_secrets("{}");
    assert!(check(&good, &[]).contains("not in the format of a secrets file"));
    // Usage errors have the exit code of the argument parser.
    let output = command(&["serve", "--check-config", "--pool", "0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
#[cfg(unix)]
fn a_password_in_a_readable_file_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let file = write(
        &folder,
        &format!("store = \"postgres://u:s3cret@127.0.0.1:1/d\"\nsecrets-file = {:?}\n", folder.secrets()),
    );
    for (mode, is_warned) in [(0o600, false), (0o644, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let text = said(&command(&["serve", "--check-config", "--config", &file]).output().unwrap());
        assert_eq!(text.contains("can be read by other users"), is_warned, "{text}");
        assert!(text.contains("PostgreSQL (URL not shown)") && !text.contains("s3cret"), "{text}");
    }
    // Neither help nor a usage error shows the URL.
    for args in [&["serve", "--help"][..], &["serve", "--wrong"], &["check", "--pool=0"]] {
        let output = command(&[args, &["--config", &file]].concat()).output().unwrap();
        assert!(!said(&output).contains("s3cret"));
    }
}
