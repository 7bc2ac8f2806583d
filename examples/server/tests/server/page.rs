//! The page on the screen of a phone, in a browser.

use std::time::{Duration, Instant};

use fantoccini::{Client, Locator};
use serde_json::json;

use crate::browser::Driver;
use crate::demo::start;

/// A phone's, in points.
const SCREEN: (u32, u32) = (390, 844);

/// Opens a browser with the screen of a phone.
async fn phone(driver: &Driver, dark: bool) -> Client {
    let mut args = vec!["--hide-scrollbars"];
    if dark {
        args.push("--force-dark-mode");
        args.push("--blink-settings=preferredColorScheme=0");
    }
    let metrics = json!({ "width": SCREEN.0, "height": SCREEN.1, "pixelRatio": 2 });
    driver.browser(&args, json!({ "mobileEmulation": { "deviceMetrics": metrics } })).await
}

/// Screens that a person looks at afterwards.
async fn photograph(browser: &Client, name: &str) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("screens");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), browser.screenshot().await.unwrap()).unwrap();
}

async fn text(browser: &Client, css: &str) -> String {
    browser.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

async fn press(browser: &Client, name: &str) {
    press_at(browser, &format!("//button[normalize-space()='{name}'] | //a[normalize-space()='{name}']")).await;
}

/// Each button and link leads to another page. When this returns, the old one is gone.
async fn press_at(browser: &Client, path: &str) {
    let found = browser.wait().at_most(Duration::from_secs(10)).for_element(Locator::XPath(path)).await;
    let found = found.unwrap_or_else(|error| panic!("{path}: {error}"));
    found.clone().click().await.unwrap();
    let start = Instant::now();
    while found.is_displayed().await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "{path} leads nowhere");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A visitor taps, taps again, breaks the seal, copies the URL, changes a digit, and sees what both APIs answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sees_each_verdict() {
    let Some(driver) = Driver::start() else { return };
    let (server, _) = start();
    let home = format!("http://{}/", server.address);
    for dark in [false, true] {
        let shade = if dark { "dark" } else { "light" };
        let browser = phone(&driver, dark).await;
        browser.goto(&home).await.unwrap();
        photograph(&browser, &format!("home-{shade}")).await;

        // The first tag: as a phone opens it, twice.
        press(&browser, "Tap the tag").await;
        assert_eq!(text(&browser, "h1").await, "Left shoe");
        let url = text(&browser, "pre").await;
        photograph(&browser, &format!("tapped-{shade}")).await;
        press(&browser, "Open it, as a phone does").await;
        assert_eq!(text(&browser, "[role=status] h1").await, "Genuine");
        photograph(&browser, &format!("genuine-{shade}")).await;
        browser.goto(&url).await.unwrap();
        assert_eq!(text(&browser, "h1").await, "Seen before");
        photograph(&browser, &format!("seen-before-{shade}")).await;
        browser.goto(&url.replace("e=", "e=0")).await.unwrap();
        assert_eq!(text(&browser, "h1").await, "Not recognised");
        photograph(&browser, &format!("not-recognised-{shade}")).await;

        // The same tag as its API's client sees it.
        browser.goto(&home).await.unwrap();
        press(&browser, "Tap the tag").await;
        press(&browser, "Send it with a digit changed").await;
        assert!(text(&browser, "pre[role=status]").await.contains(r#""response":"Fail""#));
        browser.goto(&home).await.unwrap();
        press(&browser, "Tap the tag").await;
        press(&browser, "Send it to the API").await;
        assert_eq!(text(&browser, "pre[role=status]").await, r#"{"xuid":"q8w3sbcz","response":"Pass"}"#);
        press(&browser, "Send the same again").await;
        assert!(text(&browser, "pre[role=status]").await.contains("Fail"));

        // A tag with a seal, in the other API.
        browser.goto(&home).await.unwrap();
        let whisky = "//section[h2[contains(., 'Whisky')]]";
        let button = |name: &str| format!("{whisky}//button[normalize-space()='{name}']");
        if !dark {
            press_at(&browser, &button("Tap the tag")).await;
            press(&browser, "Send it to the API").await;
            let answer = text(&browser, "pre[role=status]").await;
            assert!(answer.contains(r#""authentic":true"#) && answer.contains(r#""ttCurrStatus":"C""#), "{answer}");
            photograph(&browser, "api-light").await;
            browser.goto(&home).await.unwrap();
        }
        press_at(&browser, &button("Break the seal")).await;
        press(&browser, "Tap the tag").await;
        press(&browser, "Open it, as a phone does").await;
        assert_eq!(text(&browser, "h1").await, "Genuine, but opened");
        photograph(&browser, &format!("opened-{shade}")).await;

        // It fits the screen, and what there is to press is large enough for a thumb.
        browser.goto(&home).await.unwrap();
        for button in browser.find_all(Locator::Css("button")).await.unwrap() {
            let (x, _, width, height) = button.rectangle().await.unwrap();
            assert!(height >= 44.0 && x >= 0.0 && x + width <= f64::from(SCREEN.0), "{x} {width} {height}");
        }
        browser.close().await.unwrap();
    }
}
