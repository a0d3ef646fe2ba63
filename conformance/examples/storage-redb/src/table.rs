//! The tables, and what can be done to them inside one write transaction.

use bytes::Bytes;
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use storage_core::{Condition, ETag, Error, ErrorKind};

use crate::error::Failure;
use crate::record::{Record, Row};

/// Objects by key.
pub(crate) const OBJECTS: TableDefinition<'_, &str, Row<'_>> = TableDefinition::new("objects");
/// Content in pieces, by its number and the piece's offset in it.
pub(crate) const PIECES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("pieces");
/// Contents that are not published yet, and the keys they are meant for.
pub(crate) const UPLOADS: TableDefinition<'_, u64, &str> = TableDefinition::new("uploads");
/// The number last given to a content. None is given twice.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("last");

/// redb rounds what it stores up to a power of two; this fills one, with room for its header.
const PIECE: usize = (256 << 10) - 512;

/// The tables, open in one transaction.
pub(crate) struct Tables<'t> {
    pub(crate) objects: Table<'t, &'static str, Row<'static>>,
    pub(crate) pieces: Table<'t, (u64, u64), &'static [u8]>,
    pub(crate) uploads: Table<'t, u64, &'static str>,
    last: Table<'t, (), u64>,
}

impl<'t> Tables<'t> {
    /// Opens the tables, and makes those that are missing.
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            objects: transaction.open_table(OBJECTS)?,
            pieces: transaction.open_table(PIECES)?,
            uploads: transaction.open_table(UPLOADS)?,
            last: transaction.open_table(LAST)?,
        })
    }

    /// A number for a new content.
    pub(crate) fn number(&mut self) -> Result<u64, Failure> {
        let number = self.last.get(())?.map_or(0, |last| last.value()) + 1;
        self.last.insert((), number)?;
        Ok(number)
    }

    /// Stores a stretch of a content, of which nothing shows until a record names it.
    pub(crate) fn store(&mut self, content: u64, mut offset: u64, body: &Bytes) -> Result<(), Failure> {
        for piece in body.chunks(PIECE) {
            self.pieces.insert((content, offset), piece)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }

    /// The same bytes as a content of their own.
    pub(crate) fn duplicate(&mut self, content: u64) -> Result<u64, Failure> {
        let number = self.number()?;
        let mut offset = 0;
        loop {
            let piece = self.pieces.get((content, offset))?.map(|piece| piece.value().to_vec());
            let Some(piece) = piece else { return Ok(number) };
            self.pieces.insert((number, offset), piece.as_slice())?;
            offset += piece.len() as u64;
        }
    }

    /// Removes a content; tells its size.
    pub(crate) fn discard(&mut self, content: u64) -> Result<u64, Failure> {
        let mut size = 0;
        self.pieces.retain_in((content, 0)..=(content, u64::MAX), |_, piece| {
            size += piece.len() as u64;
            false
        })?;
        Ok(size)
    }

    /// Makes `record` the object at `key`.
    pub(crate) fn put(&mut self, key: &str, record: &Record) -> Result<(), Failure> {
        let old = self.objects.insert(key, record.row())?.map(|old| old.value().0);
        match old {
            Some(old) if old != record.content => self.discard(old).map(drop),
            _ => Ok(()),
        }
    }

    /// Removes the object at `key`, if there is one.
    pub(crate) fn remove(&mut self, key: &str) -> Result<(), Failure> {
        let old = self.objects.remove(key)?.map(|old| old.value().0);
        old.map_or(Ok(()), |content| self.discard(content).map(drop))
    }

    /// Judges a condition where nobody can come in between: inside the transaction that acts on it.
    pub(crate) fn check(&self, key: &str, condition: &Condition) -> Result<(), Failure> {
        let found = self.objects.get(key)?.map(|row| Record::from_row(row.value()));
        match condition {
            Condition::None => Ok(()),
            Condition::IfAbsent if found.is_none() => Ok(()),
            Condition::IfAbsent => Err(Error::new(ErrorKind::AlreadyExists, "an object is there").into()),
            Condition::IfMatch(etag) => same_etag(found.as_ref(), Some(etag)),
            _ => Err(Error::unsupported("a condition that this backend does not know").into()),
        }
    }
}

/// The object at `key`, in a read or a write transaction.
pub(crate) fn find(
    objects: &impl ReadableTable<&'static str, Row<'static>>,
    key: &str,
) -> Result<Record, Failure> {
    let found = objects.get(key)?.map(|row| Record::from_row(row.value()));
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such object").into())
}

/// Fails if an ETag is asked for and `found` has another, or is not there.
pub(crate) fn same_etag(found: Option<&Record>, wanted: Option<&ETag>) -> Result<(), Failure> {
    if wanted.is_none() || found.and_then(|record| record.metadata.etag.as_ref()) == wanted {
        return Ok(());
    }
    Err(Error::new(ErrorKind::PreconditionFailed, "the ETag is another one").into())
}
