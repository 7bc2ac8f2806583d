//! `suntap-server serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use suntap_server::http::{Limits, origin, serve, serve_ops};
use suntap_server::ops::log;
use suntap_server::secrets::{Secrets, random};
use suntap_server::store::{Address, Options, Store};
use suntap_server::{App, Demo};

use super::println;
use crate::config::Serve;

pub(crate) async fn run(args: Serve) -> anyhow::Result<()> {
    log::start(args.log, args.log_format);
    let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
    let ops = match args.ops_listen {
        Some(address) => {
            Some(tokio::net::TcpListener::bind(address).await.with_context(|| format!("--ops-listen {address}"))?)
        }
        None => None,
    };
    let origin = origin(listener.local_addr()?);
    // Before anything is served, so that nobody is cut off by a signal.
    let end = signals()?;
    let demo = if args.demo { Some(DemoFile::new()?) } else { None };
    let app = if let Some(file) = &demo {
        let secrets: &'static Secrets = Box::leak(Box::new(Secrets::random()?));
        let store = Store::create(&Address::Embedded(file.0.clone()), Options::default()).await?;
        let demo = Demo::seed(&store, secrets, &origin).await?;
        let [ixkio, etrnl] = demo.curl_lines()?;
        println(&format!(
            "Tags in software are at {origin}/ and their data in {}.\n\n\
             As a client of ixkio, a tap that nobody has used; once more, and it has been:\n{ixkio}\n\n\
             As a client of ETRNL:\n{etrnl}\n",
            file.0.display()
        ))?;
        App::new(store, secrets, args.log_uids).with_demo(demo)
    } else {
        let opened = args.store.open(Some(Duration::from_millis(args.timeout.saturating_mul(500)))).await?;
        for warning in &opened.warnings {
            tracing::warn!("{warning}");
        }
        println(&format!("listening at {origin}, tags and counters in {}", args.store.address()?))?;
        App::new(opened.store, opened.secrets, args.log_uids)
    };
    let app = Arc::new(app.with_ops_moved(ops.is_some()));
    let failed = app.store_failed();
    let (ended, has_ended) = tokio::sync::watch::channel(());
    let end = async move {
        let failure = tokio::select! {
            () = end => None,
            error = failed => Some(error),
        };
        drop(ended);
        failure
    };
    let timeout = Duration::from_secs(args.timeout);
    let limits = Limits { connections: args.max_connections, timeout, grace: timeout };
    let until_end = || {
        let mut has_ended = has_ended.clone();
        async move {
            // Returns an error when the sender is dropped, which is the end.
            let _ = has_ended.changed().await;
        }
    };
    let main = serve(listener, Arc::clone(&app), limits, until_end());
    let ops = async {
        match ops {
            Some(listener) => serve_ops(listener, Arc::clone(&app), limits, until_end()).await,
            None => Ok(()),
        }
    };
    let (failure, (), ()) = tokio::try_join!(async { Ok(end.await) }, main, ops)?;
    // Requests that were not finished in time keep the store open.
    if let Some(app) = Arc::into_inner(app) {
        app.close().await;
    }
    failure.map_or(Ok(()), |error| {
        Err(anyhow::Error::new(error).context("the server ends, so that a supervisor restarts it"))
    })
}

/// The data file of a demonstration, which goes with it.
struct DemoFile(PathBuf);

impl DemoFile {
    fn new() -> anyhow::Result<Self> {
        let name = format!("suntap-demo-{:016x}.redb", u64::from_ne_bytes(random()?));
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for DemoFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = terminate.recv() => (),
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
