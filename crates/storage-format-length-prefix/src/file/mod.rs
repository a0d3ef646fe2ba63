//! A file of records in blocks: compressed, checked, with an end that tells that it is whole, and found again behind damage.

mod layout;
mod reader;
mod writer;

use std::sync::Arc;

use storage_core::codec::{Codec, Codecs, EncodeOptions, Encoder};
use storage_core::format::{About, Format, RecordReader, RecordWriter, SplitOptions};
use storage_core::{Error, ErrorKind, Result};

use layout::{BLOCK_MAX, Id, codec_number};

const ABOUT: About = About {
    name: NAME,
    extensions: &["hrec"],
    has_checksum: true,
    tells_length: true,
    recovers: true,
    shares: Some(layout::HEAD),
};
/// The name of the format in errors.
const NAME: &str = "hrec";
/// What readers allow if nobody says otherwise.
const WINDOW_LOG_MAX: u32 = 27;
/// What a block holds before it is compressed, if nobody says otherwise.
const BLOCK_SIZE: usize = 1 << 20;

/// Haul's record file. `docs/record-file.md` describes it well enough to write another reader.
#[derive(Clone, Debug)]
pub struct RecordFile {
    codecs: Codecs,
    codec: Option<Arc<dyn Codec>>,
    encode: EncodeOptions,
    block_size: usize,
    id: Option<Id>,
}

impl RecordFile {
    /// Files whose blocks are read by any of these codecs, and written as they are.
    pub fn new(codecs: Codecs) -> Self {
        Self { codecs, codec: None, encode: EncodeOptions::new(), block_size: BLOCK_SIZE, id: None }
    }

    /// Compresses the blocks that it writes. One that does not get shorter by that stays as it is.
    ///
    /// # Errors
    /// `InvalidInput` for a codec that the format has no number for, for options that it does not have, and for those whose data needs more to be
    /// read than the file tells: a dictionary, or a window of more than 128 MiB.
    pub fn compressed(mut self, codec: Arc<dyn Codec>, mut options: EncodeOptions) -> Result<Self> {
        let name = codec.about().name;
        if codec_number(name).is_none() {
            let message = format!("a record file has no number for the codec {name}");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if options.dictionary.is_some() || options.window_log.is_some_and(|log| log > WINDOW_LOG_MAX) {
            let message = "a record file is read without a dictionary, and with windows of up to 128 MiB";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        // Blocks are made by one thread each, and have no index of their own.
        (options.threads, options.indexed, options.member_size) = (0, false, None);
        Encoder::new(codec.clone(), &options)?;
        (self.codec, self.encode) = (Some(codec), options);
        Ok(self)
    }

    /// Sets how many bytes a block holds before it is compressed: 1 MiB if nobody says otherwise, at most 16 MiB. A record that is longer
    /// has a block to itself. What is damaged is lost by blocks.
    pub fn block_size(mut self, bytes: usize) -> Self {
        self.block_size = bytes.clamp(1, BLOCK_MAX);
        self
    }

    /// Sets the number that binds blocks to their file, which is random otherwise: so that the same records give the same bytes.
    pub fn id(mut self, id: [u8; 16]) -> Self {
        self.id = Some(id);
        self
    }
}

impl Format for RecordFile {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn reader(&self, options: SplitOptions) -> Result<Box<dyn RecordReader>> {
        Ok(Box::new(reader::FileReader::new(self.codecs.clone(), options)?))
    }

    fn writer(&self) -> Result<Box<dyn RecordWriter>> {
        Ok(Box::new(writer::FileWriter::new(self.clone())))
    }
}
