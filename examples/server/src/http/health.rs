//! Health, readiness and metrics, for a supervisor and for Prometheus.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::sync::Mutex;

use crate::app::App;
use crate::registry::one;
use crate::secrets::canary;
use crate::store::{Store, StoreError};

/// How long an answer of the store is reused.
const FRESH: Duration = Duration::from_secs(1);
/// How long the store may take.
const LIMIT: Duration = Duration::from_secs(2);

/// Whether the store answers, as of the last time that it was asked.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<(Instant, Result<(), &'static str>)>>);

impl Readiness {
    /// Returns the cause if the store does not answer. Asks it at most once a second, however many requests there are.
    pub(crate) async fn get(&self, store: &Store) -> Result<(), &'static str> {
        // Other requests wait here for the answer that the first one gets.
        let mut last = self.0.lock().await;
        // A data file that has failed does not recover, so an older answer is wrong.
        if let Some((at, result)) = &*last
            && at.elapsed() < FRESH
            && store.works()
        {
            return *result;
        }
        let result = tokio::time::timeout(LIMIT, ask(store)).await.unwrap_or(Err(StoreError::Late)).map_err(|error| {
            tracing::warn!(%error, "not ready");
            cause(&error)
        });
        *last = Some((Instant::now(), result));
        result
    }
}

async fn ask(store: &Store) -> Result<(), StoreError> {
    store.verify().await?;
    one(store, canary::KEY.into()).await?;
    Ok(())
}

/// Returns what anybody may see: an error of a database could have its address or the name of a user.
fn cause(error: &StoreError) -> &'static str {
    match error {
        StoreError::Shared(error) => cause(error),
        StoreError::Postgres(_) | StoreError::Pool(_) => "PostgreSQL does not answer",
        StoreError::Redis(_) => "Redis does not answer",
        StoreError::Unfit(_) => "Redis cannot keep counters as it is configured",
        StoreError::Late => "the store does not answer in time",
        _ => "the data file cannot be used",
    }
}

/// The routes that can be moved to a listener of their own.
pub(super) fn ops_routes() -> Router<Arc<App>> {
    Router::new().route("/readyz", get(readiness)).route("/metrics", get(metrics))
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")],
        app.metrics.text(&app.store),
    )
}

/// Says that the process is alive. After a data file has failed the process is about to end.
pub(super) async fn health(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.store.works() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the data file cannot be used\n")
    }
}

async fn readiness(State(app): State<Arc<App>>) -> (StatusCode, String) {
    match app.readiness.get(&app.store).await {
        Ok(()) => (StatusCode::OK, "ready\n".into()),
        Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n")),
    }
}
