//! The ways in which cases are run.

use storage_core::{Error, Prefix, Store};

use crate::case::Case;
use crate::cases;
use crate::faulty;
use crate::mask::Mask;
use crate::property;
use crate::wire;

/// One way to run cases: which, and on what store.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) cases: fn() -> Vec<&'static Case>,
    /// The store under test, out of the store as it was opened.
    pub(crate) enter: fn(&Store) -> Result<Store, Error>,
    /// Whether its cases want a proxy in front of the server, which not every subject has.
    pub(crate) wire: bool,
}

impl Mode {
    const fn new(
        name: &'static str,
        cases: fn() -> Vec<&'static Case>,
        enter: fn(&Store) -> Result<Store, Error>,
    ) -> Self {
        Self { name, cases, enter, wire: false }
    }
}

/// Every mode. A new one is written here.
pub(crate) const MODES: &[Mode] = &[PLAIN, PREFIXED, EMULATED, FAULTY, PROPERTY, WIRE];

/// The store as it was opened.
const PLAIN: Mode = Mode::new("plain", cases::all, |opened| Ok(opened.clone()));

/// The store seen from below a prefix.
const PREFIXED: Mode =
    Mode::new("prefixed", cases::all, |opened| opened.scoped(&Prefix::new("some/deep prefix/")?));

/// The store with everything hidden that `Store` can do in the backend's place, and with small limits.
const EMULATED: Mode = Mode::new("emulated", cases::all, |opened| Ok(opened.layer(&Mask::Emulated)));

/// The store as it was opened; each case puts its own faults around it.
const FAULTY: Mode = Mode::new("faulty", faulty::all, |opened| Ok(opened.clone()));

/// The store as it was opened; random operations are held against a model of it.
const PROPERTY: Mode = Mode::new("property", property::all, |opened| Ok(opened.clone()));

/// The store opened twice, past a proxy and through it.
const WIRE: Mode = Mode { wire: true, ..Mode::new("wire", wire::all, |opened| Ok(opened.clone())) };
