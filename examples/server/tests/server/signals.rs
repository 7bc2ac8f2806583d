//! Signals.
#![cfg(unix)]

use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

use crate::client::{Client, Server, get};
use crate::http::{command, imported};
use crate::tags;

/// The first signal waits for requests that were accepted, and the second one does not.
#[test]
fn the_second_signal_ends_at_once() {
    for (first, second, number) in [("TERM", "TERM", 15), ("INT", "TERM", 15), ("TERM", "INT", 2)] {
        let (folder, _) = imported(&tags::levels());
        let mut server = Server::spawn(command(&folder, &["--log", "warn", "--timeout", "300"]));
        let mut client = Client::new(&server.address).unwrap();
        assert_eq!(client.get("/healthz").unwrap().status, 200);
        client.send(b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{").unwrap();
        // A later request on another connection shows that the server has read this one.
        assert_eq!(get(&server.address, "/healthz").status, 200);
        server.signal(first);
        let start = Instant::now();
        while Client::new(&server.address).is_ok() {
            assert!(start.elapsed() < Duration::from_secs(30), "the first signal closes the listener");
            std::thread::sleep(Duration::from_millis(20));
        }
        server.signal(second);
        assert_eq!(server.ended().signal(), Some(number), "{first} {second}");
    }
}
