//! A client that can also misbehave, and the server as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A connection that is kept.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// An answer without a body, whatever length it would have.
    pub(crate) fn receive_head(&mut self) -> std::io::Result<Reply> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Reply { status, head, body: String::new() })
    }

    pub(crate) fn receive(&mut self) -> std::io::Result<Reply> {
        let mut reply = self.receive_head()?;
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        reply.body = String::from_utf8(body).unwrap();
        Ok(reply)
    }

    pub(crate) fn patience(&self, time: Duration) {
        self.0.get_ref().set_read_timeout(Some(time)).unwrap();
    }

    pub(crate) fn get(&mut self, target: &str) -> std::io::Result<Reply> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes())?;
        self.receive()
    }

    pub(crate) fn post(&mut self, target: &str, headers: &str, body: &[u8]) -> std::io::Result<Reply> {
        let head = format!("POST {target} HTTP/1.1\r\nHost: t\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        self.send(&[head.as_bytes(), body].concat())?;
        self.receive()
    }
}

/// One request on a connection of its own.
pub(crate) fn get(address: &str, target: &str) -> Reply {
    Client::new(address).unwrap().get(target).unwrap()
}

/// The server, which is killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) stdout: BufReader<ChildStdout>,
    /// Host and port.
    pub(crate) address: String,
    /// What it said until it served.
    pub(crate) said: String,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(args).args(["--listen", "127.0.0.1:0", "--log", "warn"]);
        Self::spawn(command)
    }

    /// Starts the server with a command that has all arguments.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        // The server writes the line with the address when it is ready.
        while !said.contains("://") {
            assert!(stdout.read_line(&mut said).unwrap() > 0, "the server ended: {said}");
        }
        let address = said.split("://").nth(1).unwrap();
        let end = address.find(|c: char| !"[].:".contains(c) && !c.is_ascii_hexdigit()).unwrap();
        Self { child, stdout, address: address[..end].into(), said: said.clone() }
    }

    /// On a store, with the secrets of the tests.
    pub(crate) fn on(store: &str, secrets: &Path) -> Self {
        Self::start(&["serve", "--store", store, "--secrets-file", secrets.to_str().unwrap()])
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the process has ended, at most 60 seconds.
    pub(crate) fn ended(&mut self) -> std::process::ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The standard error of the server, if it is a pipe.
    pub(crate) fn stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// `kill -9`
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits.
    pub(crate) fn terminate(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the server on a store that it cannot open, and returns what it says.
pub(crate) fn refusal(store: &str, more: &[&str]) -> String {
    let folder = crate::tags::Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", store, "--secrets-file"]).arg(folder.secrets());
    let output = command.args(more).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains("panicked") && !text.contains("s3cret"), "{text}");
    text
}
