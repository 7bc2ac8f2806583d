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
mod sealing;
mod tags;

pub use self::dry_run::{Counters, Counts, Preview, dry_run};
pub use self::error::ImportError;
pub use self::input::Input;
pub(crate) use self::levels::is_closing;

use std::fmt;

use self::draft::Draft;
use self::error::Stop;
use self::line::Partial;
use crate::registry::index::MAX_META_KEYS;
use crate::secrets::Secrets;
use crate::store::{Pace, Staged, Store};
use crate::text::counted;

/// The number of problems that an error lists. It only counts the others.
const LISTED: usize = 20;

/// What an import does only on request, and its limits.
#[derive(Clone, Copy, Debug)]
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
}

impl Default for Allowed {
    fn default() -> Self {
        let (short_keys, no_rules, factory_keys, replace) = (false, false, false, false);
        Self { meta_keys: MAX_META_KEYS, short_keys, no_rules, factory_keys, replace }
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

/// Adds all lines to a draft.
async fn draft_of(
    mut draft: Draft<'_>,
    input: &mut Input<'_>,
    mut done: impl FnMut(u64),
) -> Result<(Report, Staged), ImportError> {
    let mut problems = Vec::new();
    let mut all = 0_usize;
    loop {
        let lines = input.part().map_err(ImportError::Input)?;
        if lines.is_empty() {
            break;
        }
        let mut partials = Vec::with_capacity(lines.len());
        for (number, line) in &lines {
            partials.push((*number, line.as_deref().map_err(Clone::clone).and_then(Partial::read)));
        }
        draft.spill_if_large()?;
        let complete = draft.look_up(&partials).await?;
        for ((number, partial), line) in partials.into_iter().zip(complete) {
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
        done(input.bytes());
        // A data file answers at once, and other requests wait for this thread.
        tokio::task::yield_now().await;
    }
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
