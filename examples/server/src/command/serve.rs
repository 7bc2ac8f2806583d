//! `suntap-server serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use suntap_server::http::{Limits, origin, serve};
use suntap_server::ops::log;
use suntap_server::secrets::{Secrets, random};
use suntap_server::store::{Address, Options, Store};
use suntap_server::{App, Demo};

use super::println;
use crate::config::Serve;

pub(crate) async fn run(args: Serve) -> anyhow::Result<()> {
    log::start(args.log, args.log_format);
    let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
    let origin = origin(listener.local_addr()?);
    // Before anything is served, so that nobody is cut off by a signal.
    let end = signals()?;
    let demo = if args.demo { Some(DemoFile::new()?) } else { None };
    let app = if let Some(file) = &demo {
        let secrets: &'static Secrets = Box::leak(Box::new(Secrets::random()?));
        let store = Store::open(&Address::Embedded(file.0.clone()), Options::default()).await?;
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
        let (store, secrets) = args.store.open(Some(Duration::from_millis(args.timeout.saturating_mul(500)))).await?;
        for warning in store.warnings() {
            tracing::warn!("{warning}");
        }
        println(&format!("listening at {origin}, tags and counters in {}", args.store.address()?))?;
        App::new(store, secrets, args.log_uids)
    };
    let app = Arc::new(app);
    let timeout = Duration::from_secs(args.timeout);
    let limits = Limits { connections: args.max_connections, timeout, grace: timeout };
    serve(listener, Arc::clone(&app), limits, end).await?;
    // What was not finished in time holds on to the store.
    if let Some(app) = Arc::into_inner(app) {
        app.close().await;
    }
    Ok(())
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
