//! The flow after a tap, in a browser: a page that opens only just after a tap, and two taps.

use std::time::Duration;

use fantoccini::{Client, Locator};

use crate::browser::Driver;
use crate::demo::start;

async fn press(browser: &Client, selector: &str) {
    browser.wait().for_element(Locator::Css(selector)).await.unwrap().click().await.unwrap();
}

async fn title(browser: &Client) -> String {
    browser.wait().for_element(Locator::Css("h1")).await.unwrap().text().await.unwrap()
}

async fn text(browser: &Client) -> String {
    browser.find(Locator::Css("main")).await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_opens_only_just_after_a_tap() {
    let Some(driver) = Driver::start() else { return };
    let (server, _) = start();
    let origin = format!("http://{}", server.address);
    let browser = driver.browser(&[], serde_json::json!({})).await;

    browser.goto(&origin).await.unwrap();
    press(&browser, "section.secure a").await;
    assert_eq!(title(&browser).await, "Tap to open");

    // A genuine and new tap opens the page.
    browser.goto(&origin).await.unwrap();
    press(&browser, "form:has(input[value=shoe]) button[value=tap]").await;
    let link = browser.wait().for_element(Locator::Css("section.secure a.primary")).await.unwrap();
    let link = format!("{origin}{}", link.attr("href").await.unwrap().unwrap());
    press(&browser, "section.secure a.primary").await;
    assert_eq!(title(&browser).await, "Open for one minute");
    assert!(text(&browser).await.contains("Running shoe"));
    let address = browser.current_url().await.unwrap().to_string();
    assert_eq!(address, format!("{origin}/demo/secure"), "the address bar has no token");

    // The visitor can reload it. A friend with the address or with the link cannot open it.
    browser.refresh().await.unwrap();
    assert_eq!(title(&browser).await, "Open for one minute");
    let friend = driver.browser(&[], serde_json::json!({})).await;
    friend.goto(&address).await.unwrap();
    assert_eq!(title(&friend).await, "Tap to open");
    friend.goto(&link).await.unwrap();
    assert_eq!(title(&friend).await, "Tap to open");
    assert!(text(&friend).await.contains("The link was opened before."));

    // A replay of the tap has no link.
    browser.back().await.unwrap();
    browser.goto(&origin).await.unwrap();
    press(&browser, "form:has(input[value=shoe]) button[value=tap]").await;
    press(&browser, "button[value=again]").await;
    browser.wait().for_element(Locator::Css("section.secure.is-mute")).await.unwrap();

    for browser in [browser, friend] {
        browser.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_tap_finishes_the_check() {
    let Some(driver) = Driver::start() else { return };
    let (server, _) = start();
    let browser = driver.browser(&[], serde_json::json!({})).await;
    let verdict = async |browser: &Client| {
        browser.wait().for_element(Locator::Css("h3.verdict-title")).await.unwrap().text().await.unwrap()
    };
    browser.goto(&format!("http://{}", server.address)).await.unwrap();
    press(&browser, "form:has(input[value=ticket]) button[value=tap]").await;
    assert_eq!(verdict(&browser).await, "Tap once more");
    browser.find(Locator::Css("section.secure.is-mute")).await.expect("the first tap opens nothing");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    press(&browser, ".result button[value=tap]").await;
    browser.wait().for_element(Locator::Css("section.secure.is-good")).await.unwrap();
    assert_eq!(verdict(&browser).await, "Genuine and new");

    // Another browser has only one of both taps.
    let friend = driver.browser(&[], serde_json::json!({})).await;
    friend.goto(&format!("http://{}", server.address)).await.unwrap();
    press(&friend, "form:has(input[value=ticket]) button[value=tap]").await;
    assert_eq!(verdict(&friend).await, "Tap once more");
    for browser in [browser, friend] {
        browser.close().await.unwrap();
    }
}
