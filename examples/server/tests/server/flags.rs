//! Flags: addresses, extreme values, and the text of errors.

use std::process::Command;

use crate::client::{Client, Server, get};
use crate::http::imported;
use crate::tags;

fn server_command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).env_remove("RUST_BACKTRACE");
    command
}

/// The exit code and standard error of a command that fails.
fn failed(args: &[&str]) -> (i32, String) {
    let output = server_command(args).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn extreme_values_are_refused_or_work() {
    const HUGE: &str = "18446744073709551615";
    for flag in ["--max-connections", "--timeout", "--group-commit", "--pool", "--cache-size"] {
        for value in ["0", HUGE, "99999999999999999999", "-1", ""] {
            let (code, text) = failed(&["serve", &format!("{flag}={value}")]);
            assert_eq!(code, 2, "{flag} {value}: {text}");
            assert!(text.starts_with("error: ") && text.contains(flag), "{flag} {value}: {text}");
        }
    }
    assert_eq!(failed(&["serve", &format!("--invalid-keys={HUGE}")]).0, 2);

    let (folder, _) = imported(&tags::levels());
    for values in [["1000000", "3600", "16384", "1024", "1048576", "4294967295"], ["1"; 6]] {
        let flags = ["--max-connections", "--timeout", "--group-commit", "--pool", "--cache-size", "--invalid-keys"];
        let mut command = server_command(&["serve", "--listen", "127.0.0.1:0", "--log", "error"]);
        command.args(flags.iter().zip(values).flat_map(|(flag, value)| [*flag, value]));
        command.arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
        let mut server = Server::spawn(command);
        let mut client = Client::new(&server.address).unwrap();
        assert_eq!(client.get("/healthz").unwrap().body, "ok\n");
        let wrong = client.post("/v1/tags/verify-authenticity", "API-Key: wrong\r\n", b"").unwrap();
        assert_eq!(wrong.status, 401);
        drop(client);
        assert!(server.terminate().success());
    }
}

/// The process may open hardly any files.
#[test]
#[cfg(unix)]
fn too_few_files_are_an_error() {
    for limit in [4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 23] {
        let script = format!("ulimit -n {limit}; exec \"$0\" --demo --listen 127.0.0.1:0");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_suntap-server")]).env_remove("RUST_BACKTRACE");
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let expected = format!("suntap-server: the limit of open files is {limit}, expected at least 24\n");
        assert_eq!((output.status.code(), text), (Some(1), expected));
    }
}

#[test]
fn a_host_can_be_a_name() {
    let mut command = server_command(&["--demo", "--listen", "localhost:0", "--log", "error"]);
    command.env("SUNTAP_STORE", "unused");
    let server = Server::spawn(command);
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    for (listen, cause) in [
        ("localhost", "expected a host and a port"),
        (":", "expected a host and a port"),
        ("127.0.0.1:99999", "expected a host and a port"),
        ("no-such-host.invalid:80", "expected a host and a port"),
        ("192.0.2.99:80", "address"),
    ] {
        let (code, text) = failed(&["--demo", "--listen", listen]);
        assert_eq!(code, 1);
        assert!(text.starts_with(&format!("suntap-server: --listen {listen}: ")) && text.contains(cause), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// The address in the lines of the demonstration is one that another device can open.
#[test]
fn all_addresses_are_shown_as_one_that_works() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let command = server_command(&["--demo", "--listen", listen, "--log", "error"]);
        let server = Server::spawn(command);
        assert!(!server.address.starts_with("0.0.0.0") && !server.address.contains("[::]"), "{}", server.address);
        assert_eq!(get(&server.address, "/healthz").body, "ok\n");
        // A machine with a network has an address that is not its loopback address.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            let expected = socket.local_addr().unwrap().ip().to_string();
            assert!(server.address.starts_with(&expected), "{} {expected}", server.address);
        }
    }
}

/// An error is one line that names the cause once.
#[test]
fn errors_name_the_cause() {
    let folder = tags::Folder::new();
    let secrets = folder.secrets();
    let secrets = secrets.to_str().unwrap();
    for (args, cause) in [
        (&["serve", "--secrets-file", "/nowhere/secrets.json"][..], "No such file or directory"),
        (&["import", "/nowhere/tags.ndjson"], "No such file or directory"),
        (&["serve", "--secrets-file", secrets, "--store", "/nowhere/data.redb"], "does not exist"),
        (&["serve", "--secrets-file", secrets, "--store", "redis://127.0.0.1:1"], "refused"),
    ] {
        let listen: &[&str] = if args[0] == "serve" { &["--listen", "127.0.0.1:0"] } else { &[] };
        let (code, text) = failed(&[args, listen].concat());
        assert_eq!(code, 1, "{args:?}: {text}");
        assert!(text.starts_with("suntap-server: ") && text.lines().count() == 1, "{text}");
        assert_eq!(text.matches(cause).count(), 1, "{text}");
    }
}
