//! What encoders and decoders are told.

/// What a decoder accepts. The defaults take what the ordinary tools write, and stop what only wants to fill a disk or a
/// memory (clause CODEC-3).
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The most bytes that may come out; by default without a limit.
    pub output_max: Option<u64>,
    /// The most bytes that may come out for each that goes in, once [`ratio_grace`](Self::ratio_grace) have come out.
    pub ratio_max: u64,
    /// The bytes that may come out at any ratio.
    pub ratio_grace: u64,
    /// The most members or frames.
    pub members_max: u64,
    /// The most bytes of a member's header, such as of a file name in it.
    pub header_max: u64,
    /// The most bytes that a decoder may need to look back, which it holds in memory.
    pub window_max: u64,
    /// The dictionary that the data was made with, where the format has such.
    pub dictionary: Option<bytes::Bytes>,
    /// How many threads may decode members of a [stream](super::decode) at a time, where the format tells how long they are; less than
    /// two work on the caller's. What comes out is the same.
    pub threads: usize,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            output_max: None,
            // Zeros shrink to a thousandth by gzip, and to less than a millionth by bzip2.
            ratio_max: 4_000_000,
            ratio_grace: 1 << 30,
            members_max: u64::MAX,
            header_max: 1 << 20,
            window_max: 128 << 20,
            dictionary: None,
            threads: 0,
        }
    }
}

impl DecodeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the most bytes that may come out.
    pub fn output_max(mut self, bytes: u64) -> Self {
        self.output_max = Some(bytes);
        self
    }

    /// Sets the most bytes that may come out for each that goes in, once `grace` have come out.
    pub fn ratio_max(mut self, ratio: u64, grace: u64) -> Self {
        (self.ratio_max, self.ratio_grace) = (ratio, grace);
        self
    }

    /// Sets the most members or frames.
    pub fn members_max(mut self, members: u64) -> Self {
        self.members_max = members;
        self
    }

    /// Sets the most bytes of a member's header.
    pub fn header_max(mut self, bytes: u64) -> Self {
        self.header_max = bytes;
        self
    }

    /// Sets the most bytes that a decoder may hold to look back.
    pub fn window_max(mut self, bytes: u64) -> Self {
        self.window_max = bytes;
        self
    }

    /// Sets how many threads may decode at a time.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the dictionary that the data was made with.
    pub fn dictionary(mut self, dictionary: impl Into<bytes::Bytes>) -> Self {
        self.dictionary = Some(dictionary.into());
        self
    }
}

/// How data is encoded.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// How hard to try, on the format's own scale; by default what its tool takes.
    pub level: Option<i32>,
    /// Begins a new member after so many bytes of input; by default all is one member.
    pub member_size: Option<u64>,
    /// How far back to look for repetitions, as a power of two, where the format has such; by default by the level.
    pub window_log: Option<u32>,
    /// The dictionary to start from, where the format has such. Whoever reads it needs the same.
    pub dictionary: Option<bytes::Bytes>,
    /// Ends with what finds a member without those before it, where the format has such. Members are of
    /// [`member_size`](Self::member_size), or of the format's own.
    pub indexed: bool,
    /// How many threads may work at a time; less than two work on the caller's. With several, what is not cut into members of a size is
    /// cut as the format has it, so that the output depends on whether there are several, and not on how many.
    pub threads: usize,
}

impl EncodeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how hard to try.
    pub fn level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Sets after how many bytes of input a new member begins.
    pub fn member_size(mut self, bytes: u64) -> Self {
        self.member_size = Some(bytes);
        self
    }

    /// Sets how far back to look.
    pub fn window_log(mut self, log: u32) -> Self {
        self.window_log = Some(log);
        self
    }

    /// Ends with what finds a member without those before it.
    pub fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    /// Sets how many threads may work at a time.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the dictionary to start from.
    pub fn dictionary(mut self, dictionary: impl Into<bytes::Bytes>) -> Self {
        self.dictionary = Some(dictionary.into());
        self
    }
}
