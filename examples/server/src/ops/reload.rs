//! Reads the secrets and the certificates of a running server again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::spawn_blocking;

use super::signals::Hangups;
use super::systemd;
use crate::app::App;
use crate::http::Identity;
use crate::secrets::canary;
use crate::secrets::source::Source;

/// The time in which a file must be read. A named pipe or a network file system may never answer.
const LIMIT: Duration = Duration::from_secs(10);

/// What a server reads again.
#[derive(Debug, Default)]
pub struct Reload {
    /// The source of the secrets. A demonstration has none.
    pub secrets: Option<Source>,
    /// The certificates of the listeners.
    pub certificates: Vec<Arc<Identity>>,
}

impl Reload {
    /// Reads everything again at each signal, until `end`.
    pub async fn keep(&self, app: &App, mut hangups: Hangups, end: impl Future<Output = ()>) {
        let reloads = async {
            loop {
                hangups.next().await;
                self.run(app).await;
            }
        };
        tokio::select! {
            () = reloads => {}
            () = end => {}
        }
    }

    /// Reads everything again. What cannot be read or is invalid stays as it was, and the log says why.
    async fn run(&self, app: &App) {
        systemd::reloading();
        if let Some(source) = &self.secrets {
            match secrets(app, source).await {
                Ok(summary) => tracing::info!("the secrets are reloaded from {source}: {summary}"),
                Err(error) => failed(app, "the secrets stay as they were", &error),
            }
        }
        for certificate in &self.certificates {
            let read = Arc::clone(certificate);
            match blocking(move || read.reload()).await {
                Ok(()) => tracing::info!("the {certificate} is reloaded"),
                Err(error) => failed(app, "the certificate stays as it was", &error),
            }
        }
        app.metrics.reloads.inc();
        systemd::ready();
    }
}

fn failed(app: &App, result: &str, error: &anyhow::Error) {
    app.metrics.failed_reloads.inc();
    tracing::error!("{result}: {error:#}");
}

/// Reads the secrets, and uses them if they are those of the store. Returns what they are.
async fn secrets(app: &App, source: &Source) -> anyhow::Result<String> {
    source.can_be_read_again()?;
    let (secrets, warning) = blocking({
        let source = source.clone();
        move || source.read()
    })
    .await
    .with_context(|| format!("cannot reload the {source}"))?;
    let warnings = canary::check(&app.store, &secrets).await.with_context(|| source.to_string())?;
    for warning in warning.into_iter().chain(warnings) {
        tracing::warn!("{warning}");
    }
    let summary = secrets.summary();
    app.replace_secrets(secrets);
    Ok(summary)
}

/// Runs `read`, which may block, on another thread.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    let read = tokio::time::timeout(LIMIT, spawn_blocking(read)).await;
    read.with_context(|| format!("it was not read within {} s", LIMIT.as_secs()))??
}
