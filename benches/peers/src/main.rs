//! The works of the benches by two libraries: `haul-bench-peers object_store|opendal ACTION ARGS...`.
//!
//! Eight objects travel side by side, and of one above 8 MiB four parts of 8 MiB. Where a service is and who asks stand in the
//! environment, as for every other peer; the scripts beside this take the same words.

mod arrow;
mod dal;
mod files;

/// Objects side by side.
const OBJECTS: usize = 8;
/// Parts of one object side by side.
const PARTS: usize = 4;
/// How large a part is, and up to where an object has but one.
const PART: usize = 8 << 20;
/// How large a read by range is.
const RANGE: u64 = 1024;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let (&[library, action, bucket], rest) =
        words.split_first_chunk().ok_or("LIBRARY ACTION BUCKET ARGS...")?;
    match library {
        "object_store" => {
            let store = arrow::open(bucket)?;
            match (action, rest) {
                ("up", [source, prefix]) => arrow::up(store, source, prefix).await,
                ("down", [prefix, destination]) => arrow::down(store, prefix, destination).await,
                ("fetch", [key, file]) => arrow::fetch(store, key, file.into()).await,
                ("copy", [from, to]) => arrow::copy(store, from, to).await,
                ("list", [prefix]) => arrow::list(store, prefix).await,
                ("delete", [prefix]) => arrow::delete(store, prefix).await,
                ("reads", [key, count]) => arrow::reads(store, key, count.parse()?).await,
                ("ranges", [key, count]) => arrow::ranges(store, key, count.parse()?).await,
                _ => Err("no such action".into()),
            }
        }
        "opendal" => {
            let store = dal::open(bucket)?;
            match (action, rest) {
                ("up", [source, prefix]) => dal::up(store, source, prefix).await,
                ("down", [prefix, destination]) => dal::down(store, prefix, destination).await,
                ("fetch", [key, file]) => dal::fetch(store, key, file.into()).await,
                ("copy", [from, to]) => dal::copy(store, from, to).await,
                ("list", [prefix]) => dal::list(store, prefix).await,
                ("delete", [prefix]) => dal::delete(store, prefix).await,
                ("reads", [key, count]) => dal::reads(store, key, count.parse()?).await,
                ("ranges", [key, count]) => dal::ranges(store, key, count.parse()?).await,
                _ => Err("no such action".into()),
            }
        }
        _ => Err("no such library".into()),
    }
}

/// What the environment says.
fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|e| format!("{name}: {e}").into())
}

/// Whether nobody in particular asks.
fn anonymous() -> bool {
    std::env::var_os("BENCH_ANONYMOUS").is_some()
}
