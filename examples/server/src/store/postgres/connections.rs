//! Connections to PostgreSQL. A tap that waits does not block the connection of another tap.
//!
//! The server ends each statement and each wait for a lock before the tap that asked for it is given up. If a caller stops waiting
//! all the same, its connection leaves the pool, since the next statement on it would wait for the unfinished one. The statement is
//! then cancelled in the background.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{
    Client, ClientWrapper, Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    TimeoutType,
};
use scopeguard::ScopeGuard;
use tokio::sync::Semaphore;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{CancelToken, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::StoreError;
use crate::store::measure::PoolStatus;
use crate::text::causes;

/// Greatest number of connections. PostgreSQL accepts 100 by default.
const MAX_CONNECTIONS: usize = 1024;
/// Longest wait for a row that another transaction has locked, before the connection is given to another tap.
const LOCK_TIMEOUT: Duration = Duration::from_millis(100);
/// Longest time for the request that cancels a statement.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool of connections.
pub(super) struct Connections {
    pool: Pool,
    /// Limits the requests that cancel a statement.
    cancels: Arc<Semaphore>,
    tls: Option<MakeRustlsConnect>,
    /// Host and port, for errors.
    target: String,
    limits: Limits,
}

/// Time limits. All are below the time that a tap waits for the store.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// One attempt to lock a row.
    lock: Duration,
    /// One statement, and all attempts of one call.
    pub(super) statement: Duration,
    /// The wait for a free connection, and for a new one.
    connection: Duration,
}

impl Limits {
    fn new(patience: Duration) -> Self {
        // PostgreSQL accepts up to i32::MAX milliseconds.
        let patience = patience.clamp(Duration::from_millis(10), Duration::from_secs(1_000_000));
        Self {
            lock: LOCK_TIMEOUT.min(patience.mul_f32(0.1)),
            statement: patience.mul_f32(0.8),
            connection: patience.mul_f32(0.5),
        }
    }
}

impl Connections {
    /// Prepares a pool. Does not connect yet.
    pub(super) fn new(url: &str, count: usize, patience: Duration) -> Result<Self, StoreError> {
        if !(1..=MAX_CONNECTIONS).contains(&count) {
            let text = format!("the pool must have 1 to {MAX_CONNECTIONS} connections, got {count}");
            return Err(StoreError::Pool(text));
        }
        let mut config = config(url).map_err(|problem| StoreError::Pool(problem.into()))?;
        let tls = tls(&mut config)?;
        let limits = Limits::new(patience);
        let target = target(&config);
        let settings = settings(limits);
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let set = Hook::async_fn(move |client, _| {
            let settings = settings.clone();
            Box::pin(async move { client.batch_execute(&settings).await.map_err(HookError::Backend) })
        });
        let manager = match tls.clone() {
            Some(tls) => Manager::from_config(config, tls, recycling),
            None => Manager::from_config(config, NoTls, recycling),
        };
        let pool = Pool::builder(manager)
            .max_size(count)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(limits.connection))
            .create_timeout(Some(limits.connection))
            .recycle_timeout(Some(limits.connection))
            .post_create(set)
            .build()
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        Ok(Self { pool, cancels: Arc::new(Semaphore::new(count)), tls, target, limits })
    }

    /// Returns a connection. It goes back to the pool with [`finish`]; if it is dropped before, it leaves the pool.
    pub(super) async fn get(&self) -> Result<ScopeGuard<Client, impl FnOnce(Client) + use<>>, StoreError> {
        let client = self.pool.get().await.map_err(|error| self.error(&error))?;
        let (cancels, tls) = (Arc::clone(&self.cancels), self.tls.clone());
        Ok(scopeguard::guard(client, move |client| abandon(client, cancels, tls)))
    }

    /// Returns a connection that is no longer counted in the pool, for a long transaction.
    pub(super) async fn single(&self) -> Result<ClientWrapper, StoreError> {
        Ok(Object::take(self.pool.get().await.map_err(|error| self.error(&error))?))
    }

    pub(super) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus { limit: status.max_size, size: status.size, available: status.available, waiting: status.waiting }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    fn error(&self, error: &PoolError) -> StoreError {
        let Self { target, limits: Limits { connection, .. }, .. } = self;
        let seconds = connection.as_secs_f32();
        StoreError::Pool(match error {
            PoolError::Timeout(TimeoutType::Wait) => format!("no connection was free for {seconds} s"),
            PoolError::Timeout(_) => format!("cannot connect to {target}: no answer for {seconds} s"),
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                format!("cannot connect to {target}: {}", cause(error))
            }
            error => error.to_string(),
        })
    }
}

/// Returns a connection to the pool: everything asked over it was answered.
pub(super) fn finish(client: ScopeGuard<Client, impl FnOnce(Client)>) {
    drop(ScopeGuard::into_inner(client));
}

/// Takes a connection with an unfinished statement from the pool, and cancels the statement.
fn abandon(client: Client, cancels: Arc<Semaphore>, tls: Option<MakeRustlsConnect>) {
    let client = Object::take(client);
    // Without a runtime or a permit, the connection is closed, and the server ends the statement after `statement_timeout`.
    let (Ok(runtime), Ok(permit)) = (tokio::runtime::Handle::try_current(), cancels.try_acquire_owned()) else {
        return;
    };
    runtime.spawn(async move {
        let _ = tokio::time::timeout(CANCEL_TIMEOUT, cancel(client.cancel_token(), tls)).await;
        drop((client, permit));
    });
}

async fn cancel(token: CancelToken, tls: Option<MakeRustlsConnect>) -> Result<(), tokio_postgres::Error> {
    match tls {
        Some(tls) => token.cancel_query(tls).await,
        None => token.cancel_query(NoTls).await,
    }
}

/// Returns the TLS settings of a database whose URL has `sslmode=require`. The certificate must be valid for the host. Without the
/// parameter, TLS is not used: libpq would try it, and accept any certificate.
pub(crate) fn tls(config: &mut Config) -> Result<Option<MakeRustlsConnect>, StoreError> {
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
        return Ok(None);
    }
    match MakeRustlsConnect::with_native_certs() {
        // Certificates that cannot be read are not trusted.
        Ok((tls, _)) => Ok(Some(tls)),
        Err(errors) => {
            let cause = errors.first().map_or_else(|| "there are none".into(), ToString::to_string);
            Err(StoreError::Pool(format!("no trusted certificates for TLS ({cause}): set SSL_CERT_FILE")))
        }
    }
}

/// Returns the statements that each new connection starts with.
///
/// Plans are not kept: one from when the table was empty would compare each id of a batch with each row. Planning a batch takes about
/// 2 ms. Without `jit = off`, a query that has to read a whole table would also be compiled, which takes longer than the query.
fn settings(limits: Limits) -> String {
    format!(
        "SET synchronous_commit = on;
        SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
        SET idle_in_transaction_session_timeout = '60s';
        SET plan_cache_mode = force_custom_plan;
        SET enable_seqscan = off;
        SET jit = off;
        SET lock_timeout = {};
        SET statement_timeout = {}",
        limits.lock.as_millis(),
        limits.statement.as_millis()
    )
}

/// Returns the first host and port.
fn target(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(5432);
    match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(host)), _) => format!("{host}:{port}"),
        #[cfg(unix)]
        (Some(Host::Unix(path)), _) => path.display().to_string(),
        (None, Some(address)) => format!("{address}:{port}"),
        (None, None) => "the server".into(),
    }
}

/// Reads the URL of a database. The error repeats no part of the URL.
pub(crate) fn config(url: &str) -> Result<Config, &'static str> {
    if url.matches('@').count() > 1 {
        // The part after the first would be read as the host, and errors show the host.
        return Err("invalid URL: write `@` in a user name or password as %40");
    }
    // The error of the parser repeats parts of the URL.
    url.parse().map_err(|_| "invalid URL: must be like postgres://USER:PASSWORD@HOST:PORT/DATABASE")
}

/// Returns an error with its causes, without the details of the database, which can repeat values.
pub(in crate::store) fn cause(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    causes(error)
}
