//! Many taps: one JSON object in each line of input, and one in each line of output.
//!
//! A thread reads chunks of lines. The other threads verify the lines of a chunk, while the counters of the previous chunk
//! are committed in the order of the input. Memory holds a few chunks and the counters.

use std::collections::HashMap;
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use rayon::ThreadPoolBuilder;
use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _};
use rayon::slice::ParallelSlice as _;
use zeroize::Zeroizing;

use super::check::{Counters, Verdict};
use super::line::{Reply, Worker};
use crate::Outcome;
use crate::files;
use crate::progress::Progress;
use crate::redact;

/// The number of bytes that are read at once.
const CHUNK: usize = 1 << 20;
/// Each thread gets several parts of a chunk, because some parts take longer.
const PARTS: usize = 2;

type Chunk = Zeroizing<Vec<u8>>;

/// Answers each line. Returns `true` if there is a verdict for each line.
pub(super) fn run(input: &str, threads: Option<NonZeroUsize>) -> Outcome {
    let files::Input { reader, len } = files::open(input)?;
    let (sender, chunks) = sync_channel(2);
    // If writing fails, the program ends while this thread still waits for input.
    let name = redact::path(Path::new(input)).into_owned();
    thread::spawn(move || read(&name, reader, &sender));
    let pool = ThreadPoolBuilder::new().num_threads(threads.map_or(0, NonZeroUsize::get)).build()?;
    let parts = pool.current_num_threads().saturating_mul(PARTS);
    let batch = Batch {
        workers: (0..parts).map(|_| Worker::default()).collect(),
        output: Output { stores: HashMap::new(), errors: false, out: BufWriter::with_capacity(CHUNK, io::stdout()) },
        progress: len.map(Progress::of_bytes),
    };
    Ok(pool.install(move || batch.answer(&chunks))?)
}

/// Reads chunks of whole lines and sends them. Stops at the first error, or if nobody receives.
fn read(name: &str, mut input: impl Read, sender: &SyncSender<io::Result<Chunk>>) {
    let mut chunk = Chunk::default();
    loop {
        let old = chunk.len();
        chunk.resize(old.saturating_add(CHUNK), 0);
        let read = input.read(chunk.get_mut(old..).unwrap_or_default());
        chunk.truncate(old.saturating_add(*read.as_ref().unwrap_or(&0)));
        let sent = match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let _ = sender.send(Err(io::Error::new(error.kind(), format!("{name}: {error}"))));
                return;
            }
            Ok(0) => {
                let _ = sender.send(Ok(chunk));
                return;
            }
            Ok(_) => match chunk.iter().skip(old).rposition(|byte| *byte == b'\n') {
                Some(at) => {
                    let rest = chunk.split_off(old.saturating_add(at).saturating_add(1));
                    sender.send(Ok(std::mem::replace(&mut chunk, rest.into())))
                }
                None => Ok(()),
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

struct Batch {
    workers: Vec<Worker>,
    output: Output,
    progress: Option<Progress>,
}

/// The replies to a chunk, in order.
type Replies = Vec<Vec<Reply>>;

impl Batch {
    /// Answers each line. Returns `true` if there is a verdict for each line.
    fn answer(mut self, chunks: &Receiver<io::Result<Chunk>>) -> io::Result<bool> {
        let (mut pending, mut position) = (Replies::new(), 0_u64);
        loop {
            let chunk = match chunks.try_recv() {
                // The other side may wait for these answers before it sends more.
                Err(TryRecvError::Empty) => {
                    self.output.write(std::mem::take(&mut pending))?;
                    chunks.recv().ok()
                }
                chunk => chunk.ok(),
            };
            let chunk = match chunk.transpose() {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) => {
                    // These lines have their answers.
                    self.output.write(pending)?;
                    return Err(error);
                }
            };
            let Self { workers, output, .. } = &mut self;
            let (replies, written) = rayon::join(|| reply(workers, &chunk), || output.write(pending));
            written?;
            pending = replies;
            position = position.saturating_add(u64::try_from(chunk.len()).unwrap_or_default());
            if let Some(progress) = &self.progress {
                progress.set(position, "");
            }
        }
        self.output.write(pending)?;
        Ok(!self.output.errors)
    }
}

/// Verifies the lines of a chunk in parallel.
fn reply(workers: &mut [Worker], chunk: &[u8]) -> Replies {
    let lines: Vec<&[u8]> = chunk.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).collect();
    let size = lines.len().div_ceil(workers.len().max(1)).max(1);
    let parts = workers.par_iter_mut().zip(lines.par_chunks(size));
    parts.map(|(worker, lines)| lines.iter().map(|line| worker.reply(line)).collect()).collect()
}

fn is_blank(line: &[u8]) -> bool {
    line.first().is_none_or(|first| *first != b'{') && str::from_utf8(line).is_ok_and(|line| line.trim().is_empty())
}

/// Commits counters and writes replies.
struct Output {
    stores: HashMap<String, Counters>,
    errors: bool,
    out: BufWriter<io::Stdout>,
}

impl Output {
    fn write(&mut self, replies: Replies) -> io::Result<()> {
        if replies.is_empty() {
            return Ok(());
        }
        for reply in replies.into_iter().flatten() {
            self.errors |= reply.is_error;
            let (head, verdict, tail) = self.commit(&reply);
            for part in [head, verdict, tail, "\n"] {
                self.out.write_all(part.as_bytes())?;
            }
        }
        self.out.flush()
    }

    /// Commits the counter of a reply. Returns the text of the reply in three parts.
    fn commit<'a>(&mut self, reply: &'a Reply) -> (&'a str, &'static str, &'a str) {
        let Some(commit) = &reply.commit else { return (&reply.text, "", "") };
        let counters = match self.stores.get_mut(&commit.store) {
            Some(counters) => counters,
            None => self.stores.entry(commit.store.clone()).or_default(),
        };
        let verdict = match counters.commit(&commit.id, commit.ctr) {
            Ok(()) => Verdict::Fresh,
            Err(_) => Verdict::Replayed,
        };
        let (head, tail) = reply.text.split_at_checked(commit.verdict_at).unwrap_or_default();
        (head, verdict.name(), tail)
    }
}
