//! What was sent of large objects, written down so that the next process goes on where this one was cut off.
//!
//! A directory holds one file for each transfer, named by a hash of what goes where and locked by who works on it. It is
//! text: a line that says what the source was and what the upload is called, then a line for every part that was taken.
//! A last line that was cut off counts for nothing.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::backend::Part;
use crate::checksum::{Algorithm, Checksum, Checksums};
use crate::meta::Metadata;

const FORMAT: &str = "haul-transfer-2";
/// How long somebody else's lock is waited for.
const LOCK_TRIES: u32 = 20;
const LOCK_WAIT: Duration = Duration::from_millis(50);

/// A directory in which transfers are written down; see [`TransferOptions::resume`](crate::TransferOptions::resume).
///
/// Several processes may share it. What is written down there of a transfer that is never taken up again can be deleted at
/// any time; the upload itself is left to [`Store::cleanup`](crate::Store::cleanup).
#[derive(Clone, Debug)]
pub struct Journal {
    directory: PathBuf,
}

/// A part that an upload took, as another process remembers it.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenPart {
    /// Its place: 0, 1, 2, …
    pub number: u64,
    /// Its first byte's place in the object.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The CRC-64/NVME of its bytes.
    pub checksum: Checksum,
    /// The CRC-32C of its bytes, where that was taken as well.
    pub crc32c: Option<Checksum>,
    /// What the backend said of it; see [`Upload::receipt`](crate::Upload::receipt).
    pub receipt: String,
}

impl TakenPart {
    /// This part, of which the backend said so.
    pub fn new(part: &Part, receipt: impl Into<String>) -> Self {
        let checksum = part.checksums.get(Algorithm::Crc64Nvme);
        Self {
            number: part.number,
            offset: part.offset,
            length: part.body.len(),
            checksum: checksum.unwrap_or_else(|| part.body.checksum(Algorithm::Crc64Nvme)),
            crc32c: part.checksums.get(Algorithm::Crc32c),
            receipt: receipt.into(),
        }
    }

    /// The checksums of its bytes.
    pub(crate) fn checksums(&self) -> Checksums {
        [Some(self.checksum), self.crc32c].into_iter().flatten().collect()
    }
}

/// What was written down of a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What the source was: nothing is resumed of another.
    pub(crate) source: String,
    /// The upload's name.
    pub(crate) upload: String,
    /// The token of the write.
    pub(crate) token: String,
    /// The length of a part.
    pub(crate) part: u64,
    pub(crate) taken: Vec<TakenPart>,
}

/// The entry of one transfer, locked while this stands.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    path: Arc<Path>,
    file: Arc<Mutex<File>>,
}

impl Journal {
    /// A journal in `directory`, which is made when it is needed.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }

    /// The entry of the transfer that is called `name`, and what stands in it. None if another process works on it.
    pub(crate) fn open(&self, name: &str) -> io::Result<Option<(Entry, Option<Record>)>> {
        std::fs::create_dir_all(&self.directory)?;
        let hash = Algorithm::Blake3.digest(name.as_bytes()).to_string();
        let path = self.directory.join(&hash[hash.len() - 32..]);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        // Who was dropped a moment ago may still write down its last part.
        let mut tries = 0;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_WAIT);
                }
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        let mut text = String::new();
        // What is no text was not written by us.
        let record = file.read_to_string(&mut text).ok().and_then(|_| Record::parse(&text));
        Ok(Some((Entry { path: path.into(), file: Arc::new(Mutex::new(file)) }, record)))
    }
}

impl Entry {
    /// Begins anew.
    pub(crate) fn begin(&self, record: &Record) -> io::Result<()> {
        let mut text = [FORMAT, &record.source, &record.upload, &record.token].map(escaped).join("\t");
        text += &format!("\t{}\n", record.part);
        record.taken.iter().for_each(|part| text += &line(part));
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.set_len(0)?;
        file.write_all(text.as_bytes())
    }

    /// Adds a part that was taken.
    pub(crate) fn add(&self, part: &TakenPart) -> io::Result<()> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line(part).as_bytes())
    }

    /// The transfer is over.
    pub(crate) fn remove(&self) {
        // A leftover entry tells of an upload that is gone, which is found out.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Record {
    /// What identifies a version of the source, if anything does.
    pub(crate) fn source_of(metadata: &Metadata) -> Option<String> {
        let (etag, version) = (metadata.etag.as_ref(), metadata.version.as_ref());
        if etag.is_none() && version.is_none() {
            return None;
        }
        let etag = etag.map_or("", |etag| etag.as_str());
        Some(format!("{} {etag} {}", metadata.size, version.map_or("", |version| version.as_str())))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split_inclusive('\n');
        let head: Vec<&str> = lines.next()?.strip_suffix('\n')?.split('\t').collect();
        let [format, source, upload, token, part] = head[..] else { return None };
        if unescaped(format)? != FORMAT {
            return None;
        }
        let part: u64 = part.parse().ok().filter(|part| *part > 0)?;
        let mut record = Self {
            source: unescaped(source)?,
            upload: unescaped(upload)?,
            token: unescaped(token)?,
            part,
            taken: Vec::new(),
        };
        record.taken.extend(lines.map_while(|line| taken(line, part)));
        Some(record)
    }
}

fn line(part: &TakenPart) -> String {
    let (number, length, receipt) = (part.number, part.length, escaped(&part.receipt));
    let (crc64, crc32c) = (part.checksum.to_hex(), part.crc32c.map_or_else(String::new, |crc| crc.to_hex()));
    format!("{number}\t{length}\t{crc64}\t{crc32c}\t{receipt}\n")
}

fn taken(line: &str, part: u64) -> Option<TakenPart> {
    let fields: Vec<&str> = line.strip_suffix('\n')?.split('\t').collect();
    let [number, length, crc64, crc32c, receipt] = fields[..] else { return None };
    let (number, length): (u64, u64) = (number.parse().ok()?, length.parse().ok()?);
    let checksum = u64::from_str_radix(crc64, 16).ok().filter(|_| crc64.len() == 16)?;
    let checksum = Checksum::new(Algorithm::Crc64Nvme, &checksum.to_be_bytes()).ok()?;
    let crc32c = match crc32c {
        "" => None,
        text => {
            let value = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 8)?;
            Some(Checksum::new(Algorithm::Crc32c, &value.to_be_bytes()).ok()?)
        }
    };
    let offset = number.checked_mul(part)?;
    Some(TakenPart { number, offset, length, checksum, crc32c, receipt: unescaped(receipt)? })
}

/// Text without tabs and line feeds.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => escaped += "\\\\",
            '\t' => escaped += "\\t",
            '\n' => escaped += "\\n",
            c => escaped.push(c),
        }
    }
    escaped
}

fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '\\' => match chars.next()? {
                't' => '\t',
                'n' => '\n',
                '\\' => '\\',
                _ => return None,
            },
            c => c,
        });
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::{Journal, Record, TakenPart};
    use crate::checksum::Algorithm;

    fn part(number: u64) -> TakenPart {
        TakenPart {
            number,
            offset: number * 10,
            length: 10,
            checksum: Algorithm::Crc64Nvme.digest(&[number as u8]),
            crc32c: (number % 2 == 1).then(|| Algorithm::Crc32c.digest(&[number as u8])),
            receipt: format!("\"tag\t{number}\\\"\n"),
        }
    }

    fn record(taken: Vec<TakenPart>) -> Record {
        let text = |text: &str| text.to_owned();
        Record { source: text("5 \"e\ttag\""), upload: text("id\\x\n"), token: text("t"), part: 10, taken }
    }

    #[test]
    fn another_process_reads_what_was_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let journal = Journal::new(directory.path().join("below"));
        let (entry, found) = journal.open("a to b").expect("it opens").expect("nobody has it");
        assert_eq!(found, None);
        entry.begin(&record(vec![part(0)])).expect("it is written");
        entry.add(&part(3)).expect("it is written");
        assert!(journal.open("a to b").expect("it opens").is_none(), "it is locked");
        assert!(journal.open("a to c").expect("it opens").is_some());
        drop(entry);
        let (entry, found) = journal.open("a to b").expect("it opens").expect("nobody has it");
        assert_eq!(found, Some(record(vec![part(0), part(3)])));
        entry.remove();
        drop(entry);
        let (_, found) = journal.open("a to b").expect("it opens").expect("nobody has it");
        assert_eq!(found, None);
    }

    #[test]
    fn what_was_cut_off_or_changed_counts_for_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let (entry, _) = Journal::new(directory.path()).open("x").expect("it opens").expect("nobody has it");
        entry.begin(&record(vec![part(0), part(1), part(2)])).expect("it is written");
        let text = std::fs::read_to_string(&*entry.path).expect("it is there");
        for cut in 0..text.len() {
            let Some(text) = text.get(..cut) else { continue };
            if let Some(found) = Record::parse(text) {
                assert!([part(0), part(1), part(2)].starts_with(&found.taken), "{cut}: {found:?}");
                assert!(found.taken.len() < 3, "{cut}");
            }
        }
        assert_eq!(Record::parse("something else\n"), None);
        assert_eq!(Record::parse(&text.replace("transfer-2", "transfer-1")), None);
    }
}
