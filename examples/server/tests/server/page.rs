//! The demo and the page of a phone, in a browser.

use std::time::{Duration, Instant};

use fantoccini::{Client, Locator};
use serde_json::json;

use crate::browser::Driver;
use crate::client::get;
use crate::demo::start;

/// Opens a browser with the screen of a phone.
async fn phone(driver: &Driver) -> Client {
    let metrics = json!({ "width": 390, "height": 844, "pixelRatio": 2 });
    driver.browser(&["--hide-scrollbars"], json!({ "mobileEmulation": { "deviceMetrics": metrics } })).await
}

async fn text(browser: &Client, css: &str) -> String {
    browser.wait().at_most(Duration::from_secs(10)).for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

async fn press(browser: &Client, name: &str) {
    press_at(browser, &format!("//main//*[self::button or self::a][normalize-space()='{name}']")).await;
}

/// Presses a button of a tag's card.
async fn press_on(browser: &Client, tag: &str, name: &str) {
    press_at(browser, &format!("//article[h3='{tag}']//button[normalize-space()='{name}']")).await;
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

/// The headline of the result, and the results of the five checks in one word each.
async fn result(browser: &Client) -> (String, Vec<String>) {
    let mut checks = Vec::new();
    let words = "return [...document.querySelectorAll('.checks .hidden')].map(word => word.textContent)";
    for word in browser.execute(words, Vec::new()).await.unwrap().as_array().unwrap() {
        checks.push(word.as_str().unwrap().trim_end_matches('.').to_owned());
    }
    (text(browser, ".result h3").await, checks)
}

/// A visitor taps, uses the link again, breaks the seal, closes it, changes a digit, and sees what both APIs answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sees_each_verdict() {
    const PASSED: [&str; 5] = ["Passed"; 5];
    let Some(driver) = Driver::start() else { return };
    let (server, _) = start();
    let home = format!("http://{}/", server.address);
    let browser = phone(&driver).await;
    browser.goto(&home).await.unwrap();

    press_on(&browser, "Running shoe", "Tap").await;
    assert_eq!(text(&browser, "h2#last").await, "Last tap: Running shoe");
    assert_eq!(result(&browser).await, ("Genuine and new".into(), PASSED.map(String::from).to_vec()));
    let url = text(&browser, ".url").await;
    assert!(url.starts_with(&format!("{home}tap?x=q8w3sbcz&n=")), "{url}");
    let answers = text(&browser, ".answer pre").await;
    assert_eq!(answers.replace(['\n', ' '], ""), r#"{"xuid":"q8w3sbcz","response":"Pass"}"#);

    // The page of the phone shows the stored verdict, also after a reload.
    for _ in 0..2 {
        press(&browser, "See the phone’s page").await;
        assert_eq!(text(&browser, "[role=status] h1").await, "Genuine");
        browser.refresh().await.unwrap();
        assert_eq!(text(&browser, "h1").await, "Genuine");
        press_at(&browser, "//a[.='Back to the demo']").await;
    }
    // Anybody else who opens the link is too late.
    browser.goto(&url).await.unwrap();
    assert_eq!(text(&browser, "h1").await, "Link already used");
    browser.back().await.unwrap();
    press(&browser, "Use the link again").await;
    let expected = ["Passed", "Passed", "Passed", "Passed", "Failed"].map(String::from).to_vec();
    assert_eq!(result(&browser).await, ("Link already used".into(), expected));
    assert!(text(&browser, ".answer:last-child pre").await.contains("\"err\": \"ctrBehind\""));
    for _ in 0..2 {
        press(&browser, "Change a digit").await;
        let expected = ["Passed", "Passed", "Passed", "Failed", "Not reached"].map(String::from).to_vec();
        assert_eq!(result(&browser).await, ("Not recognised".into(), expected));
        assert!(text(&browser, ".answer:last-child pre").await.contains("\"err\": \"cmacMismatch\""));
    }
    press(&browser, "See the phone’s page").await;
    assert_eq!(text(&browser, "h1").await, "Not recognised");

    // The tag itself has lost nothing.
    browser.back().await.unwrap();
    press(&browser, "Tap again").await;
    assert_eq!(result(&browser).await.0, "Genuine and new");

    // A tag with a seal.
    press_on(&browser, "Bottle with a seal", "Tap").await;
    assert_eq!(result(&browser).await, ("Genuine and new".into(), PASSED.map(String::from).to_vec()));
    let answer = text(&browser, ".answer:last-child pre").await;
    assert!(answer.contains("\"authentic\": true") && answer.contains("\"ttCurrStatus\": \"C\""), "{answer}");
    assert_eq!(text(&browser, ".answer pre").await.replace(['\n', ' '], ""), r#"{"xuid":"1002","response":"Pass"}"#);
    let legend = text(&browser, ".legend").await;
    assert!(legend.contains("Decrypted: chip 04") && legend.contains("Decrypted: CC"), "{legend}");
    for (button, headline, title) in [
        ("Break the seal", "Genuine, but opened", "Genuine, but opened"),
        ("Close the seal", "Genuine, but opened before", "Genuine, but opened before"),
        ("Break the seal", "Genuine, but opened", "Genuine, but opened"),
    ] {
        press_at(&browser, &format!("//article[contains(@class, 'result')]//button[normalize-space()='{button}']"))
            .await;
        assert_eq!(result(&browser).await.0, headline);
        press(&browser, "See the phone’s page").await;
        assert_eq!(text(&browser, "h1").await, title);
        browser.back().await.unwrap();
    }

    // A phone shows the same for these two. The demo says why.
    for (tag, error) in [("Batch switched off", "batch_inactive"), ("Nobody’s tag", "tag_not_found")] {
        press_on(&browser, tag, "Tap").await;
        let expected = ["Passed", "Failed", "Not reached", "Not reached", "Not reached"].map(String::from).to_vec();
        assert_eq!(result(&browser).await, ("Not recognised".into(), expected));
        assert!(text(&browser, ".answer pre").await.contains(error));
    }
    browser.close().await.unwrap();

    // Each press was one request: 6 genuine taps, 2 uses of a used link, 2 changed digits and 2 taps without a tag in use.
    let figures = get(&server.address, "/metrics").body;
    for line in [
        r#"suntap_taps_total{api="page",verdict="fresh"} 6"#,
        r#"suntap_taps_total{api="page",verdict="replayed"} 2"#,
        r#"suntap_taps_total{api="page",verdict="not_authentic"} 2"#,
        r#"suntap_taps_total{api="page",verdict="inactive"} 1"#,
        r#"suntap_taps_total{api="page",verdict="unknown_tag"} 1"#,
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
}
