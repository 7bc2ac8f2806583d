//! A receiver of webhooks on loopback, which can fail in several ways. The library of Standard Webhooks checks each signature.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    /// With this status, and this header.
    Status(u16, &'static str),
    /// With 200, after this time.
    Late(Duration),
    Hang,
    /// Accepts the post, and closes the connection without an answer.
    Lose,
    /// With informational heads (status 103) without end.
    Informational,
    /// With 500 for this tag, otherwise with 204.
    Refuse(&'static str),
}

pub(crate) const ACCEPT: Mode = Mode::Status(204, "");

/// A post with a valid signature.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) id: String,
    pub(crate) body: Value,
    /// It was answered with 2xx, or its answer was lost.
    pub(crate) is_accepted: bool,
}

pub(crate) struct Receiver {
    pub(crate) port: u16,
    mode: Arc<Mutex<Mode>>,
    posts: Arc<Mutex<Vec<Post>>>,
    ended: Arc<AtomicBool>,
}

impl Receiver {
    pub(crate) fn start(mode: Mode) -> Self {
        Self::on(0, mode)
    }

    /// Starts at a port that was free a moment ago.
    pub(crate) fn on(port: u16, mode: Mode) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mode, posts) = (Arc::new(Mutex::new(mode)), Arc::new(Mutex::new(Vec::new())));
        let receiver = Self { port, mode, posts, ended: Arc::default() };
        listener.set_nonblocking(true).unwrap();
        let (mode, posts, ended) =
            (Arc::clone(&receiver.mode), Arc::clone(&receiver.posts), Arc::clone(&receiver.ended));
        std::thread::spawn(move || {
            while !ended.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                stream.set_nodelay(true).unwrap();
                let (mode, posts, ended) = (Arc::clone(&mode), Arc::clone(&posts), Arc::clone(&ended));
                std::thread::spawn(move || {
                    let mut stream = BufReader::new(stream);
                    while !ended.load(Ordering::SeqCst) && answer(&mut stream, &mode, &posts).is_some() {}
                });
            }
        });
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/t0ken", self.port)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    /// All posts, in the order in which they came.
    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }

    /// The accepted events, by their ids. An event that was accepted twice is here once.
    pub(crate) fn events(&self) -> BTreeMap<String, Value> {
        self.posts().into_iter().filter(|post| post.is_accepted).map(|post| (post.id, post.body)).collect()
    }

    /// The accepted events of a type.
    pub(crate) fn events_of_type(&self, kind: &str) -> Vec<Value> {
        self.events().into_values().filter(|event| event["type"] == kind).collect()
    }

    /// The counters of the accepted taps that were delivered, in ascending order.
    pub(crate) fn counters(&self) -> Vec<u64> {
        let mut counters: Vec<_> =
            self.events_of_type("tap.accepted").iter().map(|event| event["data"]["ctr"].as_u64().unwrap()).collect();
        counters.sort_unstable();
        counters
    }

    /// Waits until it has received what `is_enough` wants.
    pub(crate) fn wait(&self, what: &str, is_enough: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_enough(self) {
            assert!(start.elapsed() < Duration::from_secs(120), "{what}: {:?}", self.posts());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

/// Reads one post and answers it. Returns `None` if the connection ends.
fn answer(stream: &mut BufReader<TcpStream>, mode: &Mutex<Mode>, posts: &Mutex<Vec<Post>>) -> Option<()> {
    let (headers, body) = read(stream)?;
    Webhook::new(SECRET).unwrap().verify(&body, &headers).unwrap();
    assert_eq!(headers["content-type"], "application/json");
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let mode = match *mode.lock().unwrap() {
        Mode::Refuse(tag) if body["data"]["tag"] == tag => Mode::Status(500, ""),
        Mode::Refuse(_) => ACCEPT,
        mode => mode,
    };
    let is_accepted = matches!(mode, Mode::Status(200..300, _) | Mode::Late(_) | Mode::Lose);
    let note = || posts.lock().unwrap().push(Post { id, body, is_accepted });
    let (status, header) = match mode {
        Mode::Hang => {
            note();
            std::thread::sleep(Duration::from_secs(60));
            return None;
        }
        Mode::Lose => {
            note();
            return None;
        }
        Mode::Informational => {
            note();
            let heads = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(4000);
            while stream.get_mut().write_all(&heads).is_ok() {}
            return None;
        }
        Mode::Refuse(_) => return None,
        Mode::Late(time) => {
            std::thread::sleep(time);
            note();
            (200, "")
        }
        Mode::Status(status, header) => {
            note();
            (status, header)
        }
    };
    let body = if status == 204 { "" } else { "Content-Length: 2\r\n" };
    let text = if status == 204 { "" } else { "ok" };
    stream.get_mut().write_all(format!("HTTP/1.1 {status} X\r\n{header}{body}\r\n{text}").as_bytes()).ok()
}

/// Reads the headers and the body of a request.
pub(crate) fn read(stream: &mut BufReader<impl Read>) -> Option<(HeaderMap, Vec<u8>)> {
    let (mut headers, mut line) = (HeaderMap::new(), String::new());
    stream.read_line(&mut line).ok()?;
    if line.is_empty() {
        return None;
    }
    assert!(line.starts_with("POST /hooks/t0ken HTTP/1.1"), "{line}");
    loop {
        line.clear();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        let name: HeaderName = name.parse().unwrap();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((headers, body))
}
