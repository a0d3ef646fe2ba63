//! The ways in which cases are run.

use storage_core::{Error, Prefix, Store};

use crate::case::Case;
use crate::cases;
use crate::faulty;
use crate::mask::Mask;
use crate::property;

/// One way to run cases: which, and on what store.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) cases: fn() -> Vec<&'static Case>,
    /// The store under test, out of the store as it was opened.
    pub(crate) enter: fn(&Store) -> Result<Store, Error>,
}

/// Every mode. A new one is written here.
pub(crate) const MODES: &[Mode] = &[PLAIN, PREFIXED, EMULATED, FAULTY, PROPERTY];

/// The store as it was opened.
const PLAIN: Mode = Mode { name: "plain", cases: cases::all, enter: |opened| Ok(opened.clone()) };

/// The store seen from below a prefix.
const PREFIXED: Mode = Mode {
    name: "prefixed",
    cases: cases::all,
    enter: |opened| opened.scoped(&Prefix::new("some/deep prefix/")?),
};

/// The store with everything hidden that `Store` can do in the backend's place, and with small limits.
const EMULATED: Mode =
    Mode { name: "emulated", cases: cases::all, enter: |opened| Ok(opened.layer(&Mask::Emulated)) };

/// The store as it was opened; each case puts its own faults around it.
const FAULTY: Mode = Mode { name: "faulty", cases: faulty::all, enter: |opened| Ok(opened.clone()) };

/// The store as it was opened; random operations are held against a model of it.
const PROPERTY: Mode = Mode { name: "property", cases: property::all, enter: |opened| Ok(opened.clone()) };
