//! `suntap-server backup`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::bail;
use suntap_server::ops::backup::{Backup, in_new_file};
use tokio::io::AsyncWriteExt as _;

use super::admin::AdminArgs;
use super::unwritten;

const TARGET: &str = "/admin/v1/backup";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The new file, or `-` for standard output. An existing file is never replaced.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let is_stdout = args.path.as_os_str() == "-";
    if is_stdout && std::io::stdout().is_terminal() {
        bail!("standard output is a terminal: name a file");
    }
    let api = args.admin.open().await?;
    let what = if is_stdout {
        let mut output = tokio::io::stdout();
        api.download(TARGET, async |bytes| output.write_all(bytes).await).await?;
        output.flush().await.map_err(unwritten)?;
        "the backup".into()
    } else {
        let download = async |mut file: tokio::fs::File| {
            api.download(TARGET, async |bytes| file.write_all(bytes).await).await?;
            Ok(file.flush().await?)
        };
        in_new_file(&args.path, download, |path| Ok(Backup::verify(path)?.counts())).await?.to_string()
    };
    api.close().await;
    // Standard output may be the backup, and standard error may be closed.
    let _ = writeln!(
        std::io::stderr(),
        "wrote {what}. The backup has no secrets and is useless without them: keep a copy of the secrets in another place"
    );
    Ok(())
}
