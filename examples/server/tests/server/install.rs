//! `packaging/install.sh`, and the steps of `packaging/Dockerfile` in a folder instead of a container.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backends;
use crate::client::{Server, get};
use crate::tags::{self, Folder};

const PACKAGING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging");
/// The user of the image.
const USER: u32 = 65_532;

/// Runs the script, with the program of the tests instead of a new build.
fn install(destination: &Path) {
    let mut script = Command::new("sh");
    script.arg(Path::new(PACKAGING).join("install.sh")).arg(destination);
    let output = script.env("SUNTAP_BINARY", env!("CARGO_BIN_EXE_suntap-server")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[test]
fn the_script_installs_everything() {
    let folder = Folder::new();
    let root = folder.path("root");
    install(&root);
    let binary = root.join("usr/bin/suntap-server");
    assert_eq!((mode(&binary), mode(&root.join("var/lib/suntap"))), (0o755, 0o700));
    let output = Command::new(&binary).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), concat!("suntap-server ", env!("CARGO_PKG_VERSION"), "\n"));
    let pages = |path: &Path| {
        let names = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut pages: Vec<_> = names.filter(|name| name.ends_with(".1")).collect();
        pages.sort();
        pages
    };
    let installed = root.join("usr/share/man/man1");
    assert_eq!(pages(&installed), pages(Path::new(PACKAGING)));
    assert!(pages(&installed).iter().all(|page| mode(&installed.join(page)) == 0o644));
    let unit = fs::read_to_string(root.join("usr/lib/systemd/system/suntap-server.service")).unwrap();
    assert!(unit.contains("\nExecStart=/usr/bin/suntap-server serve "));
    // A second time, as for an update.
    install(&root);
    // A folder is needed.
    let output = Command::new("sh").arg(Path::new(PACKAGING).join("install.sh")).output().unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("usage: install.sh FOLDER"));
}

/// The libraries that the base image has, as `ldd` finds them here.
fn copy_libraries(root: &Path) {
    let output = Command::new("ldd").arg(env!("CARGO_BIN_EXE_suntap-server")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for library in libraries {
        let copy = root.join(library.strip_prefix("/").unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&library, &copy).unwrap();
    }
}

/// Builds what the Dockerfile builds, and runs it as its user: the server needs nothing else than its own files and a folder for its data.
#[test]
fn the_image_works_without_root_and_without_other_files() {
    let dockerfile = fs::read_to_string(Path::new(PACKAGING).join("Dockerfile")).unwrap();
    for line in [
        "RUN examples/server/packaging/install.sh /image",
        "COPY --from=build /image/usr/ /usr/",
        "COPY --from=build --chown=65532:65532 /image/var/lib/suntap /var/lib/suntap",
        "USER 65532:65532",
        "WORKDIR /var/lib/suntap",
        "ENTRYPOINT [\"/usr/bin/suntap-server\"]",
        "CMD [\"serve\"]",
    ] {
        assert!(dockerfile.lines().any(|found| found == line), "{line}");
    }
    let folder = Folder::new();
    let image = folder.path("image");
    install(&image);
    let data = image.join("var/lib/suntap");
    if chown(&data, Some(USER), Some(USER)).is_err() {
        return backends::skipped("chroot as root");
    }
    copy_libraries(&image);
    fs::set_permissions(&image, fs::Permissions::from_mode(0o755)).unwrap();
    let give = |name: &str, text: &str| {
        fs::write(data.join(name), text).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        chown(data.join(name), Some(USER), Some(USER)).unwrap();
    };
    give("secrets.json", tags::SECRETS);
    give("tags.ndjson", &tags::text(&[tags::levels(), vec![tags::line(1)]].concat()));
    let port = backends::port();
    let run = |args: &[&str]| {
        let mut command = Command::new("chroot");
        command.args(["--userspec=65532:65532", "--groups="]).arg(&image).arg("/usr/bin/suntap-server").args(args);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("SUNTAP_LISTEN", format!("127.0.0.1:{port}"));
        command.env("SUNTAP_STORE", "/var/lib/suntap/suntap.redb");
        command.env("SUNTAP_SECRETS_FILE", "/var/lib/suntap/secrets.json");
        command
    };
    for args in [&["init"][..], &["import", "/var/lib/suntap/tags.ndjson"]] {
        let output = run(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
    }
    let mut server = Server::spawn(run(&["serve", "--log", "warn"]));
    assert!(get(&server.address, &tags::target(&tags::tag(1).tap().unwrap())).body.contains("Pass"));
    // HEALTHCHECK
    let output = run(&["probe"]).output().unwrap();
    assert!(output.status.success() && output.stdout == b"ready\n", "{output:?}");
    assert!(server.terminate().success());
}
