//! What opens as a store, and with which secrets.

use std::process::{Command, Output};

use serde_json::{Value, json};
use suntap_server::secrets::canary;
use suntap_server::store::{Change, Options, Store};

use crate::backends;
use crate::client::{Server, get};
use crate::tags::{self, Folder, SECRETS};

pub(crate) fn run(folder: &Folder, store: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).args(["--store", store]).arg("--secrets-file").arg(folder.secrets()).output().unwrap()
}

/// Asserts that a command fails without a panic, and returns its error.
pub(crate) fn refused(folder: &Folder, store: &str, args: &[&str]) -> String {
    let output = run(folder, store, args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    said
}

pub(crate) fn done(folder: &Folder, store: &str, args: &[&str]) -> String {
    let output = run(folder, store, args);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{args:?}: {said}");
    said
}

const READERS: [&[&str]; 3] =
    [&["serve", "--listen", "127.0.0.1:0"], &["check"], &["key", "new", "--organisation", "1"]];

pub(crate) fn import(folder: &Folder, store: &str, lines: &[Value]) -> String {
    let path = folder.path("lines.ndjson");
    tags::write(&path, lines);
    done(folder, store, &["import", path.to_str().unwrap()])
}

#[test]
fn a_path_without_a_store_is_an_error() {
    let folder = Folder::new();
    let path = |name| folder.path(name).to_str().unwrap().to_owned();
    let missing = path("missing.redb");
    for args in READERS {
        let said = refused(&folder, &missing, args);
        assert!(
            said.contains(&missing) && said.contains("does not exist") && said.contains("suntap-server init"),
            "{said}"
        );
        assert!(!folder.path("missing.redb").exists());
    }
    std::fs::write(folder.path("empty.redb"), "").unwrap();
    std::fs::write(folder.path("text.redb"), "not a data file\n".repeat(1000)).unwrap();
    std::fs::create_dir(folder.path("folder.redb")).unwrap();
    drop(redb::Database::create(folder.path("other.redb")).unwrap());
    for (name, problem) in [
        ("empty.redb", "is empty"),
        ("text.redb", "is not a data file of suntap-server"),
        ("folder.redb", "is a directory"),
        ("other.redb", "is not a data file of suntap-server"),
        ("no/folder.redb", "does not exist"),
    ] {
        let before = std::fs::read(folder.path(name)).ok().filter(|_| name != "other.redb");
        for args in READERS {
            let said = refused(&folder, &path(name), args);
            assert!(said.contains(name) && said.contains(problem), "{said}");
        }
        // Nor does a command that creates stores replace it.
        refused(&folder, &path(name), &["init"]);
        if before.is_some() {
            assert!(std::fs::read(folder.path(name)).ok() == before, "{name} has changed");
        }
    }
    // A file that was created, but into which nothing was imported or recorded.
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        Store::create(&missing.parse().unwrap(), Options::default()).await.unwrap().close().await;
    });
    let said = refused(&folder, &missing, READERS[0]);
    assert!(said.contains("the store is empty"), "{said}");
}

#[test]
fn a_truncated_file_is_an_error() {
    let folder = Folder::new();
    let whole = folder.path("data.redb").to_str().unwrap().to_owned();
    let tags: Vec<_> = (0..2000).map(tags::line).collect();
    import(&folder, &whole, &[tags::levels(), tags].concat());
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path("cut.redb").to_str().unwrap().to_owned();
    let last = bytes.len() - 1;
    for length in [1, 9, 63, 64, 319, 320, 4095, 4096, 8192, last / 2, last / 2 / 4096 * 4096, last - 4096, last] {
        std::fs::write(&cut, &bytes[..length]).unwrap();
        for args in READERS {
            let said = refused(&folder, &cut, args);
            assert!(said.contains("cut.redb"), "{length}: {said}");
        }
    }
    let mut damaged = bytes;
    for byte in &mut damaged[64..320] {
        *byte ^= 0x55;
    }
    std::fs::write(&cut, damaged).unwrap();
    assert!(refused(&folder, &cut, READERS[0]).contains("damaged"));
}

#[cfg(unix)]
#[test]
fn init_creates_a_store_that_only_its_owner_can_read() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    for umask in ["0", "777"] {
        let path = folder.path(umask);
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("umask {umask}; exec \"$0\" init \"$@\"")).arg(env!("CARGO_BIN_EXE_suntap-server"));
        let output = shell.arg("--store").arg(&path).arg("--secrets-file").arg(folder.secrets()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let path = path.to_str().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("created a store in {path}\n"));
        assert_eq!(done(&folder, path, &["init"]), format!("there is already a store in {path}\n"));
        drop(Server::on(path, &folder.secrets()));
        assert_eq!(done(&folder, path, &["check"]), "0 findings\n");
    }
    // What other users can read is warned of, and nothing else.
    let (path, secrets) = (folder.path("0"), folder.secrets());
    let store = path.to_str().unwrap();
    for (mode, warnings) in [(0o600, 0), (0o640, 2), (0o604, 2)] {
        for file in [&path, &secrets] {
            std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
        }
        let said = done(&folder, store, &["check"]);
        assert_eq!(said.matches("can be read by other users").count(), warnings, "{said}");
    }
}

#[test]
fn a_database_is_created_by_init() {
    for backend in [backends::postgres(), backends::redis(&[]), backends::redis_cluster()].into_iter().flatten() {
        let folder = Folder::new();
        for args in READERS {
            let said = refused(&folder, &backend.url, args);
            assert!(said.contains("suntap-server init"), "{said}");
        }
        assert!(done(&folder, &backend.url, &["init"]).starts_with("created a store in"));
        assert!(done(&folder, &backend.url, &["init"]).starts_with("there is already a store in"));
        drop(Server::on(&backend.url, &folder.secrets()));
        folder.write_secrets(&SECRETS.replace("A1A1", "0000"));
        let said = refused(&folder, &backend.url, READERS[0]);
        assert!(said.contains("these secrets are not those of this store: `apiKeys` has none of those"), "{said}");
    }
}

/// An imported tag whose keys are derived from named secrets.
fn derived() -> Value {
    let mut line = tags::line(1);
    line["tag"]["keys"] = json!({ "derived": { "an10922": { "master": "shoes", "meta": "shoes" } } });
    line
}

#[test]
fn wrong_secrets_are_refused() {
    type Change<'a> = &'a dyn Fn(&mut Value);
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let secrets = |change: &dyn Fn(&mut Value)| {
        let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
        change(&mut secrets);
        folder.write_secrets(&secrets.to_string());
    };
    let other = "0123456789ABCDEF0123456789ABCDEF";
    let unused = |secrets: &mut Value| {
        secrets["masterKeys"]["boots"] = other.into();
        secrets["issuerKeys"] = json!({ "cards": other });
        secrets["sdmBackend"] = json!({ "old": { "key": other } });
    };
    secrets(&unused);
    import(&folder, &store, &[tags::levels(), vec![tags::line(2)]].concat());
    // A secret that no tag uses yet may change.
    secrets(&|_| ());
    assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    import(&folder, &store, &[derived()]);
    let cases: [(Change<'_>, &str); 6] = [
        (&|secrets| secrets["apiKeys"] = other.into(), "`apiKeys` has none of those"),
        (&|secrets| secrets["server"] = json!([other]), "`server` has none of those"),
        (&|secrets| secrets["masterKeys"]["shoes"] = other.into(), "`masterKeys/shoes` is a different key"),
        (&|secrets| secrets["masterKeys"] = json!({ "boots": other }), "`masterKeys/shoes` is missing"),
        (&|secrets| secrets["metaKeys"]["shoes"] = other.into(), "`metaKeys/shoes` is a different key"),
        (&|secrets| secrets["metaKeys"] = json!({}), "`metaKeys/shoes` is missing"),
    ];
    for (change, problem) in cases {
        secrets(change);
        for args in READERS.iter().copied().chain([&["import", "/dev/null"][..], &["init"][..]]) {
            let said = refused(&folder, &store, args);
            assert!(said.contains(problem) && !said.contains(other), "{said}");
        }
    }
    // A secret that was replaced on purpose.
    let (change, _) = cases[4];
    secrets(change);
    assert!(done(&folder, &store, &["init", "--accept-secrets"]).starts_with("the secrets are now those"));
    assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    secrets(&|_| ());
    assert!(refused(&folder, &store, READERS[0]).contains("`metaKeys/shoes` is a different key"));
}

#[test]
fn server_secrets_rotate() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let (old, new, other) = ("5E".repeat(16), "6F".repeat(16), "70".repeat(16));
    let secrets = |server: &[&String]| {
        let mut secrets: Value = serde_json::from_str(SECRETS).unwrap();
        secrets["server"] = json!(server);
        folder.write_secrets(&secrets.to_string());
    };
    import(&folder, &store, &[tags::levels(), vec![tags::line(1)]].concat());
    for order in [[&new, &old], [&old, &new]] {
        secrets(&order);
        assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    }
    secrets(&[&new]);
    assert!(refused(&folder, &store, READERS[0]).contains("`server` has none of those"));
    secrets(&[&new, &old]);
    import(&folder, &store, &[tags::line(2)]);
    for order in [[&new, &old], [&old, &new]] {
        secrets(&order);
        assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    }
    // Tag 1 is still sealed under the old secret.
    secrets(&[&new]);
    let output = run(&folder, &store, &["check"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("`server` does not list every secret"));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("xuid/tag00001: "), "{output:?}");
    secrets(&[&new, &old]);
    import(&folder, &store, &[tags::line(1)]);
    secrets(&[&new]);
    done(&folder, &store, &["init", "--accept-secrets"]);
    assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    for wrong in [&old, &other] {
        secrets(&[wrong]);
        assert!(refused(&folder, &store, READERS[0]).contains("`server` has none of those"));
    }
}

/// A store of an earlier version has no canaries until the next import.
#[test]
fn an_older_store_gets_its_canaries_from_an_import() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    import(&folder, &store, &[tags::levels(), vec![tags::line(1)]].concat());
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&store.parse().unwrap(), Options::default()).await.unwrap();
        let writes = vec![(canary::KEY.to_owned(), None)];
        store.change(&Change { writes, ..Change::default() }).await.unwrap();
        store.close().await;
    });
    let mut server = Server::on(&store, &folder.secrets());
    assert_eq!(get(&server.address, "/readyz").status, 200);
    server.terminate();
    assert!(done(&folder, &store, &["check"]).contains("the next import records the secrets in use"));
    import(&folder, &store, &[tags::line(2)]);
    assert_eq!(done(&folder, &store, &["check"]), "0 findings\n");
    folder.write_secrets(&SECRETS.replace("A1A1", "0000"));
    refused(&folder, &store, READERS[0]);
}

/// The URL of a store can be in a file, which has a password and is not shown.
#[test]
fn the_address_of_the_store_is_read_from_a_file() {
    let folder = Folder::new();
    let file = folder.path("store");
    let init = |address: &str| {
        std::fs::write(&file, format!("{address}\n")).unwrap();
        let mut init = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        init.args(["init", "--store-file"]).arg(&file).arg("--secrets-file").arg(folder.secrets()).output().unwrap()
    };
    let path = folder.path("data.redb");
    assert!(init(path.to_str().unwrap()).status.success() && path.exists());
    let output = init("mysql://user:s3cret@host/");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("--store-file") && !error.contains("s3cret"), "{error}");
}
