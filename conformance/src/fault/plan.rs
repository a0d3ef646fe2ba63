//! Which call meets which fault.

use std::fmt;
use std::ops::RangeBounds;

use super::call::{Call, Seen};
use super::kind::Fault;

type Filter = dyn Fn(&Seen) -> bool + Send + Sync;

/// One line of a plan: a fault, and the calls that meet it.
pub struct Rule {
    call: Call,
    filter: Box<Filter>,
    first: u64,
    end: u64,
    fault: Fault,
    matched: u64,
    met: u64,
}

impl Rule {
    /// Every `call` meets `fault`.
    pub fn new(call: Call, fault: Fault) -> Self {
        Self { call, filter: Box::new(|_| true), first: 0, end: u64::MAX, fault, matched: 0, met: 0 }
    }

    /// Only calls that `filter` takes, such as those of one part or of one key.
    pub fn only(mut self, filter: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Self {
        self.filter = Box::new(filter);
        self
    }

    /// Only the calls of these numbers, counted from 0 among those that the filter takes.
    pub fn nth(mut self, calls: impl RangeBounds<u64>) -> Self {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        self.first = match calls.start_bound() {
            Included(&first) => first,
            Excluded(&before) => before.saturating_add(1),
            Unbounded => 0,
        };
        self.end = match calls.end_bound() {
            Included(&last) => last.saturating_add(1),
            Excluded(&end) => end,
            Unbounded => u64::MAX,
        };
        self
    }

    /// Counts the call, and tells whether it is one that meets the fault.
    fn meets(&mut self, seen: &Seen) -> bool {
        if seen.call != self.call || !(self.filter)(seen) {
            return false;
        }
        let number = self.matched;
        self.matched += 1;
        (self.first..self.end).contains(&number)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}..{}: {:?}, met {} times", self.call, self.first, self.end, self.fault, self.met)
    }
}

/// A script of faults. Of several rules for one call the first one holds; all of them count it.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
}

impl Plan {
    /// No fault at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The call number `nth` of this method, counted from 0, meets `fault`.
    pub fn at(self, call: Call, nth: u64, fault: Fault) -> Self {
        self.rule(Rule::new(call, fault).nth(nth..=nth))
    }

    /// The calls of these numbers meet `fault`.
    pub fn each(self, call: Call, nth: impl RangeBounds<u64>, fault: Fault) -> Self {
        self.rule(Rule::new(call, fault).nth(nth))
    }

    /// Takes note of a call: its fault, if it meets one.
    pub(super) fn next(&mut self, seen: &Seen) -> Option<Fault> {
        let mut found = None;
        for rule in &mut self.rules {
            if rule.meets(seen) && found.is_none() {
                rule.met += 1;
                found = Some(rule.fault.clone());
            }
        }
        found
    }

    /// The rules that no call met so far.
    pub(super) fn unmet(&self) -> Vec<String> {
        self.rules.iter().filter(|rule| rule.met == 0).map(|rule| format!("{rule:?}")).collect()
    }
}
