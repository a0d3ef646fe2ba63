//! Where an object is cut into parts, and how many of them travel side by side.

use super::Store;
use crate::backend::{Part, Payload};
use crate::capabilities::Limits;
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::{Budget, Held, Slot, Window};

/// To keep a limit parts are made short, but no shorter than this: their number is limited too.
const SHORT: u64 = 64 << 10;

/// Parts double in size each time this share of the allowed number is used up, so that the number always suffices.
const GROWTH_STEPS: u64 = 10;

/// How many parts of one object travel side by side: as many as were asked for, or as many as the store's window and its
/// budget have room for. One may always travel, so that nobody waits for somebody who waits for him.
#[derive(Debug)]
pub(super) struct Pace {
    asked: Option<usize>,
    window: Window,
    budget: Budget,
}

impl Pace {
    pub(super) fn new(store: &Store, asked: Option<usize>) -> Self {
        Self { asked, window: store.shared.window.clone(), budget: store.shared.budget.clone() }
    }

    /// Leave for one more part while `in_flight` are on their way, or nothing: then one of those has to come home first.
    pub(super) fn next(&self, in_flight: usize, bytes: u64) -> Option<Leave> {
        let alone = in_flight == 0;
        let held = self.budget.try_take(bytes);
        if held.is_none() && !alone {
            return None;
        }
        let slot = match self.asked {
            Some(asked) if in_flight >= asked.max(1) => return None,
            Some(_) => self.window.enter(),
            None if alone => self.window.enter(),
            None => self.window.try_enter()?,
        };
        Some(Leave { slot, held })
    }
}

/// What a part holds while it travels.
#[derive(Debug)]
pub(super) struct Leave {
    slot: Slot,
    held: Option<Held>,
}

impl Leave {
    /// Whether the budget had room for it: else it travels without, as the only one.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The part arrived.
    pub(super) fn finished(self, bytes: u64) {
        self.slot.finished(bytes);
    }

    /// The request, and the memory, which lasts until its bytes are used.
    pub(super) fn split(self) -> (Slot, Option<Held>) {
        (self.slot, self.held)
    }
}

/// Where parts are cut.
#[derive(Debug)]
pub(super) struct PartPlan {
    size: u64,
    /// What parts grow to at once, where a limit made them shorter.
    usual: u64,
    max: u64,
    parts_max: u64,
    number: u64,
    offset: u64,
}

impl PartPlan {
    /// For `store`, whose limits on bytes keep parts short: a part is sent in one go once all of it may move.
    pub(super) fn of(store: &Store, asked: Option<u64>, total: Option<u64>) -> Self {
        let limits = &store.declared().limits;
        let plan = Self::new(limits, asked, total);
        let Some(rate) = store.rate() else { return plan };
        let short = plan.usual.min(rate.max(SHORT));
        Self { usual: plan.usual, ..Self::new(limits, Some(short), total) }
    }

    fn new(limits: &Limits, asked: Option<u64>, total: Option<u64>) -> Self {
        let enough = total.map_or(0, |total| total.div_ceil(limits.parts_max.max(1)));
        let size = asked.unwrap_or(limits.part_preferred).max(enough).max(limits.part_min).max(1);
        let max = limits.part_max.max(limits.part_min).max(1);
        let size = size.min(max);
        Self { size, usual: size, max, parts_max: limits.parts_max, number: 0, offset: 0 }
    }

    /// The length of parts that are all the same, of an object of `total` bytes.
    pub(super) fn cut(&self, total: u64) -> Result<u64> {
        if total.div_ceil(self.size) > self.parts_max { Err(self.too_many()) } else { Ok(self.size) }
    }

    /// The length of the next part, if that much is there. A part is cut only when more follows, or the last part
    /// might come out empty; so one part's worth may wait until the end.
    pub(super) fn full_part(&self, available: u64) -> Option<u64> {
        (available > self.size).then_some(self.size)
    }

    pub(super) fn next(&mut self, body: Payload) -> Result<Part> {
        if self.number >= self.parts_max {
            return Err(self.too_many());
        }
        let length = body.len();
        let part = Part::new(self.number, self.offset, body);
        self.number += 1;
        self.offset += length;
        if self.number.is_multiple_of((self.parts_max / GROWTH_STEPS).max(1)) {
            self.size = self.size.saturating_mul(2).max(self.usual).min(self.max);
        }
        Ok(part)
    }

    fn too_many(&self) -> Error {
        let message = format!("the object needs more than the {} parts allowed", self.parts_max);
        Error::new(ErrorKind::InvalidInput, message)
    }
}

#[cfg(test)]
mod tests {
    use super::PartPlan;
    use crate::backend::Payload;
    use crate::capabilities::Limits;

    #[test]
    fn ten_thousand_parts_hold_five_tebibytes_of_unknown_length() {
        let mut plan = PartPlan::new(&Limits::default(), None, None);
        let mut total = 0u64;
        for _ in 0..10_000 {
            total += plan.size;
            plan.next(Payload::new()).expect("within the limit");
        }
        assert!(total > 5 << 40, "{total}");
        assert!(plan.next(Payload::new()).is_err());
    }

    #[test]
    fn a_known_size_chooses_parts_that_suffice() {
        let plan = PartPlan::new(&Limits::default(), Some(1), Some(100_000_000));
        assert_eq!(plan.size, 10_000);
    }
}
