//! Imports lines of JSON into the registry: all of them, or none.
//!
//! A line is one of `{"organisation":{…}}`, `{"apiKey":{…}}`, `{"token":{…}}`, `{"folder":{…}}`, `{"tagGroup":{…}}`,
//! `{"batch":{…}}`, `{"tag":{…}}`. The organisation, folder, tag group and batch of a line come before it, in the same import
//! or an earlier one.
//!
//! A line changes the fields that it names (a JSON merge patch, RFC 7396, of the fields of the object). A field that it does
//! not name keeps the stored value, and `null` removes the value. An object or a list is always replaced as a whole: `keys`,
//! `layout`, `rules`, `extendedData`, `metadata`. With [`Allowed::replace`], a line is the whole object instead.

pub(crate) mod check;
mod documents;
mod draft;
mod dry_run;
mod error;
pub(crate) mod export;
mod findable;
pub mod from;
mod index_draft;
mod input;
mod levels;
mod line;
mod owners;
mod recheck;
pub(crate) mod removal;
mod roots;
mod sealing;
mod signing;
mod tags;

pub use self::dry_run::{Counters, Counts, Preview, dry_run};
pub use self::error::ImportError;
pub use self::input::Input;
pub(crate) use self::levels::is_closing;
pub use self::roots::Roots;

use std::collections::VecDeque;
use std::fmt;
use std::io;

use self::draft::Draft;
use self::error::Stop;
use self::line::Parsed;
use self::sealing::Sealer;
use crate::registry::index::MAX_META_KEYS;
use crate::secrets::Secrets;
use crate::store::{Pace, Staged, Store};
use crate::text::counted;

/// The number of problems that an error lists. It only counts the others.
const LISTED: usize = 20;
/// The parts of the input that are parsed at a time: one that is awaited, and two more.
const AHEAD: usize = 3;

/// What an import does only on request, and its limits.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag of the command")]
pub struct Allowed {
    /// The maximum number of different meta-read keys, and of different layouts, of tags whose URLs have the same path and
    /// parameters. The page for phones tries all of them.
    pub meta_keys: usize,
    /// Accepts API keys and tokens of less than 12 characters, which can be guessed.
    pub short_keys: bool,
    /// Accepts tags with a chip and without rules: genuine and forged taps get the same answer.
    pub no_rules: bool,
    /// Accepts factory keys (16 zero bytes), with which everybody can make taps that pass.
    pub factory_keys: bool,
    /// Reads each line as the whole object: removes the stored fields that a line does not name.
    pub replace: bool,
    /// The root keys that may have signed the certificates in lines.
    pub roots: Roots,
}

impl Default for Allowed {
    fn default() -> Self {
        let (short_keys, no_rules, factory_keys, replace) = (false, false, false, false);
        Self { meta_keys: MAX_META_KEYS, short_keys, no_rules, factory_keys, replace, roots: Roots::default() }
    }
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of lines with a tag.
    pub tags: usize,
    /// The number of other lines.
    pub others: usize,
    /// The number of tags that have no keys or no layout yet: each of their taps is refused.
    pub waiting: usize,
    /// The keys of the first ten of these tags.
    pub first_waiting: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", counted(self.tags, "tag"), counted(self.others, "other line"))
    }
}

/// Imports lines. Calls `done` with the number of bytes that it has processed.
///
/// # Errors
/// Fails if a line is invalid or the store fails. Nothing was imported then, except for what
/// [`Redis`](crate::store::Redis) says.
pub async fn import(
    store: &Store,
    secrets: &Secrets,
    text: &str,
    allowed: Allowed,
    done: impl FnMut(u64),
) -> Result<Report, ImportError> {
    let (report, staged) = prepare(store, secrets, &mut Input::text(text), allowed, done).await?;
    store.apply(staged, Pace::Alone).await?;
    Ok(report)
}

/// Returns what an import changes. Most of it is in a temporary file if there are many lines.
pub(crate) async fn prepare(
    store: &Store,
    secrets: &Secrets,
    input: &mut Input<'_>,
    allowed: Allowed,
    done: impl FnMut(u64),
) -> Result<(Report, Staged), ImportError> {
    draft_of(Draft::new(store, secrets, allowed), input, done).await
}

/// Adds all lines to a draft, and returns what it reports and changes.
async fn draft_of(
    mut draft: Draft<'_>,
    input: &mut Input<'_>,
    done: impl FnMut(u64),
) -> Result<(Report, Staged), ImportError> {
    let added = add_all(&mut draft, input, done).await;
    // If a temporary file could not be written, the lines after that do not matter.
    draft.settle().await?;
    let (mut problems, mut all) = added?;
    if all == 0 {
        problems = draft.recheck().await?;
        all = problems.len();
        problems.truncate(LISTED);
    }
    if all > 0 {
        return Err(ImportError::Lines { listed: problems, all });
    }
    Ok(draft.finished().await?)
}

/// Adds all lines to a draft. Other threads parse the next ones meanwhile. Returns the first problems, and the number of all.
async fn add_all(
    draft: &mut Draft<'_>,
    input: &mut Input<'_>,
    mut done: impl FnMut(u64),
) -> Result<(Vec<(usize, String)>, usize), ImportError> {
    let (mut problems, mut all) = (Vec::new(), 0_usize);
    let mut parts = VecDeque::new();
    let mut end = None;
    loop {
        while end.is_none() && parts.len() < AHEAD {
            match input.part() {
                Ok(lines) if lines.is_empty() => end = Some(Ok(())),
                Ok(lines) => {
                    let (secrets, allowed) = (draft.secrets.clone(), draft.allowed.clone());
                    let parse = move || {
                        let sealer = Sealer { secrets: &secrets, allowed: &allowed };
                        lines.into_iter().map(|line| Parsed::new(line, |tag| sealer.seal(tag))).collect()
                    };
                    parts.push_back((input.bytes(), tokio::task::spawn_blocking(parse)));
                }
                Err(error) => end = Some(Err(error)),
            }
        }
        let Some((bytes, part)) = parts.pop_front() else { break };
        let mut lines: Vec<Parsed> = part.await.map_err(|error| ImportError::Input(io::Error::other(error)))?;
        draft.spill_if_large().await?;
        let complete = draft.look_up(&mut lines).await?;
        for (Parsed { number, partial, .. }, line) in lines.into_iter().zip(complete) {
            let problem = match draft.add(number, partial, line).await {
                Ok(()) => continue,
                Err(Stop::Line(problem)) => problem,
                Err(Stop::Store(error)) => return Err(error.into()),
            };
            all = all.saturating_add(1);
            if problems.len() < LISTED {
                problems.push((number, problem));
            }
        }
        done(bytes);
        // A data file answers at once, and other requests wait for this thread.
        tokio::task::yield_now().await;
    }
    // Lines before an error of the input were added, as if they had been read later.
    end.unwrap_or(Ok(())).map_err(ImportError::Input)?;
    Ok((problems, all))
}
