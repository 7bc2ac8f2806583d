//! A headless browser.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};

use crate::backends::{port, skipped};

/// A running chromedriver and its port.
pub(crate) struct Driver(Child, u16);

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Driver {
    /// Returns `None` if there is no chromedriver.
    pub(crate) fn start() -> Option<Self> {
        let port = port();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            skipped("chromedriver");
            return None;
        };
        let driver = Self(child, port);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(30), "chromedriver does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(driver)
    }

    /// Opens a browser with more arguments and options.
    pub(crate) async fn browser(&self, args: &[&str], mut options: Value) -> Client {
        let always = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        options["args"] = json!([&always, args].concat());
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        builder.connect(&format!("http://127.0.0.1:{}", self.1)).await.unwrap()
    }
}
