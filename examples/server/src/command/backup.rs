//! `suntap-server backup`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::bail;
use suntap_server::ops::backup::{Counts, backup, backup_to_file};
use suntap_server::store::Store;

use crate::config::StoreArgs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The new file, or `-` for standard output. An existing file is never replaced.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let counts = write(&opened.store, &args.path).await;
    opened.store.close().await;
    // Standard output may be the backup, and standard error may be closed.
    let _ = writeln!(
        std::io::stderr(),
        "wrote {}. The backup has no secrets and is useless without them: keep a copy of the secrets in another place",
        counts?
    );
    Ok(())
}

async fn write(store: &Store, path: &std::path::Path) -> anyhow::Result<Counts> {
    if path.as_os_str() != "-" {
        return backup_to_file(store, path).await;
    }
    if std::io::stdout().is_terminal() {
        bail!("standard output is a terminal: name a file");
    }
    backup(store, tokio::io::stdout()).await
}
