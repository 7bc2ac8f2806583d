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
        let log = json!({ "browser": "ALL" });
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": log });
        let mut builder = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        builder.capabilities(capabilities.as_object().unwrap().clone());
        builder.connect(&format!("http://127.0.0.1:{}", self.1)).await.unwrap()
    }

    /// Sends a command of the DevTools protocol, and returns its result.
    pub(crate) async fn devtools(&self, browser: &Client, command: &str, params: Value) -> Value {
        self.ask(browser, "goog/cdp/execute", &json!({ "cmd": command, "params": params })).await
    }

    /// Returns the messages of the console since the last call.
    pub(crate) async fn console(&self, browser: &Client) -> Vec<String> {
        let entries = self.ask(browser, "se/log", &json!({ "type": "browser" })).await;
        entries.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// Sends a command of chromedriver that the client library does not have.
    async fn ask(&self, browser: &Client, command: &str, params: &Value) -> Value {
        let session = browser.session_id().await.unwrap().unwrap();
        let (address, body) = (format!("127.0.0.1:{}", self.1), params.to_string());
        let head = format!("POST /session/{session}/{command} HTTP/1.1\r\nHost: {address}\r\n");
        let request = format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let reply = tokio::task::spawn_blocking(move || {
            let mut client = crate::client::Client::new(&address).unwrap();
            client.send(request.as_bytes()).unwrap();
            client.receive().unwrap()
        });
        let reply = reply.await.unwrap();
        assert_eq!(reply.status, 200, "{command}: {}", reply.body);
        serde_json::from_str::<Value>(&reply.body).unwrap()["value"].take()
    }
}
