//! Which request meets which fault.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::fault::{ConnectionFault, Fault};
use super::journal::Request;

type Filter = Box<dyn Fn(&Request) -> bool + Send + Sync>;

/// One line of a plan: a fault, and the requests that meet it.
pub struct Rule {
    filters: Vec<Filter>,
    numbers: Numbers,
    fault: Fault,
    /// When requests passed, of a rule that throttles.
    passed: VecDeque<Instant>,
    met: u64,
}

impl Rule {
    /// Every request meets `fault`.
    pub fn new(fault: Fault) -> Self {
        Self { filters: Vec::new(), numbers: Numbers::new(..), fault, passed: VecDeque::new(), met: 0 }
    }

    /// Only requests of this method.
    pub fn method(self, method: &'static str) -> Self {
        self.only(move |request| request.method == method)
    }

    /// Only requests whose target, path and query, holds this text.
    pub fn target(self, part: impl Into<String>) -> Self {
        let part = part.into();
        self.only(move |request| request.target.contains(&part))
    }

    /// Only requests that `filter` takes. It sees them as the journal keeps them, without secrets.
    pub fn only(mut self, filter: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.filters.push(Box::new(filter));
        self
    }

    /// Only the requests of these numbers, counted from 0 among those that the filters take.
    pub fn nth(mut self, requests: impl RangeBounds<u64>) -> Self {
        self.numbers = Numbers::new(requests);
        self
    }

    /// Counts the request, and tells whether it is one that meets the fault.
    fn matches(&mut self, request: &Request) -> bool {
        self.filters.iter().all(|filter| filter(request)) && self.numbers.count()
    }

    /// The fault for a request that matched; none if it is one of those that pass a throttle.
    fn fault(&mut self, now: Instant) -> Option<Fault> {
        let Fault::Throttle { requests, within, answer } = &self.fault else {
            return Some(self.fault.clone());
        };
        while self.passed.front().is_some_and(|passed| now.duration_since(*passed) >= *within) {
            self.passed.pop_front();
        }
        if self.passed.len() < *requests {
            self.passed.push_back(now);
            return None;
        }
        Some(Fault::Answer(answer.clone()))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {:?}, met {} times", self.numbers, self.fault, self.met)
    }
}

/// A script of faults. Of several rules for one request the first one holds; all of them count it.
#[derive(Debug, Default)]
pub struct Plan {
    rules: Vec<Rule>,
    connections: Vec<ConnectionRule>,
    /// Told apart from the plans before it, by what is still under way.
    pub(super) edition: u64,
}

/// A fault and the connections that meet it.
#[derive(Debug)]
struct ConnectionRule {
    numbers: Numbers,
    fault: ConnectionFault,
    met: u64,
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

    /// The first `requests` that `filter` takes get this status and `Retry-After`, and the server does not hear of them.
    pub fn storm(
        self,
        requests: u64,
        status: u16,
        retry_after: Duration,
        filter: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Self {
        let answer = Answer::new(status).retry_after(retry_after);
        self.rule(Rule::new(Fault::Answer(answer)).only(filter).nth(0..requests))
    }

    /// The connections of these numbers, counted from 0 since the plan was set, meet `fault`.
    pub fn connection(mut self, numbers: impl RangeBounds<u64>, fault: ConnectionFault) -> Self {
        self.connections.push(ConnectionRule { numbers: Numbers::new(numbers), fault, met: 0 });
        self
    }

    /// Takes note of a request: the place of the rule that holds for it, and the fault.
    pub(super) fn next(&mut self, request: &Request) -> Option<(usize, Fault)> {
        let mut found = None;
        for (place, rule) in self.rules.iter_mut().enumerate() {
            if rule.matches(request) && found.is_none() {
                found = rule.fault(Instant::now()).map(|fault| (place, fault));
            }
        }
        found
    }

    /// The fault of the rule at this place made a difference.
    pub(super) fn met(&mut self, place: usize) {
        self.rules[place].met += 1;
    }

    /// Takes note of a connection.
    pub(super) fn next_connection(&mut self) -> Option<ConnectionFault> {
        let mut found = None;
        for rule in &mut self.connections {
            if rule.numbers.count() && found.is_none() {
                rule.met += 1;
                found = Some(rule.fault.clone());
            }
        }
        found
    }

    /// The rules that nothing met so far.
    pub(super) fn unmet(&self) -> Vec<String> {
        let rules = self.rules.iter().filter(|rule| rule.met == 0).map(|rule| format!("{rule:?}"));
        let connections =
            self.connections.iter().filter(|rule| rule.met == 0).map(|rule| format!("{rule:?}"));
        rules.chain(connections).collect()
    }
}

/// Which of those that come are meant.
struct Numbers {
    first: u64,
    end: u64,
    seen: u64,
}

impl Numbers {
    fn new(range: impl RangeBounds<u64>) -> Self {
        let first = match range.start_bound() {
            Bound::Included(&first) => first,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        Self { first, end, seen: 0 }
    }

    /// Counts one more, and tells whether it is meant.
    fn count(&mut self) -> bool {
        let number = self.seen;
        self.seen += 1;
        (self.first..self.end).contains(&number)
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.end == u64::MAX {
            write!(f, "{}..", self.first)
        } else {
            write!(f, "{}..{}", self.first, self.end)
        }
    }
}
