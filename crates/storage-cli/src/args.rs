//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use storage_core::{Algorithm, ByteRange, Secret, SignedMethod};

/// Store, move and check data anywhere.
///
/// A PLACE is a path, a URL such as s3://bucket/key, or profile:path; see `haul config`. Data goes to stdout, everything else to stderr.
/// Exit codes: 0 done, 1 differences or failed items, 2 usage or fatal, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "haul", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct Global {
    /// One JSON object a line, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Say what is done with each item
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    /// An option for the places that are URLs or profiles; `haul backends` tells what there is
    #[arg(long, short, global = true, value_name = "NAME=VALUE", value_parser = parse_secret)]
    pub(crate) option: Vec<Secret>,
    /// The most bytes a second to and from other machines: 10M, or a timetable such as '08:00,512K 18:30,10M 23:00,off'; SIGUSR2 lifts it and sets it again
    #[arg(long, global = true, value_name = "RATE")]
    pub(crate) limit_rate: Option<String>,
    /// The most requests a second to other machines
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(crate) limit_requests: Option<u64>,
    /// How progress is shown: on a terminal as bars
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub(crate) progress: ProgressMode,
}

/// How progress is shown
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// As bars on a terminal, else not at all
    #[default]
    Auto,
    /// As one JSON object a second on stderr, and a last one at the end
    Json,
    /// Not at all
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List objects and directories
    Ls(Ls),
    /// Draw a tree
    Tree(Tree),
    /// Tell all that is known of an object
    Stat(Stat),
    /// Print objects
    Cat(Cat),
    /// Write an object from stdin or a file
    Put(Put),
    /// Copy objects and trees, verified
    Cp(Cp),
    /// Move objects and trees
    Mv(Mv),
    /// Delete objects and trees
    Rm(Rm),
    /// Make directories, with parents
    Mkdir(Mkdir),
    /// Add up sizes
    Du(Du),
    /// Compute checksums
    Hash(Hash),
    /// Compress an object or a stream
    Compress(Compress),
    /// Decompress an object or a stream, and publish it once it is proved whole
    Decompress(Decompress),
    /// Rewrite a file of records in another format, another codec or both
    Convert(Convert),
    /// Look into files of records, and mend them
    #[command(subcommand)]
    Records(Records),
    /// Find objects by pattern
    Glob(Glob),
    /// Make a destination's tree match a source's, verified
    Sync(Sync),
    /// Compare two trees by content
    Check(Check),
    /// Remove what interrupted writes left behind
    Cleanup(Cleanup),
    /// Sign a URL that lets its holder read or write one object for a while
    Presign(Presign),
    /// Manage profiles, names for places
    #[command(subcommand)]
    Config(Config),
    /// Find out what works at a place, and what does not
    Doctor(Doctor),
    /// Tell what this build reaches and what each backend can do
    Backends,
    /// Print completions for a shell
    Completions(Completions),
}

/// What a symbolic link inside a local tree is
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Links {
    /// What it points to, as long as that lies inside the tree
    Follow,
    /// A link
    #[default]
    Preserve,
    /// Nothing
    Skip,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Ls {
    /// What to list
    #[arg(default_value = ".", value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Permissions, sizes and times too
    #[arg(long, short)]
    pub(crate) long: bool,
    /// Everything below too
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// Exact sizes in bytes
    #[arg(long)]
    pub(crate) bytes: bool,
    /// End names with NUL instead of a line feed
    #[arg(long, short = '0')]
    pub(crate) null: bool,
    /// Old versions and delete markers too
    #[arg(long)]
    pub(crate) versions: bool,
    /// What a symbolic link is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) links: Links,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Tree {
    /// What to draw
    #[arg(default_value = ".", value_name = "PLACE")]
    pub(crate) place: OsString,
    /// How many levels
    #[arg(long, short, value_name = "LEVELS")]
    pub(crate) depth: Option<usize>,
    /// Sizes too
    #[arg(long, short)]
    pub(crate) sizes: bool,
    /// What a symbolic link is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) links: Links,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Stat {
    /// What to tell of
    #[arg(required = true, value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cat {
    /// What to print
    #[arg(required = true, value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Only these bytes: 0..100, 100.., ..100, or -100 for the last hundred
    #[arg(long, short, value_parser = parse_range, value_name = "RANGE", allow_hyphen_values = true)]
    pub(crate) range: Option<ByteRange>,
    /// Decompress, by what the data begins with or by its name, or as this codec says; what is not compressed is printed as it is. A range is one of what it means: without an index all before it is decoded, and no checksum reached
    #[arg(long, value_name = "CODEC", num_args = 0..=1, require_equals = true)]
    pub(crate) decode: Option<Option<String>>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Compress {
    /// What to compress, or - for stdin
    #[arg(value_name = "PLACE")]
    pub(crate) source: OsString,
    /// Where to, - for stdout; a directory keeps the name with an ending
    #[arg(value_name = "PLACE")]
    pub(crate) destination: OsString,
    /// gzip, zstd, lz4, brotli, snappy, xz or bzip2; by default what the destination's name tells
    #[arg(long, short, value_name = "CODEC")]
    pub(crate) codec: Option<String>,
    /// How hard to try, on the codec's own scale
    #[arg(long, short, value_name = "LEVEL", allow_hyphen_values = true)]
    pub(crate) level: Option<i32>,
    /// Begin a new member after so many bytes, so that several readers can share the work
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) member_size: Option<u64>,
    /// End with an index, so that a part can be read without what comes before it (gzip: BGZF, with the index in a file beside; zstd: seekable)
    #[arg(long)]
    pub(crate) seekable: bool,
    /// How many threads work; 0 for as many as there are processors. With more than one what is written differs from what one writes
    #[arg(long, short = 'T', value_name = "N", default_value_t = 1)]
    pub(crate) threads: usize,
    /// Fail if something is there
    #[arg(long)]
    pub(crate) if_absent: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Decompress {
    /// What to decompress, or - for stdin
    #[arg(value_name = "PLACE")]
    pub(crate) source: OsString,
    /// Where to, - for stdout; a directory keeps the name without its ending
    #[arg(value_name = "PLACE")]
    pub(crate) destination: OsString,
    /// gzip, zstd, lz4, brotli, snappy, xz or bzip2; by default what the data begins with, else what the source's name tells
    #[arg(long, short, value_name = "CODEC")]
    pub(crate) codec: Option<String>,
    /// Fail once more than this comes out
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) output_max: Option<u64>,
    /// How many threads work on members that tell how long they are; 0 for as many as there are processors
    #[arg(long, short = 'T', value_name = "N", default_value_t = 0)]
    pub(crate) threads: usize,
    /// Fail if something is there
    #[arg(long)]
    pub(crate) if_absent: bool,
}

/// A file of records.
#[derive(Debug, ClapArgs)]
pub(crate) struct RecordsSource {
    /// A file of records, compressed or not, or - for stdin
    #[arg(value_name = "PLACE")]
    pub(crate) place: OsString,
    /// ndjson, csv, tsv, parquet, hrec, tfrecord, varint, or the width and order of a length such as u32be; by default what the name tells
    #[arg(long, short, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// How it is compressed, or none; by default what the name tells, and of text what it begins with
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<String>,
    /// The most bytes of a record; 64M if not told
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) record_max: Option<u64>,
    /// Read these columns only; a.b is the field b of the column a. Of a stored Parquet file no byte of the others travels
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Convert {
    #[command(flatten)]
    pub(crate) source: RecordsSource,
    /// Where to; its name tells format and codec
    #[arg(value_name = "PLACE")]
    pub(crate) destination: OsString,
    /// The format to write, where the name does not tell it
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Records {
    /// Count records
    Count {
        #[command(flatten)]
        source: RecordsSource,
    },
    /// Print the first records, each on a line
    Head {
        #[command(flatten)]
        source: RecordsSource,
        /// How many
        #[arg(long, short, default_value_t = 10)]
        number: u64,
    },
    /// Print some records, each as likely as any other
    Sample {
        #[command(flatten)]
        source: RecordsSource,
        /// How many
        #[arg(long, short, default_value_t = 10)]
        number: usize,
        /// The same number takes the same records again
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Read everything, and tell of each record that is damaged, cut or too long
    Validate {
        #[command(flatten)]
        source: RecordsSource,
    },
    /// Write the records that are whole to another place, and tell of what was lost
    Recover {
        #[command(flatten)]
        source: RecordsSource,
        /// Where to
        #[arg(value_name = "PLACE")]
        destination: OsString,
    },
    /// Write records into several files, each whole by itself
    Split {
        #[command(flatten)]
        source: RecordsSource,
        /// A directory, in which files are called part-00000 and so on, with the endings of the source's name
        #[arg(value_name = "PLACE")]
        destination: OsString,
        /// Begin another file after so many records
        #[arg(long, short, value_name = "N", required_unless_present = "size")]
        number: Option<u64>,
        /// Begin another file after so many bytes of records, before they are compressed
        #[arg(long, short, value_name = "SIZE", value_parser = parse_size)]
        size: Option<u64>,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Put {
    /// A file, or - for stdin
    #[arg(value_name = "FILE")]
    pub(crate) source: PathBuf,
    /// Where to
    #[arg(value_name = "PLACE")]
    pub(crate) destination: OsString,
    /// Fail if something is there
    #[arg(long)]
    pub(crate) if_absent: bool,
    /// The content type
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// User metadata
    #[arg(long = "meta", value_name = "NAME=VALUE", value_parser = parse_pair)]
    pub(crate) metadata: Vec<(String, String)>,
    /// Publish only if the content has this checksum, such as sha256:…
    #[arg(long, value_name = "CHECKSUM")]
    pub(crate) expect: Option<storage_core::Checksum>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cp {
    /// What to copy, and last where to: a new name, or a directory to copy into
    #[arg(required = true, num_args = 2.., value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Directories too
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// What a symbolic link is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) links: Links,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Mv {
    /// What to move, and last where to: a new name, or a directory to move into
    #[arg(required = true, num_args = 2.., value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Fail if something is there
    #[arg(long, short = 'n')]
    pub(crate) no_clobber: bool,
    /// Begin every object anew: do not go on with large ones of a move that was cut off
    #[arg(long)]
    pub(crate) no_resume: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Rm {
    /// What to delete
    #[arg(required = true, value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Directories and all below them too
    #[arg(long, short)]
    pub(crate) recursive: bool,
    /// What does not exist is no error
    #[arg(long, short)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Mkdir {
    /// What to make
    #[arg(required = true, value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Parents too; always so, taken for habit's sake
    #[arg(short, hide = true)]
    pub(crate) parents: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Du {
    /// What to add up
    #[arg(default_value = ".", value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Directories this many levels down on lines of their own
    #[arg(long, short, default_value_t = 0, value_name = "LEVELS")]
    pub(crate) depth: usize,
    /// Exact sizes in bytes
    #[arg(long)]
    pub(crate) bytes: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Hash {
    /// What to read
    #[arg(required = true, value_name = "PLACE")]
    pub(crate) places: Vec<OsString>,
    /// Which checksums: blake3, sha256, sha512, sha1, md5, crc32c, crc64nvme, xxh3
    #[arg(long, short, default_value = "blake3", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) algorithm: Vec<Algorithm>,
    /// Directories too
    #[arg(long, short)]
    pub(crate) recursive: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Glob {
    /// A pattern such as 'logs/**/*.gz'; quote it, or the shell expands it first
    #[arg(value_name = "PATTERN")]
    pub(crate) pattern: String,
    /// End names with NUL instead of a line feed
    #[arg(long, short = '0')]
    pub(crate) null: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Sync {
    /// The directory to copy from
    #[arg(value_name = "SOURCE")]
    pub(crate) source: OsString,
    /// The directory to bring in line; made if missing
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: OsString,
    /// Delete what the source does not have, once everything else succeeded
    #[arg(long)]
    pub(crate) delete: bool,
    /// Only tell what would be done
    #[arg(long, short = 'n')]
    pub(crate) dry_run: bool,
    /// Compare by content instead of size and time; reads both sides
    #[arg(long, short)]
    pub(crate) checksum: bool,
    /// Let an empty source empty the destination, with --delete
    #[arg(long)]
    pub(crate) allow_empty_source: bool,
    /// What a symbolic link is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) links: Links,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// How copies are made.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Writing {
    /// How a copy is verified, besides its size: `content` holds it against the hash of what was read
    #[arg(long, value_enum, default_value_t)]
    pub(crate) verify: Verify,
    /// How many objects travel side by side
    #[arg(long, short, default_value_t = 8, value_name = "NUMBER")]
    pub(crate) jobs: usize,
    /// The size of the parts in which large objects travel; by default what suits the service
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) part_size: Option<u64>,
    /// How many parts of one large object travel side by side; by default as many as speed it up
    #[arg(long, value_name = "NUMBER")]
    pub(crate) streams: Option<usize>,
    /// Begin every object anew: do not go on with large ones of a run that was cut off
    #[arg(long)]
    pub(crate) no_resume: bool,
    /// Do not wait until local copies are on stable storage
    #[arg(long)]
    pub(crate) no_fsync: bool,
    /// Leave long runs of zeros out as holes in local copies
    #[arg(long)]
    pub(crate) sparse: bool,
    /// Read and write large local files past the page cache, which others go on using undisturbed
    #[arg(long)]
    pub(crate) direct: bool,
    /// Keep owner and group: by default for root only
    #[arg(long, overrides_with = "no_owner")]
    pub(crate) owner: bool,
    /// Do not keep owner and group
    #[arg(long)]
    pub(crate) no_owner: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verify {
    /// By checksum, the destination's own or read back
    #[default]
    Content,
    /// By size alone
    Size,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Check {
    /// One tree
    #[arg(value_name = "SOURCE")]
    pub(crate) source: OsString,
    /// The other
    #[arg(value_name = "DESTINATION")]
    pub(crate) destination: OsString,
    /// Equal entries too
    #[arg(long, short)]
    pub(crate) all: bool,
    /// What a symbolic link is
    #[arg(long, value_enum, default_value_t)]
    pub(crate) links: Links,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cleanup {
    /// Where to look
    #[arg(value_name = "PLACE")]
    pub(crate) place: OsString,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Presign {
    /// The object, which need not exist yet
    #[arg(value_name = "PLACE")]
    pub(crate) place: OsString,
    /// What the holder may do
    #[arg(long, short, value_parser = parse_method, default_value = "get", value_name = "get|head|put|delete")]
    pub(crate) method: SignedMethod,
    /// How long: 90s, 15m, 12h, 7d
    #[arg(long, short, value_parser = parse_duration, default_value = "1h", value_name = "TIME")]
    pub(crate) expires: Duration,
    /// This version
    #[arg(long, value_name = "VERSION")]
    pub(crate) version: Option<String>,
    /// The content type that a put has to send
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// List the profiles
    List,
    /// Show profiles, secrets hidden
    Show(ConfigShow),
    /// Add a profile; without a URL it asks
    Add(ConfigAdd),
    /// Connect to the places of profiles
    Check(ConfigShow),
    /// Remove a profile
    Remove(ConfigRemove),
    /// Take over what another program knows
    #[command(subcommand)]
    Import(ConfigImport),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigShow {
    /// Which; all if none is named
    #[arg(value_name = "PROFILE")]
    pub(crate) names: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigAdd {
    /// Its name: letters, digits, `-` and `_`
    #[arg(value_name = "PROFILE")]
    pub(crate) name: String,
    /// Where it leads, such as s3://bucket/prefix; options by --option
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
    /// In URL and options, ${VAR} stands for a variable of the environment
    #[arg(long)]
    pub(crate) expand: bool,
    /// Replace a profile of this name
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigRemove {
    /// Which
    #[arg(value_name = "PROFILE")]
    pub(crate) name: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigImport {
    /// The remotes of rclone that mean the same here
    Rclone(ImportRclone),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportRclone {
    /// The file; by default rclone's own
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Replace profiles of the same names
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// A directory or bucket
    #[arg(value_name = "PLACE")]
    pub(crate) place: OsString,
    /// Write nothing: only what reading tells
    #[arg(long)]
    pub(crate) read_only: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

fn parse_range(text: &str) -> Result<ByteRange, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is no number of bytes"));
    if let Some(last) = text.strip_prefix('-') {
        return Ok(ByteRange::Suffix(number(last)?));
    }
    let (start, end) = text.split_once("..").ok_or("a range looks like 0..100, 100.., ..100 or -100")?;
    let start = if start.is_empty() { 0 } else { number(start)? };
    if end.is_empty() {
        return Ok(ByteRange::new(start..));
    }
    let end = number(end)?;
    if end < start { Err("the range ends before it starts".into()) } else { Ok(ByteRange::new(start..end)) }
}

fn parse_method(text: &str) -> Result<SignedMethod, String> {
    let found = SignedMethod::ALL.into_iter().find(|m| m.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| format!("`{text}` is none of get, head, put and delete"))
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let time = storage_core::Options::new().set("time", text).duration("time");
    time.ok().flatten().ok_or_else(|| format!("`{text}` is no time such as 15m"))
}

fn parse_size(text: &str) -> Result<u64, String> {
    let size = storage_core::Options::new().set("size", text).size("size").ok().flatten();
    size.filter(|size| *size > 0).ok_or_else(|| format!("`{text}` is no size such as 64M"))
}

/// Takes everything: what the parser of the command line refuses it also prints.
#[allow(clippy::unnecessary_wraps, reason = "the parser of the command line wants it so")]
fn parse_secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

fn parse_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("user metadata looks like NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Args, parse_range};
    use clap::CommandFactory;
    use storage_core::ByteRange;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn ranges() {
        let check =
            |text: &str, expect: Option<ByteRange>| assert_eq!(parse_range(text).ok(), expect, "{text}");
        check("0..100", Some(ByteRange::new(0..100)));
        check("5..", Some(ByteRange::From(5)));
        check("..", Some(ByteRange::Full));
        check("..7", Some(ByteRange::new(0..7)));
        check("-9", Some(ByteRange::Suffix(9)));
        for wrong in ["", "5", "9..3", "a..b", "1..2..3", "--1"] {
            check(wrong, None);
        }
    }
}
