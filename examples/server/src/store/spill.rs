//! The documents of a large change in temporary files.
//!
//! Each file is a run: records in the order of their keys. All runs are merged when the change is written. A key that is looked up
//! before is searched for in each run, the newest first. A set of hashes says without a search that most keys are in none.
//!
//! A run can be sorted and written on another thread, and the merged records can be read on one.
//!
//! The files have no names, so they disappear with the process. Documents have sealed keys only.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom};
use std::sync::mpsc::{Receiver, sync_channel};

use super::StoreError;
use super::staged::Record;

/// One of so many records of a run is in its index.
const STEP: usize = 64;
/// Bytes of a run that are read at once.
const BUFFER: usize = 64 * 1024;
/// Records that are sent to another thread together.
const BATCH: usize = 256;
/// Batches that wait for the other thread, at most.
const WAITING: usize = 4;
/// Bytes before the texts of a record: flags, rank and three lengths.
const HEAD: usize = 14;

const SEEN: u8 = 1;
const SEEN_TEXT: u8 = 2;
const WRITE: u8 = 4;
const WRITE_TEXT: u8 = 8;

/// Documents in temporary files.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    runs: Vec<Run>,
    keys: HashSet<u64>,
    hasher: RandomState,
}

/// Records in the order of their keys, in a file.
#[derive(Debug)]
pub(crate) struct Run {
    file: File,
    /// The keys of some records, and where each starts.
    index: Vec<(String, u64)>,
}

impl Spill {
    /// Takes notice of the keys of the next run. They are not found before the run is [added](Self::add).
    pub(crate) fn note<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        self.keys.extend(keys.map(|key| self.hasher.hash_one(key)));
    }

    /// Adds a run, whose keys were [noted](Self::note).
    pub(crate) fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// Returns `false` if no run has this key, also not one that was only noted.
    pub(crate) fn may_have(&self, key: &str) -> bool {
        self.keys.contains(&self.hasher.hash_one(key))
    }

    /// Returns the record of a key, if there is one.
    pub(crate) fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError> {
        if !self.may_have(key) {
            return Ok(None);
        }
        let mut found: Option<Record> = None;
        for run in self.runs.iter_mut().rev() {
            let Some(older) = run.get(key).map_err(StoreError::Temporary)? else { continue };
            match &mut found {
                Some(found) => found.complete(older),
                None => found = Some(older),
            }
        }
        Ok(found)
    }

    /// Returns all records in the order of their keys, one for each key.
    pub(crate) fn records(&mut self) -> Result<Records<'_>, StoreError> {
        let mut records = Records { readers: Vec::new(), heads: BinaryHeap::new() };
        for (number, run) in self.runs.iter_mut().enumerate() {
            run.file.seek(SeekFrom::Start(0)).map_err(StoreError::Temporary)?;
            records.readers.push(BufReader::with_capacity(BUFFER, &run.file));
            records.advance(number)?;
        }
        Ok(records)
    }

    /// Reads all records on another thread, while the caller uses those before.
    pub(crate) fn read_ahead(mut self) -> Ahead {
        let (sender, receiver) = sync_channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let mut batch = Vec::with_capacity(BATCH);
            let mut send = |record| {
                batch.push(record);
                let is_full = batch.len() >= BATCH;
                // The receiver is gone if the caller does not need the other records.
                !is_full || sender.send(Ok(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))).is_ok()
            };
            let read = self.records().and_then(|records| {
                for record in records {
                    if !send(record?) {
                        break;
                    }
                }
                Ok(())
            });
            let last = [read.map(|()| batch), Ok(Vec::new())];
            last.into_iter().try_for_each(|batch| sender.send(batch))
        });
        Ahead(receiver)
    }
}

/// Records that another thread reads. The last batch is empty.
pub(crate) struct Ahead(Receiver<Result<Vec<Record>, StoreError>>);

impl Ahead {
    /// Calls `each` with every record, in the order of the keys.
    pub(crate) fn each(self, mut each: impl FnMut(Record) -> Result<(), StoreError>) -> Result<(), StoreError> {
        loop {
            // If the other thread ends early, the records are not complete.
            let batch = self.0.recv().unwrap_or(Err(StoreError::Closed))?;
            if batch.is_empty() {
                return Ok(());
            }
            batch.into_iter().try_for_each(&mut each)?;
        }
    }
}

impl Run {
    /// Sorts and writes records, of which no two have the same key.
    pub(crate) fn write(mut records: Vec<Record>) -> Result<Self, StoreError> {
        records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Self::write_sorted(&records).map_err(StoreError::Temporary)
    }

    fn write_sorted(records: &[Record]) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER, tempfile::tempfile()?);
        let (mut index, mut place) = (Vec::new(), 0_u64);
        for (number, record) in records.iter().enumerate() {
            if number.is_multiple_of(STEP) {
                index.push((record.key.clone(), place));
            }
            place = place.saturating_add(write(&mut out, record)?);
        }
        Ok(Self { file: out.into_inner()?, index })
    }

    fn get(&mut self, key: &str) -> io::Result<Option<Record>> {
        let after = self.index.partition_point(|(first, _)| first.as_str() <= key);
        let Some((_, place)) = after.checked_sub(1).and_then(|at| self.index.get(at)) else { return Ok(None) };
        self.file.seek(SeekFrom::Start(*place))?;
        let mut reader = BufReader::new(&self.file);
        while let Some(record) = read(&mut reader)? {
            if record.key.as_str() >= key {
                return Ok(Some(record).filter(|record| record.key == key));
            }
        }
        Ok(None)
    }
}

/// The merged records of all runs.
pub(crate) struct Records<'s> {
    readers: Vec<BufReader<&'s File>>,
    /// The next record of each run.
    heads: BinaryHeap<Reverse<Head>>,
}

/// Ordered by the key. Of one key, the record of the newest run comes first.
struct Head {
    record: Record,
    run: usize,
}

impl Records<'_> {
    fn advance(&mut self, run: usize) -> Result<(), StoreError> {
        let Some(reader) = self.readers.get_mut(run) else { return Ok(()) };
        let record = read(reader).map_err(StoreError::Temporary)?;
        self.heads.extend(record.map(|record| Reverse(Head { record, run })));
        Ok(())
    }

    fn pop(&mut self) -> Result<Option<Record>, StoreError> {
        let Some(Reverse(Head { record, run })) = self.heads.pop() else { return Ok(None) };
        self.advance(run)?;
        Ok(Some(record))
    }

    fn merged(&mut self) -> Result<Option<Record>, StoreError> {
        let Some(mut record) = self.pop()? else { return Ok(None) };
        while self.heads.peek().is_some_and(|Reverse(head)| head.record.key == record.key) {
            if let Some(older) = self.pop()? {
                record.complete(older);
            }
        }
        Ok(Some(record))
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.merged().transpose()
    }
}

impl Head {
    fn place(&self) -> (&str, Reverse<usize>) {
        (&self.record.key, Reverse(self.run))
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Head {}

/// Writes a record, and returns its length.
fn write(out: &mut impl io::Write, record: &Record) -> io::Result<u64> {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    let (seen, text) = (record.seen.as_ref(), record.write.as_ref());
    let flags = flag(seen.is_some(), SEEN)
        | flag(seen.is_some_and(Option::is_some), SEEN_TEXT)
        | flag(text.is_some(), WRITE)
        | flag(text.is_some_and(Option::is_some), WRITE_TEXT);
    let texts = [Some(&record.key), seen.and_then(Option::as_ref), text.and_then(Option::as_ref)];
    let texts = texts.map(|text| text.map_or("", String::as_str));
    out.write_all(&[flags, record.rank])?;
    let mut length = HEAD;
    for text in texts {
        out.write_all(&u32::try_from(text.len()).map_err(io::Error::other)?.to_le_bytes())?;
        length = length.saturating_add(text.len());
    }
    texts.iter().try_for_each(|text| out.write_all(text.as_bytes()))?;
    u64::try_from(length).map_err(io::Error::other)
}

/// Reads a record, or returns `None` at the end.
fn read(reader: &mut impl io::BufRead) -> io::Result<Option<Record>> {
    if reader.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut start = [0; 2];
    reader.read_exact(&mut start)?;
    let [flags, rank] = start;
    let mut lengths = [0; 3];
    for length in &mut lengths {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes)?;
        *length = u64::from(u32::from_le_bytes(bytes));
    }
    let [key, seen, write] = lengths;
    let mut text = |length: u64| {
        let mut text = String::with_capacity(usize::try_from(length).unwrap_or_default());
        let read = reader.take(length).read_to_string(&mut text)?;
        if u64::try_from(read).ok() == Some(length) {
            Ok(text)
        } else {
            Err(io::Error::from(io::ErrorKind::UnexpectedEof))
        }
    };
    let (key, seen, write) = (text(key)?, text(seen)?, text(write)?);
    let option = |is: u8, is_text: u8, text| (flags & is != 0).then(|| Some(text).filter(|_| flags & is_text != 0));
    let (seen, write) = (option(SEEN, SEEN_TEXT, seen), option(WRITE, WRITE_TEXT, write));
    Ok(Some(Record { key, seen, write, rank }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::option_option, reason = "the outer one says whether it is known")]
    fn record(key: &str, seen: Option<Option<&str>>, write: Option<Option<&str>>) -> Record {
        let owned = |text: Option<Option<&str>>| text.map(|text| text.map(String::from));
        Record { key: key.into(), seen: owned(seen), write: owned(write), rank: 1 }
    }

    impl Spill {
        fn write(&mut self, records: Vec<Record>) {
            self.note(records.iter().map(|record| &*record.key));
            self.add(Run::write(records).unwrap());
        }
    }

    #[test]
    fn newer_runs_replace_older_ones_and_keep_what_was_seen() {
        let mut spill = Spill::default();
        let numbered = |number: usize, text| record(&format!("{number:04}"), Some(None), Some(Some(text)));
        spill.write((0..1000).rev().map(|number| numbered(number, "first")).collect());
        spill.write((500..1500).map(|number| numbered(number, "second")).collect());
        let changes = vec![
            record("0007", None, Some(None)),
            record("0700", None, Some(Some("third"))),
            record("a", Some(Some("old")), None),
        ];
        spill.write(changes);

        let all: Vec<_> = spill.records().unwrap().map(Result::unwrap).collect();
        assert_eq!(all.len(), 1501);
        assert!(all.is_sorted_by(|a, b| a.key < b.key));
        for found in &all {
            assert_eq!(spill.get(&found.key).unwrap().as_ref(), Some(found));
            let expected = match &*found.key {
                "0007" => record("0007", Some(None), Some(None)),
                "0700" => record("0700", Some(None), Some(Some("third"))),
                "a" => record("a", Some(Some("old")), None),
                key => record(key, Some(None), Some(Some(if key < "0500" { "first" } else { "second" }))),
            };
            assert_eq!(*found, expected);
        }
        for key in ["", "00000", "0999x", "b"] {
            assert_eq!(spill.get(key).unwrap(), None);
        }
    }

    #[tokio::test]
    async fn records_that_are_read_ahead_are_complete() {
        let written = |count: usize| {
            let mut spill = Spill::default();
            let records = (0..count).map(|number| record(&format!("{number:05}"), Some(None), None));
            spill.write(records.collect());
            spill
        };
        for count in [0, 1, BATCH, BATCH * WAITING * 3 + 1] {
            let mut keys = Vec::new();
            let each = |record: Record| {
                keys.push(record.key);
                Ok(())
            };
            written(count).read_ahead().each(each).unwrap();
            assert!(keys.len() == count && keys.is_sorted());
        }
        // The other thread stops with the caller.
        let stopped = written(BATCH * WAITING * 3).read_ahead().each(|_| Err(StoreError::Contended));
        assert!(matches!(stopped, Err(StoreError::Contended)));
        let lost = written(BATCH * WAITING * 3);
        for run in &lost.runs {
            run.file.set_len(run.file.metadata().unwrap().len() - 1).unwrap();
        }
        let mut count = 0;
        let each = |_| {
            count += 1;
            Ok(())
        };
        assert!(matches!(lost.read_ahead().each(each), Err(StoreError::Temporary(_))));
        assert!(count > 0);
    }

    #[test]
    fn a_lost_part_of_a_file_is_an_error() {
        let mut spill = Spill::default();
        spill.write(vec![record("a", Some(Some("text")), Some(None))]);
        for run in &spill.runs {
            run.file.set_len(u64::try_from(HEAD).unwrap() + 2).unwrap();
        }
        assert!(matches!(spill.get("a"), Err(StoreError::Temporary(_))));
    }
}
