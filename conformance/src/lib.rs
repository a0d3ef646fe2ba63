#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod codec;
mod context;
mod expect;
mod failure;
pub mod fault;
mod faulty;
mod format;
mod holder;
mod mask;
mod mode;
mod needs;
mod property;
pub mod proxy;
mod report;
mod run;
mod strangers;
mod subject;
mod wire;

pub use case::{CaseInfo, LEVEL};
pub use codec::{CodecSubject, run_codec};
pub use format::{FormatSubject, run_format};
pub use run::{cases, run};
pub use subject::{Fixture, Subject};
pub use wire::{Dialect, Place, Wire};
