//! Reads documents and marks for many taps in two statements.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use suntap::{CounterId, Mark};
use tokio::sync::oneshot;

use super::batches::while_wanted;
use super::connections::{Connections, finish};
use super::{DOCUMENTS, column, id, stored_mark};
use crate::store::{Found, StoreError};

/// What a read asks for.
pub(super) struct Wanted {
    pub(super) keys: Vec<String>,
    pub(super) tag: Option<CounterId>,
}

/// A read in a batch.
pub(super) struct Read {
    pub(super) wanted: Wanted,
    pub(super) answer: oneshot::Sender<Result<Found, StoreError>>,
}

const MARKS: &str = "SELECT ctr, at, taps, tag FROM suntap_marks WHERE tag = ANY($1)";

/// Carries out a batch, and answers each of its reads.
pub(super) async fn answer(connections: Arc<Connections>, reads: Vec<Read>) {
    let reads = reads.into_iter().filter(|read| !read.answer.is_closed());
    let (wanted, mut answers): (Vec<Wanted>, Vec<_>) = reads.map(|read| (read.wanted, read.answer)).unzip();
    if wanted.is_empty() {
        return;
    }
    let Some(result) = while_wanted(&mut answers, read(&connections, &wanted)).await else { return };
    match result {
        Ok((documents, marks)) => {
            for (Wanted { keys, tag }, answer) in wanted.into_iter().zip(answers) {
                let documents = keys.iter().map(|key| documents.get(key).cloned()).collect();
                let mark = tag.and_then(|tag| marks.get(tag.as_bytes()).copied());
                let _ = answer.send(Ok(Found { documents, mark }));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for answer in answers {
                let _ = answer.send(Err(StoreError::Shared(Arc::clone(&error))));
            }
        }
    }
}

type Results = (HashMap<String, String>, HashMap<[u8; 16], Mark>);

async fn read(connections: &Connections, reads: &[Wanted]) -> Result<Results, StoreError> {
    let keys: Vec<&str> = unique(reads.iter().flat_map(|read| &read.keys).map(String::as_str));
    let tags: Vec<&[u8]> = unique(reads.iter().filter_map(|read| Some(read.tag.as_ref()?.as_bytes().as_slice())));
    let client = connections.get().await?;
    let documents = async {
        let statement = client.prepare_cached(DOCUMENTS).await?;
        client.query(&statement, &[&keys]).await
    };
    let marks = async {
        if tags.is_empty() {
            return Ok(Vec::new());
        }
        let statement = client.prepare_cached(MARKS).await?;
        client.query(&statement, &[&tags]).await
    };
    // Waits for both even if one fails, so that the connection has no unfinished statement.
    let (documents, marks) = tokio::join!(documents, marks);
    finish(client);
    let (documents, marks) = (documents.map_err(StoreError::Postgres)?, marks.map_err(StoreError::Postgres)?);
    let documents = documents.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?)));
    let marks = marks.iter().map(|row| Ok((id(row, 3)?, stored_mark(row)?)));
    Ok((documents.collect::<Result<_, StoreError>>()?, marks.collect::<Result<_, StoreError>>()?))
}

fn unique<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.collect::<BTreeSet<_>>().into_iter().collect()
}
