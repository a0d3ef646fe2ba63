//! `haul records`: looks into files of records, and mends them; and `haul convert`.

mod input;
mod look;
mod rewrite;
mod split;

use crate::args::Records;
use crate::exit::Failure;
use crate::output::Output;

pub(crate) use rewrite::convert;

pub(crate) async fn records(command: Records, output: &mut Output) -> Result<(), Failure> {
    match command {
        Records::Count { source } => look::count(&source, output).await,
        Records::Head { source, number } => look::head(&source, number, output).await,
        Records::Sample { source, number, seed } => look::sample(&source, number, seed, output).await,
        Records::Validate { source } => look::validate(&source, output).await,
        Records::Split { source, destination, number, size } => {
            split::split(&source, &destination, split::Limits { number, size }, output).await
        }
        Records::Recover { source, destination } => rewrite::recover(&source, &destination, output).await,
    }
}
