//! Records into blocks.

use bytes::BytesMut;
use storage_core::codec::Encoder;
use storage_core::format::RecordWriter;
use storage_core::{Flaw, FlawKind, Result};

use super::layout::{
    BLOCK, BLOCK_MAX, BlockHead, Id, Kind, LENGTH_MAX, codec_number, crc, file_head, foot, put_varint,
};
use super::{NAME, RecordFile};

/// Room that is made at a time for what is compressed.
const ROOM: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct FileWriter {
    file: RecordFile,
    id: Id,
    /// What the open block holds.
    content: Vec<u8>,
    records: u32,
    /// How many records came before it.
    number: u64,
    /// How many bytes were written.
    offset: u64,
    blocks: u32,
    /// What the last block will hold: the length of each block, and how many records it has.
    index: Vec<u8>,
}

impl FileWriter {
    pub(super) fn new(file: RecordFile) -> Self {
        let id = file.id.unwrap_or_else(|| std::array::from_fn(|_| fastrand::u8(..)));
        Self { file, id, content: Vec::new(), records: 0, number: 0, offset: 0, blocks: 0, index: Vec::new() }
    }

    fn begin(&mut self, output: &mut BytesMut) {
        if self.offset == 0 {
            self.put(&file_head(self.id), output);
        }
    }

    fn put(&mut self, bytes: &[u8], output: &mut BytesMut) {
        output.extend_from_slice(bytes);
        self.offset += bytes.len() as u64;
    }

    /// Writes the open block, if it holds anything.
    fn block(&mut self, output: &mut BytesMut) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let encoded = self.encoded()?;
        self.begin(output);
        let (codec, data) = match &encoded {
            Some((codec, data)) if data.len() < self.content.len() => (*codec, &data[..]),
            _ => (0, &self.content[..]),
        };
        let head = BlockHead {
            id: self.id,
            offset: self.offset,
            number: self.number,
            records: self.records,
            // No content is longer than four bytes tell.
            encoded: data.len() as u32,
            decoded: self.content.len() as u32,
            kind: Kind::Data,
            codec,
            crc: crc(data),
        };
        output.extend_from_slice(&head.to_bytes());
        output.extend_from_slice(data);
        let length = (BLOCK + data.len()) as u64;
        self.offset += length;
        put_varint(length, &mut self.index);
        put_varint(u64::from(self.records), &mut self.index);
        self.number += u64::from(self.records);
        self.blocks += 1;
        self.records = 0;
        self.content.clear();
        Ok(())
    }

    /// The block compressed.
    fn encoded(&self) -> Result<Option<(u8, Vec<u8>)>> {
        let Some(codec) = &self.file.codec else { return Ok(None) };
        let Some(number) = codec_number(codec.about().name) else { return Ok(None) };
        let mut encoder = Encoder::new(codec.clone(), &self.file.encode)?;
        let mut encoded = Vec::with_capacity(self.content.len() / 2 + ROOM);
        let mut content = &self.content[..];
        while !content.is_empty() {
            encoder.encode(&mut content, &mut encoded)?;
            encoded.reserve(ROOM);
        }
        while !encoder.finish(&mut encoded)? {
            encoded.reserve(ROOM);
        }
        Ok(Some((number, encoded)))
    }
}

impl RecordWriter for FileWriter {
    fn write(&mut self, record: &[u8], output: &mut BytesMut) -> Result<()> {
        let most = u32::MAX as usize - LENGTH_MAX;
        if record.len() > most {
            let message = format!("a record of {} bytes; a block holds {most}", record.len());
            return Err(Flaw::new(FlawKind::TooLarge, NAME, message).into());
        }
        let size = self.file.block_size.clamp(1, BLOCK_MAX);
        if self.content.len() + LENGTH_MAX + record.len() > size {
            self.block(output)?;
        }
        put_varint(record.len() as u64, &mut self.content);
        self.content.extend_from_slice(record);
        self.records += 1;
        if self.content.len() >= size {
            self.block(output)?;
        }
        Ok(())
    }

    fn finish(&mut self, output: &mut BytesMut) -> Result<()> {
        self.block(output)?;
        self.begin(output);
        let index = std::mem::take(&mut self.index);
        let length = u32::try_from(index.len()).map_err(|_| {
            Flaw::new(
                FlawKind::TooLarge,
                NAME,
                "the file has more blocks than an index holds; make them larger",
            )
        })?;
        let end = self.offset;
        let head = BlockHead {
            id: self.id,
            offset: end,
            number: self.number,
            records: self.blocks,
            encoded: length,
            decoded: length,
            kind: Kind::End,
            codec: 0,
            crc: crc(&index),
        };
        self.put(&head.to_bytes(), output);
        self.put(&index, output);
        self.put(&foot(self.id, end, self.number), output);
        Ok(())
    }
}
