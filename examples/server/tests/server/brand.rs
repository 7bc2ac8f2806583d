//! The brand of the operator: what is accepted, and where it is shown.

use std::process::Command;

use crate::client::{Server, get};
use crate::states::post;
use crate::tags::Folder;

const LOGO: &str =
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 0H40V20Z" fill="#c00"/></svg>"##;

fn demo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["--demo", "--listen", "127.0.0.1:0", "--log", "warn"]).args(args);
    command
}

#[test]
fn each_page_shows_the_brand() {
    let folder = Folder::new();
    let logo = folder.path("logo.svg");
    std::fs::write(&logo, LOGO).unwrap();
    let mut command = demo(&["--brand-name", "Fäden & Söhne <GmbH>", "--brand-accent", "#FFCC00"]);
    // A dark accent of its own, by the environment.
    command.env("SUNTAP_BRAND_ACCENT_DARK", "#002200").env("SUNTAP_BRAND_LOGO", &logo);
    let server = Server::spawn(command);
    let result = post(&server, "tag=shoe&do=tap");
    let pages = ["/", "/tap?x=nobody00&n=000001&e=0123456789ABCDEF", &result, &format!("{result}/phone")];
    for path in pages {
        let reply = get(&server.address, path);
        assert_eq!(reply.status, 200);
        assert!(reply.body.contains("<bdi>Fäden &amp; Söhne &lt;GmbH&gt;</bdi>"), "{path}: {}", reply.body);
        assert!(reply.body.contains("<img class=\"brand-picture\" src=\"data:image/svg+xml;base64,"), "{path}");
        assert!(reply.body.contains(":root { --accent: #ffcc00; --accent-ink: #000; }"), "{path}");
        assert!(reply.body.contains("{ --accent: #002200; --accent-ink: #fff; }"), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("img-src data:;"),
            "{policy}"
        );
        assert!(!reply.body.contains(" style=") && !reply.body.contains("<script"), "{path}");
    }
}

/// Without flags, no picture is allowed. With one accent, it is also the dark one.
#[test]
fn the_defaults_are_those_of_the_design() {
    for (args, accents) in [
        (&[][..], ["#2449c9; --accent-ink: #fff", "#9db4ff; --accent-ink: #000"]),
        (&["--brand-accent", "#123456"], ["#123456; --accent-ink: #fff", "#123456; --accent-ink: #fff"]),
        (&["--brand-accent-dark", "#eeeeee"], ["#2449c9; --accent-ink: #fff", "#eeeeee; --accent-ink: #000"]),
    ] {
        let server = Server::spawn(demo(args));
        let reply = get(&server.address, "/");
        let [light, dark] = accents;
        assert!(reply.body.contains(&format!("<style>:root {{ --accent: {light}; }}\n")), "{args:?}");
        assert!(
            reply.body.contains(&format!("(prefers-color-scheme: dark) {{ :root {{ --accent: {dark}; }} }}")),
            "{args:?}"
        );
        assert!(!reply.header("content-security-policy").unwrap().contains("img-src"));
        assert!(reply.body.contains("<bdi>suntap</bdi>"));
    }
}

#[test]
fn an_invalid_brand_is_an_error_at_the_start() {
    let folder = Folder::new();
    let file = |name: &str, content: &str| {
        let path = folder.path(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = file("script.svg", &LOGO.replace("<path", "<script>alert(1)</script><path"));
    let large = file("large.svg", &LOGO.replace("<path", &format!("<!--{}--><path", "x".repeat(40_000))));
    let page = file("page.html", "<html></html>");
    let text = file("logo.txt", "a logo");
    for (flag, value, code, cause) in [
        ("--brand-accent", "blue", 2, "expected # and six hex digits"),
        ("--brand-accent", "#24c", 2, "expected # and six hex digits"),
        ("--brand-accent-dark", "#2449c9;}body{display:none", 2, "expected # and six hex digits"),
        ("--brand-name", "", 1, "must have 1 to 128 characters"),
        ("--brand-name", "a\u{202e}b", 1, "direction or invisible characters"),
        ("--brand-logo", "/nowhere/logo.svg", 1, "No such file"),
        ("--brand-logo", &script, 1, "the element script is not allowed"),
        ("--brand-logo", &large, 1, "at most 32768 bytes"),
        ("--brand-logo", &page, 1, "the root element must be svg"),
        ("--brand-logo", &text, 1, "must be an SVG or PNG file"),
    ] {
        let output = demo(&[flag, value]).env_remove("RUST_BACKTRACE").output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{flag} {value}: {said}");
        assert!(said.contains(flag) && said.contains(cause), "{flag} {value}: {said}");
    }
}
