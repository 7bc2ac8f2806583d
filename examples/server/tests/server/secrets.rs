//! Where the secrets come from, and the rotation of the secret that names API keys and tokens.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::client::{Client, Server, get};
use crate::counters::{etrnl_body, etrnl_tag};
use crate::tags::{self, Folder, SECRETS};

const OLD: &str = "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1";
const NEW: &str = "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2";

fn said(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap()
}

/// A store with a tag, and a command that reads the secrets.
fn check(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("check").arg("--store").arg(folder.path("data.redb")).args(args).env_remove("RUST_BACKTRACE");
    command
}

fn import(folder: &Folder, lines: &[Value]) -> String {
    let path = folder.path("lines.ndjson");
    tags::write(&path, lines);
    folder.print(&["import", path.to_str().unwrap()])
}

fn accepted(command: &mut Command) {
    let output = command.output().unwrap();
    assert_eq!(said(&output), "0 findings\n");
}

fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("5E5E5E5E") && !said.contains("panicked"), "{said}");
    said
}

#[test]
fn secrets_come_from_exactly_one_source() {
    let folder = Folder::new();
    import(&folder, &[tags::levels(), vec![tags::line(1)]].concat());
    let file = folder.secrets();
    let file = file.to_str().unwrap();
    let by_file = ["--secrets-file", file];

    accepted(&mut check(&folder, &by_file));
    accepted(check(&folder, &[]).env("SUNTAP_SECRETS_FILE", file));
    accepted(check(&folder, &[]).env("SUNTAP_SECRETS", SECRETS));
    // An empty variable is no source.
    accepted(check(&folder, &by_file).env("SUNTAP_SECRETS", ""));

    let said = refused(&mut check(&folder, &[]));
    assert!(said.contains("no secrets: create a file with `suntap-server secrets new FILE`"), "{said}");
    let said = refused(check(&folder, &by_file).env("SUNTAP_SECRETS", SECRETS));
    let expected = format!("the secrets have two sources: secrets file {file} and variable SUNTAP_SECRETS");
    assert!(said.contains(&expected), "{said}");
    let said = refused(check(&folder, &["--secrets-fd", "0"]).env("SUNTAP_SECRETS_FILE", file));
    let expected = format!("two sources: secrets file {file} and file descriptor 0 (--secrets-fd)");
    assert!(said.contains(&expected), "{said}");
    let said = refused(check(&folder, &["--secrets-credential", "x"]).env("SUNTAP_SECRETS", SECRETS));
    assert!(said.contains("two sources: credential x and variable SUNTAP_SECRETS"), "{said}");

    let long = format!("{}{}", " ".repeat(1024 * 1024), SECRETS);
    std::fs::write(file, &long).unwrap();
    assert!(refused(&mut check(&folder, &by_file)).contains("the text must have at most 1048576 bytes"));
    std::fs::write(file, &long[long.len() - 1024 * 1024..]).unwrap();
    accepted(&mut check(&folder, &by_file));
    std::fs::write(file, b"\xFF5E5E5E5E").unwrap();
    assert!(refused(&mut check(&folder, &by_file)).contains("not valid UTF-8"));
}

#[test]
#[cfg(unix)]
fn secrets_come_from_a_descriptor() {
    let folder = Folder::new();
    import(&folder, &[tags::levels(), vec![tags::line(1)]].concat());
    let file = folder.secrets();
    // A pipe, and a file that another program has opened.
    for script in [
        "cat \"$1\" | { exec 9<&0 </dev/null; \"$0\" check --store \"$2\" --secrets-fd 9; }",
        "exec 9<\"$1\"; exec \"$0\" check --store \"$2\" --secrets-fd 9",
        "exec \"$0\" check --store \"$2\" --secrets-fd 0 <\"$1\"",
    ] {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, env!("CARGO_BIN_EXE_suntap-server")]).arg(&file).arg(folder.path("data.redb"));
        accepted(&mut shell);
    }
    let said = refused(check(&folder, &["--secrets-fd", "77"]).stdin(Stdio::null()));
    assert!(said.contains("file descriptor 77 (--secrets-fd): the process has no such open file descriptor"), "{said}");
}

#[test]
fn secrets_come_from_a_systemd_credential() {
    let folder = Folder::new();
    import(&folder, &[tags::levels(), vec![tags::line(1)]].concat());
    let credentials = folder.path("credentials");
    std::fs::create_dir(&credentials).unwrap();
    let with = |args: &[&str]| {
        let mut command = check(&folder, args);
        command.env("CREDENTIALS_DIRECTORY", &credentials);
        command
    };
    let by_name = ["--secrets-credential", "other"];
    assert!(refused(&mut with(&[])).contains("no secrets"));
    assert!(refused(&mut with(&by_name)).contains("credential other: No such file"));
    assert!(refused(&mut check(&folder, &by_name)).contains("CREDENTIALS_DIRECTORY is not set"));
    for name in ["../secrets.json", "", ".."] {
        let said = refused(&mut with(&["--secrets-credential", name]));
        assert!(said.contains("a credential is a name without slashes"), "{said}");
    }
    std::fs::copy(folder.secrets(), credentials.join("suntap-secrets")).unwrap();
    accepted(&mut with(&[]));
    // The credential of the unit is not a second source.
    accepted(&mut with(&["--secrets-file", folder.secrets().to_str().unwrap()]));
    std::fs::rename(credentials.join("suntap-secrets"), credentials.join("other")).unwrap();
    accepted(&mut with(&by_name));
}

/// Writes secrets with these `apiKeys`.
fn write_api_keys(folder: &Folder, api_keys: Value) {
    let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
    secrets["apiKeys"] = api_keys;
    folder.write_secrets(&secrets.to_string());
}

fn status(address: &str, key: &str, body: &str) -> u16 {
    let header = format!("API-Key: {key}\r\n");
    Client::new(address).unwrap().post("/v1/tags/verify-authenticity", &header, body.as_bytes()).unwrap().status
}

fn serve(folder: &Folder) -> Server {
    Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets())
}

#[test]
fn the_secret_of_api_keys_rotates() {
    let folder = Folder::new();
    let (mut etrnl, line) = etrnl_tag(7000);
    let mut lines = [tags::levels(), vec![tags::line(1), line]].concat();
    lines[0]["organisation"]["needsToken"] = true.into();
    let api_key = json!({ "apiKey": { "organisation": 1, "key": "imported-key", "kind": "private", "label": "Shop" } });
    let token = json!({ "token": { "organisation": 1, "token": "imported-token" } });
    lines.extend([api_key.clone(), token.clone()]);
    write_api_keys(&folder, OLD.into());
    import(&folder, &lines);
    let key_new = ["key", "new", "--organisation", "1"];
    let created = folder.print(&key_new).trim().to_owned();
    let mut tag = tags::tag(1);
    let mut passes = |server: &Server, keys: &[&str], is_token: bool| {
        for key in keys {
            assert_eq!(status(&server.address, key, &etrnl_body(&etrnl.tap().unwrap())), 200, "{key}");
        }
        assert_eq!(status(&server.address, "unknown-key-1", &etrnl_body(&etrnl.tap().unwrap())), 401);
        let target = tags::target(&tag.tap().unwrap());
        assert_eq!(get(&server.address, &format!("{target}&r=imported-token")).status == 200, is_token);
        assert_eq!(get(&server.address, &format!("{target}&r=unknown-token")).status, 401);
    };
    // The new secret comes first.
    for api_keys in [json!(OLD), json!([OLD]), json!([NEW, OLD]), json!([OLD, NEW])] {
        write_api_keys(&folder, api_keys);
        passes(&serve(&folder), &["imported-key", &created], true);
        assert_eq!(folder.print(&["check"]), "0 findings\n");
    }
    write_api_keys(&folder, json!([NEW, OLD]));
    let second = folder.print(&key_new).trim().to_owned();
    passes(&serve(&folder), &["imported-key", &created, &second], true);
    // The check names what needs the old one: two API keys and a token.
    let old_keys = || {
        let output = folder.run(&["check", "--old-secrets"]);
        let text = said(&output);
        text.lines().filter(|line| line.contains("it needs an older `apiKeys` secret")).count()
    };
    assert_eq!(old_keys(), 3);
    // An import line renames its key, and keeps what it does not name.
    import(&folder, &[json!({ "apiKey": { "organisation": 1, "key": "imported-key", "kind": "public" } }), token]);
    assert_eq!(old_keys(), 1);
    passes(&serve(&folder), &["imported-key", &created, &second], true);

    // Without the old secret, the server warns, and the check names the key that is lost.
    write_api_keys(&folder, json!(NEW));
    let output = folder.run(&["check"]);
    let text = said(&output);
    assert!(text.contains("`apiKeys` does not list every secret"), "{text}");
    assert_eq!(text.matches("it needs an `apiKeys` secret that is no longer listed").count(), 1, "{text}");
    let server = serve(&folder);
    passes(&server, &["imported-key", &second], true);
    assert_eq!(status(&server.address, &created, "{}"), 401);
    drop(server);
    folder.print(&["init", "--accept-secrets"]);
    assert!(!said(&folder.run(&["check"])).contains("does not list every secret"));
    write_api_keys(&folder, json!(OLD));
    assert!(
        refused(&mut check(&folder, &["--secrets-file", folder.secrets().to_str().unwrap()]))
            .contains("`apiKeys` has none of those")
    );
}

/// Keys of an earlier version do not say which secret named them.
#[test]
fn a_key_without_the_id_of_its_secret_is_unknown() {
    use suntap_server::secrets::canary;
    use suntap_server::store::{Change, Options, Store};

    let folder = Folder::new();
    import(&folder, &tags::levels());
    let created = folder.print(&["key", "new", "--organisation", "1"]).trim().to_owned();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let address = folder.path("data.redb").to_str().unwrap().parse().unwrap();
        let store = Store::open(&address, Options::default()).await.unwrap();
        let (key, text) = store.page("key/", None, 10).await.unwrap().documents.pop().unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        let id = document.as_object_mut().unwrap().remove("secret").unwrap();
        assert_eq!(id.as_str().unwrap().len(), 8);
        // One secret is recorded as a text, as an earlier version wrote it.
        let keys = [canary::KEY.to_owned()];
        let canaries = store.read(&keys, None).await.unwrap().documents.pop().unwrap().unwrap();
        let canaries: Value = serde_json::from_str(&canaries).unwrap();
        assert!(canaries["apiKeys"].as_str().unwrap().starts_with(id.as_str().unwrap()));
        let writes = vec![(key, Some(document.to_string()))];
        store.change(&Change { writes, ..Change::default() }).await.unwrap();
        store.close().await;
    });
    assert_eq!(folder.print(&["check", "--old-secrets"]), "0 findings\n");
    write_api_keys(&folder, json!([NEW, OLD]));
    assert_eq!(folder.print(&["check"]), "0 findings\n");
    let text = said(&folder.run(&["check", "--old-secrets"]));
    assert!(text.contains("it may need an older `apiKeys` secret"), "{text}");
    let server = serve(&folder);
    assert_eq!(status(&server.address, &created, "{}"), 200);
}

/// The text of the secrets is not left in the memory of a running server. Keys that are in use are there as bytes.
#[test]
#[cfg(target_os = "linux")]
fn the_digits_are_wiped_after_the_start() {
    let digits = "0123456789ABCDEFFEDCBA9876543210";
    let folder = Folder::new();
    let secrets = json!({ "apiKeys": [digits], "server": [digits], "masterKeys": { "shoes": digits },
        "metaKeys": { "shoes": digits }, "issuerKeys": { "cards": digits } });
    folder.write_secrets(&secrets.to_string());
    import(&folder, &[tags::levels(), vec![tags::line(1)]].concat());
    let store = folder.path("data.redb");
    let copies = |server: &Server, text: &str| {
        assert_eq!(get(&server.address, "/readyz").status, 200);
        crate::reload::copies(server, text.as_bytes())
    };
    let server = serve(&folder);
    let Some(names) = copies(&server, "shoes") else {
        eprintln!("the memory of the server cannot be read here");
        return;
    };
    assert!(names > 0);
    assert_eq!(copies(&server, &digits[..24]), Some(0));
    drop(server);
    // The environment of a process stays in its memory.
    let mut by_variable = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    by_variable.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--store"]).arg(store);
    let server = Server::spawn({
        by_variable.env("SUNTAP_SECRETS", secrets.to_string());
        by_variable
    });
    assert!(copies(&server, &digits[..24]) > Some(0));
}
