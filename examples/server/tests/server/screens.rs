//! Each page on each screen: it fits, its text has contrast, and the browser blocks nothing.

use std::process::Command;

use base64ct::Encoding as _;
use fantoccini::Client;
use serde_json::{Value, json};

use crate::browser::Driver;
use crate::client::{Server, get};
use crate::http::server_of;
use crate::states::{failed, link, post, sealed};
use crate::tags::{self, Folder};

/// Returns what is wrong with the page: text with too little contrast, and content that is wider than the screen.
const AUDIT: &str = r"
const faults = [];
const parse = colour => colour.match(/[\d.]+/g).map(Number);
const channel = part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4;
const luminance = ([red, green, blue]) => .2126 * channel(red) + .7152 * channel(green) + .0722 * channel(blue);
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
let count = 0;
while (texts.nextNode()) {
  const node = texts.currentNode, element = node.parentElement;
  if (!node.textContent.trim() || element.closest('.hidden, .skip')) continue;
  if (matchMedia('(max-width: 47.99rem)').matches && element.closest('.wide-only')) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const boxes = [...range.getClientRects()].filter(box => box.width > 0);
  if (!boxes.length) { faults.push(`hidden: ${node.textContent}`); continue; }
  count += 1;
  // A table scrolls within its frame.
  if (!element.closest('.scroll')) for (const box of boxes)
    if (box.left < -.5 || box.right > innerWidth + .5) faults.push(`too wide: ${node.textContent}`);
  let ground = null;
  for (let around = element; around; around = around.parentElement) {
    const style = getComputedStyle(around), part = parse(style.backgroundColor);
    if (style.opacity !== '1') faults.push(`transparent: ${node.textContent}`);
    if (!ground && (part.length < 4 || part[3] === 1)) ground = part;
    else if (!ground && part[3] !== 0) faults.push(`unclear ground: ${node.textContent}`);
  }
  const [light, dark] = [luminance(parse(getComputedStyle(element).color)), luminance(ground || [255, 255, 255])].sort((a, b) => b - a);
  const ratio = (light + .05) / (dark + .05);
  if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${node.textContent}`);
}
const root = document.documentElement;
if (root.scrollWidth > innerWidth) faults.push(`scrolls: ${root.scrollWidth} of ${innerWidth}`);
for (const button of document.querySelectorAll('.button')) {
  const box = button.getBoundingClientRect();
  if (box.height < 44 || box.left < 0 || box.right > innerWidth + .5)
    faults.push(`button ${box.width} x ${box.height}: ${button.textContent}`);
}
for (const frame of document.querySelectorAll('.scroll')) {
  const box = frame.getBoundingClientRect();
  if (box.left < 0 || box.right > innerWidth + .5) faults.push(`frame ${box.left} to ${box.right}`);
}
for (const image of document.images) if (!image.complete || !image.naturalWidth) faults.push(`broken image`);
if (!count) faults.push('no text');
return faults;
";

/// A page's name and its URL.
type Page = (&'static str, String);

/// Taps the tags of a new demo, and returns its pages.
fn pages(server: &Server) -> Vec<Page> {
    let name = |path: &str| path.trim_start_matches("/demo/").to_owned();
    let shoe = post(server, "tag=shoe&do=tap");
    let digit = post(server, &format!("tag=shoe&do=digit&last={}", name(&shoe)));
    let sealed = post(server, "tag=bottle&do=tap");
    let again = post(server, &format!("tag=bottle&do=again&last={}", name(&sealed)));
    let opened = post(server, "tag=bottle&do=break");
    let before = post(server, "tag=bottle&do=close");
    let phone = |path: &str| format!("{path}/phone");
    let used = link(&get(&server.address, &shoe).body, &server.address);
    let pages = [
        ("demo-start", "/".into()),
        ("demo-genuine", sealed.clone()),
        ("demo-digit", digit),
        ("demo-again", again),
        ("demo-once-more", post(server, "tag=ticket&do=tap")),
        ("demo-batch", post(server, "tag=batch&do=tap")),
        ("tap-genuine", phone(&shoe)),
        ("tap-sealed", phone(&sealed)),
        ("tap-opened-now", phone(&opened)),
        ("tap-opened-before", phone(&before)),
        ("tap-once-more", phone(&post(server, "tag=ticket&do=tap"))),
        ("secure-closed", "/demo/secure".into()),
        ("secure-refused", "/demo/secure?t=1".into()),
        ("tap-seen-before", used),
        ("tap-not-recognised", "/tap?x=nobody00&n=000001&e=0123456789ABCDEF".into()),
    ];
    pages.into_iter().map(|(name, path)| (name, format!("http://{}{path}", server.address))).collect()
}

/// Returns a page about a tag that does not measure its seal, and one of a server whose store has failed.
fn rare_pages() -> (impl Sized, Vec<Page>) {
    let (tag, line) = sealed(1);
    let (folder, server, _key) = server_of(&[line], "30");
    let path = |url: &str| url.strip_prefix("https://t.example").unwrap().to_owned();
    let unknown = path(&tag.without_seal().tap().unwrap());
    let mut pages = vec![("tap-seal-unknown", format!("http://{}{unknown}", server.address))];
    let failed = failed();
    if let Some((_, server)) = &failed {
        let target = path(&tags::tag(1).tap().unwrap());
        pages.push(("tap-unavailable", format!("http://{}{target}", server.address)));
    }
    ((folder, server, failed), pages)
}

/// Stores a screenshot of the whole page, for a person. Set the variable `SUNTAP_SCREENSHOTS` to get them.
async fn photograph(driver: &Driver, browser: &Client, name: &str, (width, height): (u32, u32)) {
    let metrics = driver.devtools(browser, "Page.getLayoutMetrics", json!({})).await;
    let height = metrics["cssContentSize"]["height"].as_f64().unwrap().max(height.into());
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
    let params = json!({ "captureBeyondViewport": true, "clip": clip });
    let picture = driver.devtools(browser, "Page.captureScreenshot", params).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    let bytes = base64ct::Base64::decode_vec(picture["data"].as_str().unwrap()).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), bytes).unwrap();
}

/// Looks at each page on these screens. `size` is the size of text in percent.
async fn look(driver: &Driver, pages: &[Page], size: u32, screens: &[(u32, u32)], what: &str) {
    // A person who sets larger text changes this size.
    let options = json!({ "prefs": { "webkit.webprefs.default_font_size": 16 * size / 100 } });
    let browser = driver.browser(&["--hide-scrollbars"], options).await;
    let media = json!({ "features": [{ "name": "prefers-reduced-motion", "value": "reduce" }] });
    driver.devtools(&browser, "Emulation.setEmulatedMedia", media).await;
    for (page, url) in pages {
        browser.goto(url).await.unwrap();
        let font = "return parseFloat(getComputedStyle(document.documentElement).fontSize)";
        assert_eq!(browser.execute(font, Vec::new()).await.unwrap(), f64::from(16 * size / 100));
        for (width, height) in screens {
            let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": *width < 640 });
            driver.devtools(&browser, "Emulation.setDeviceMetricsOverride", screen).await;
            for scheme in ["light", "dark"] {
                let features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", "reduce")];
                let features = features.map(|(name, value)| json!({ "name": name, "value": value }));
                driver.devtools(&browser, "Emulation.setEmulatedMedia", json!({ "features": features })).await;
                let faults = browser.execute(AUDIT, Vec::new()).await.unwrap();
                let name = format!("{what}{page}-{width}-{size}-{scheme}");
                assert_eq!(faults, json!([]), "{name}");
                if matches!(width, 390 | 1280) && std::env::var_os("SUNTAP_SCREENSHOTS").is_some() {
                    photograph(driver, &browser, &name, (*width, *height)).await;
                }
            }
        }
    }
    let is_blocked = |line: &String| line.contains("Content Security Policy");
    assert_eq!(driver.console(&browser).await.iter().find(|line| is_blocked(line)), None);
    // The audit finds pale and wide text.
    let spoil = "const title = document.querySelector('h1').style; title.color = title.backgroundColor = '#777';
        document.querySelector('main').style.minWidth = '3000px'";
    browser.execute(spoil, Vec::new()).await.unwrap();
    let faults = browser.execute(AUDIT, Vec::new()).await.unwrap().to_string();
    assert!(faults.contains("contrast") && faults.contains("scrolls"), "{faults}");
    // The console says so if the browser blocks a style.
    browser.execute("document.body.setAttribute('style', 'color: red')", Vec::new()).await.unwrap();
    assert!(driver.console(&browser).await.iter().any(is_blocked));
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_page_fits_each_screen() {
    let Some(driver) = Driver::start() else { return };
    let small = [(390, 844), (1280, 900), (768, 1024), (320, 640), (180, 640)];
    let large = [(390, 844), (1280, 900), (360, 640)];
    for (size, screens) in [(100, &small[..]), (200, &large)] {
        // A new demo, because a chip remembers that its seal was opened.
        let server = Server::start(&["--demo"]);
        let (_servers, rare) = rare_pages();
        look(&driver, &[pages(&server), rare].concat(), size, screens, "").await;
    }
}

/// The worst brand: a long name, a wide logo, and an accent with little contrast to the ground.
#[tokio::test(flavor = "multi_thread")]
async fn a_brand_fits_each_screen() {
    let Some(driver) = Driver::start() else { return };
    let folder = Folder::new();
    let logo = folder.path("logo.svg");
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 20"><path style="fill:#c00" d="M0 0H90V20Z"/></svg>"#;
    std::fs::write(&logo, svg).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["--demo", "--listen", "127.0.0.1:0", "--log", "warn", "--brand-accent", "#757575", "--brand-logo"]);
    command.arg(&logo).args(["--brand-name", &"Donaudampfschifffahrtsgesellschaft ".repeat(3)]);
    let server = Server::spawn(command);
    look(&driver, &pages(&server), 100, &[(390, 844), (320, 640), (180, 640)], "brand-").await;
}

/// The pages of the operator, with as many taps as in the design, a long name, and each problem.
#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_the_operator_fit_each_screen() {
    let Some(driver) = Driver::start() else { return };
    let live = crate::admin_page::busy().await;
    let address = live.admin.strip_prefix("http://").unwrap();
    let page = |path: &str| format!("http://operator:{}@{address}{path}", live.reader);
    let pages = [
        ("operator", page("/")),
        ("operator-tags", page("/tags")),
        ("operator-search", page("/tags?q=tag0")),
        ("operator-tag", page("/tags/xuid/tag00001")),
        ("operator-inactive", page("/tags/xuid/tag00002")),
        ("operator-missing", page("/tags/xuid/nothing")),
    ];
    let small = [(390, 844), (1280, 900), (768, 1024), (320, 640), (180, 640)];
    let large = [(390, 844), (1280, 900), (360, 640)];
    look(&driver, &pages, 100, &small, "").await;
    look(&driver, &pages, 200, &large, "").await;
}

/// Text from right to left needs no other style.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_fits_from_right_to_left() {
    let Some(driver) = Driver::start() else { return };
    let server = Server::start(&["--demo"]);
    let browser = driver.browser(&["--hide-scrollbars"], json!({})).await;
    let screen = json!({ "width": 320, "height": 640, "deviceScaleFactor": 1, "mobile": true });
    driver.devtools(&browser, "Emulation.setDeviceMetricsOverride", screen).await;
    for (page, url) in pages(&server) {
        browser.goto(&url).await.unwrap();
        browser.execute("document.documentElement.dir = 'rtl'", Vec::new()).await.unwrap();
        let faults: Value = browser.execute(AUDIT, Vec::new()).await.unwrap();
        assert_eq!(faults, json!([]), "{page}");
    }
    browser.close().await.unwrap();
}
