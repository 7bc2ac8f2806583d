//! Temporary databases on this machine, from installed programs.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The database programs of one test. They end with the test.
pub(crate) struct Backend {
    /// For `--store`.
    pub(crate) url: String,
    children: Vec<Child>,
    folder: PathBuf,
}

impl Backend {
    /// Kills the programs. Their files stay.
    pub(crate) fn kill(&mut self) {
        for mut child in self.children.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts PostgreSQL again, without the settings of its first start.
    pub(crate) fn restart_postgres(&mut self) {
        let port = self.port();
        // The processes of a killed PostgreSQL end a little later, and a new one does not start before.
        wait("PostgreSQL", || {
            if self.children.last_mut().is_none_or(|child| child.try_wait().unwrap().is_some()) {
                self.children.extend(postgres_server(&self.folder, port, &[]));
            }
            accepts(port)
        });
    }

    /// Returns the bytes of all files of the programs.
    pub(crate) fn files(&self) -> Vec<u8> {
        let (mut folders, mut bytes) = (vec![self.folder.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    bytes.extend(std::fs::read(path).unwrap());
                }
            }
        }
        bytes
    }

    /// Returns the port of the only program.
    pub(crate) fn port(&self) -> u16 {
        let (_, address) = self.url.split_once("127.0.0.1:").unwrap();
        address.split('/').next().unwrap().parse().unwrap()
    }

    /// Starts the single Redis again.
    pub(crate) fn restart_redis(&mut self) {
        self.children.extend(redis_server(&self.folder, self.port(), &[]));
    }
}

#[cfg(target_os = "linux")]
impl Backend {
    /// Does `work` while all processes of the programs are stopped.
    pub(crate) fn while_stopped(&self, work: impl FnOnce()) {
        let _resumed = scopeguard::guard((), |()| {
            self.signal("CONT");
        });
        assert!(self.signal("STOP"));
        work();
    }

    /// Sends a signal to each program and then to its processes, because a stopped program starts no others. Returns `false` if a program
    /// did not get it. One of its processes may have ended.
    fn signal(&self, name: &str) -> bool {
        let send = |processes: &str| {
            let mut kill = Command::new("kill");
            kill.args(["-s", name]).args(processes.split_whitespace()).stderr(Stdio::null()).status()
        };
        let mut is_sent = true;
        for program in self.children.iter().map(Child::id) {
            is_sent &= send(&program.to_string()).is_ok_and(|status| status.success());
            let processes =
                std::fs::read_to_string(format!("/proc/{program}/task/{program}/children")).unwrap_or_default();
            let _ = send(&processes);
        }
        is_sent
    }
}

impl Backend {
    /// Makes PostgreSQL ask each client for its password.
    pub(crate) fn require_passwords(&self) {
        self.set_rule("host all all all scram-sha-256\n");
    }

    /// Makes PostgreSQL refuse connections without TLS.
    pub(crate) fn require_tls(&self) {
        self.set_rule("hostssl all all all trust\n");
    }

    fn set_rule(&self, rule: &str) {
        let data = self.folder.join("data");
        std::fs::write(data.join("pg_hba.conf"), rule).unwrap();
        let process = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
        let reload = Command::new("kill").args(["-HUP", process.lines().next().unwrap()]).status().unwrap();
        assert!(reload.success());
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns a port that was free a moment ago.
pub(crate) fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("suntap-{name}-{}", port()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn wait(what: &str, mut ready: impl FnMut() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Prints that a test is skipped, although the test runner captures output. Fails if no test may be skipped.
#[allow(clippy::explicit_write, reason = "the test runner captures the output of a macro")]
pub(crate) fn skipped(program: &str) {
    assert!(std::env::var_os("SUNTAP_SKIP_NOTHING").is_none(), "{program} is not installed");
    writeln!(std::io::stderr(), "SKIPPED a test of the server: {program} is not installed").unwrap();
}

/// Returns the path of a program. If it is not installed, prints that and returns `None`.
fn program(candidates: &[&str]) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&paths).collect();
    // Debian does not have these in the PATH.
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    folders.extend(versions.map(|version| version.path().join("bin")));
    let found = folders.iter().flat_map(|folder| candidates.iter().map(|name| folder.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        skipped(candidates[0]);
    }
    found
}

/// Starts PostgreSQL.
pub(crate) fn postgres() -> Option<Backend> {
    postgres_with(&[], &[])
}

/// Starts PostgreSQL with more settings. The files, each with a name and a text, are in its data folder.
pub(crate) fn postgres_with(settings: &[&str], files: &[(&str, &str)]) -> Option<Backend> {
    let initdb = program(&["initdb"])?;
    program(&["pg_isready"])?;
    let (folder, port) = (folder("postgres"), port());
    if is_root() {
        assert!(Command::new("chown").arg("postgres:").arg(&folder).status().unwrap().success());
    }
    let data = folder.join("data");
    let mut initdb = as_postgres(&initdb, &folder);
    let made = initdb.args(["--no-sync", "-U", "suntap", "-A", "trust", "-D"]).arg(&data).status().unwrap();
    assert!(made.success());
    for (name, text) in files {
        let path = data.join(name);
        std::fs::write(&path, text).unwrap();
        // PostgreSQL rejects a private key that others can read.
        assert!(Command::new("chmod").arg("600").arg(&path).status().unwrap().success());
        if is_root() {
            assert!(Command::new("chown").arg("postgres:").arg(&path).status().unwrap().success());
        }
    }
    let child = postgres_server(&folder, port, settings)?;
    let backend =
        Backend { url: format!("postgres://suntap@127.0.0.1:{port}/postgres"), children: vec![child], folder };
    wait("PostgreSQL", || accepts(port));
    Some(backend)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// A command of a user other than root, as whom PostgreSQL does not run.
fn as_postgres(program: &PathBuf, folder: &PathBuf) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn postgres_server(folder: &PathBuf, port: u16, settings: &[&str]) -> Option<Child> {
    let mut command = as_postgres(&program(&["postgres"])?, folder);
    command.args(settings.iter().flat_map(|setting| ["-c", setting])).arg("-D").arg(folder.join("data"));
    command.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"]).arg(folder);
    Some(command.spawn().unwrap())
}

/// Returns `true` if PostgreSQL accepts connections.
fn accepts(port: u16) -> bool {
    let Some(ready) = program(&["pg_isready"]) else { return false };
    Command::new(ready).args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]).status().unwrap().success()
}

fn redis_server(folder: &PathBuf, port: u16, more: &[&str]) -> Option<Child> {
    let mut command = Command::new(program(&["redis-server"])?);
    command.current_dir(folder).args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--appenddirname", &format!("aof-{port}")]);
    let child = command.args(more).stdout(Stdio::null()).spawn().unwrap();
    wait("Redis", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    Some(child)
}

/// Starts a single Redis.
pub(crate) fn redis(more: &[&str]) -> Option<Backend> {
    program(&["redis-server"])?;
    let (folder, port) = (folder("redis"), port());
    let child = redis_server(&folder, port, more)?;
    Some(Backend { url: format!("redis://127.0.0.1:{port}"), children: vec![child], folder })
}

/// Starts a cluster of three nodes.
pub(crate) fn redis_cluster() -> Option<Backend> {
    let cli = program(&["redis-cli"])?;
    program(&["redis-server"])?;
    let folder = folder("cluster");
    let ports = [port(), port(), port()];
    let mut children = Vec::new();
    for port in ports {
        let (bus, nodes) = (self::port().to_string(), format!("nodes-{port}.conf"));
        let more = ["--cluster-enabled", "yes", "--cluster-config-file", &nodes, "--cluster-port", &bus];
        children.push(redis_server(&folder, port, &more)?);
    }
    let nodes = ports.map(|port| format!("127.0.0.1:{port}"));
    let backend = Backend {
        url: nodes.iter().map(|node| format!("redis://{node}")).collect::<Vec<_>>().join(","),
        children,
        folder,
    };
    let mut create = Command::new(&cli);
    create.args(["--cluster", "create"]).args(&nodes).arg("--cluster-yes").stdout(Stdio::null());
    assert!(create.status().unwrap().success());
    wait("the cluster", || {
        nodes.iter().all(|node| {
            let (host, port) = node.split_once(':').unwrap();
            let info = Command::new(&cli).args(["-h", host, "-p", port, "cluster", "info"]).output().unwrap();
            String::from_utf8_lossy(&info.stdout).contains("cluster_state:ok")
        })
    });
    Some(backend)
}
