//! `suntap-server compact`.

use suntap_server::store::{Address, Compacted, Embedded};

use super::println;
use crate::config::{StoreArgs, warn};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match args.store.address()? {
        Address::Embedded(path) => {
            let Compacted { before, after, warnings } = Embedded::compact(&path, args.store.options(None))?;
            for warning in &warnings {
                warn(warning);
            }
            println(&format!("{} had {before} bytes, and has {after} bytes now", path.display()))
        }
        Address::Postgres(_) => println(
            "nothing to do: autovacuum makes the space of old rows free for new ones. To give it back to the file system, run \
             VACUUM FULL suntap_documents, suntap_marks while no server runs",
        ),
        Address::Redis(_) => println("nothing to do: Redis rewrites its append-only file by itself"),
    }
}
