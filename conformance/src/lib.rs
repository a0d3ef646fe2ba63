#![doc = include_str!("../README.md")]

mod case;
mod cases;
mod context;
mod expect;
mod failure;
pub mod fault;
mod faulty;
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
pub use run::{cases, run};
pub use subject::{Fixture, Subject};
pub use wire::{Dialect, Place, Wire};
