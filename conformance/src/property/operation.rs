//! Random operations.

use proptest::prelude::{Just, Strategy, any};
use proptest::{collection, prop_oneof};

use super::range::{Asked, asked};

/// Keys that stand side by side on any backend: none is the directory of another, none differs in case alone.
pub(super) const KEYS: [&str; 10] = ["a", "b-", "b/x", "b/y", "b/z/1", "c/d/e", "c/d/f", "c/g", "d e", "ü/ß"];
/// Prefixes that cut between and inside the names of directories and objects, and one of nothing.
pub(super) const PREFIXES: [&str; 9] = ["", "b", "b/", "b/z/", "c/", "c/d", "c/d/", "none/", "ü/"];
/// Where listings start: at keys, at directories, between, before and behind everything.
pub(super) const STARTS: [&str; 8] = ["a", "b-", "b/", "b/x", "b0", "c/d/e", "zzz", " "];

/// What a write demands of the object that is there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Demand {
    Nothing,
    Absent,
    /// The ETag that the object has.
    Current,
    /// An ETag that the key had once and has no more.
    Stale,
}

/// One step of a sequence. Keys, prefixes and starts are places in the tables above.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Write {
        key: usize,
        length: usize,
        seed: u64,
        demand: Demand,
    },
    /// In pieces of `piece` bytes; `thousandths` of three parts long.
    Parts {
        key: usize,
        thousandths: u64,
        piece: usize,
        concurrency: usize,
        seed: u64,
        demand: Demand,
    },
    /// A write in parts that is given up in the middle: by `abort`, or by a drop.
    GivenUp {
        key: usize,
        thousandths: u64,
        seed: u64,
        drop: bool,
    },
    Delete {
        key: usize,
        demand: Demand,
    },
    DeleteAll {
        keys: Vec<usize>,
    },
    Copy {
        from: usize,
        to: usize,
        absent: bool,
    },
    Rename {
        from: usize,
        to: usize,
        absent: bool,
    },
    List {
        prefix: usize,
        delimiter: bool,
        start: Option<usize>,
    },
    Stat {
        key: usize,
    },
    Read {
        key: usize,
        asked: Asked,
    },
    ReadRanges {
        key: usize,
        ranges: Vec<(u64, u64)>,
    },
}

/// Sequences of up to forty operations.
pub(super) fn sequences() -> impl Strategy<Value = Vec<Operation>> {
    collection::vec(operation(), 1..40)
}

fn operation() -> impl Strategy<Value = Operation> {
    // Few keys come often, so that operations meet.
    let key = || prop_oneof![2 => 0..4usize, 1 => 0..KEYS.len()];
    let write = (key(), 0..300usize, any::<u64>(), demand())
        .prop_map(|(key, length, seed, demand)| Operation::Write { key, length, seed, demand });
    let parts = (key(), 0..1000u64, 1..200usize, 1..5usize, any::<u64>(), demand()).prop_map(
        |(key, thousandths, piece, concurrency, seed, demand)| Operation::Parts {
            key,
            thousandths,
            piece,
            concurrency,
            seed,
            demand,
        },
    );
    let given_up = (key(), 0..1000u64, any::<u64>(), any::<bool>())
        .prop_map(|(key, thousandths, seed, drop)| Operation::GivenUp { key, thousandths, seed, drop });
    let delete = (key(), demand()).prop_map(|(key, demand)| Operation::Delete { key, demand });
    let delete_all = collection::vec(key(), 0..5).prop_map(|keys| Operation::DeleteAll { keys });
    let copy =
        (key(), key(), any::<bool>()).prop_map(|(from, to, absent)| Operation::Copy { from, to, absent });
    let rename =
        (key(), key(), any::<bool>()).prop_map(|(from, to, absent)| Operation::Rename { from, to, absent });
    let start = proptest::option::of(0..STARTS.len());
    let list = (0..PREFIXES.len(), any::<bool>(), start)
        .prop_map(|(prefix, delimiter, start)| Operation::List { prefix, delimiter, start });
    let stat = key().prop_map(|key| Operation::Stat { key });
    let read = (key(), asked()).prop_map(|(key, asked)| Operation::Read { key, asked });
    let ranges = collection::vec((0..250u64, 0..80u64), 0..4);
    let read_ranges = (key(), ranges).prop_map(|(key, ranges)| Operation::ReadRanges { key, ranges });
    prop_oneof![
        5 => write, 3 => parts, 1 => given_up, 2 => delete, 1 => delete_all, 2 => copy, 2 => rename,
        3 => list, 1 => stat, 3 => read, 1 => read_ranges
    ]
}

fn demand() -> impl Strategy<Value = Demand> {
    prop_oneof![5 => Just(Demand::Nothing), 2 => Just(Demand::Absent), 1 => Just(Demand::Current), 1 => Just(Demand::Stale)]
}
