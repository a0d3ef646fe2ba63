//! What all stores of a run share: memory, and the limits of the command line with their timetable.

use jiff::Zoned;
use storage_core::{Budget, Error, ErrorKind, Limit, Options, Result, Store};

use crate::args::Global;

/// How often the timetable is looked at: a clock may be set.
const LOOK: std::time::Duration = std::time::Duration::from_secs(15);

/// What all stores of a run share.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    budget: Budget,
    limit: Limit,
    timetable: Timetable,
}

impl Traffic {
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let timetable = match &global.limit_rate {
            Some(text) => Timetable::parse(text)?,
            None => Timetable::default(),
        };
        let traffic = Self { budget: Budget::default(), limit: Limit::new(), timetable };
        traffic.limit.set_requests_per_second(global.limit_requests);
        traffic.limit.set_bytes_per_second(traffic.timetable.now());
        Ok(traffic)
    }

    /// A store of this machine: it shares the memory. What moves between two disks is no traffic.
    pub(crate) fn local(&self, store: &Store) -> Store {
        store.with_budget(self.budget.clone())
    }

    /// A store elsewhere.
    pub(crate) fn remote(&self, store: &Store) -> Store {
        self.local(store).with_limit(self.limit.clone())
    }

    /// Keeps the limit by the timetable, and lifts it and sets it again whenever the user signals so.
    pub(crate) async fn keep(&self) -> std::convert::Infallible {
        let kind = tokio::signal::unix::SignalKind::user_defined2();
        let Ok(mut toggle) = tokio::signal::unix::signal(kind) else { return std::future::pending().await };
        let mut is_lifted = false;
        loop {
            tokio::select! {
                _ = toggle.recv() => is_lifted = !is_lifted,
                () = tokio::time::sleep(LOOK) => {}
            }
            self.limit.set_bytes_per_second(if is_lifted { None } else { self.timetable.now() });
        }
    }
}

/// Bytes a second by the time of day, in the order of the day. The last one holds over midnight.
#[derive(Debug, Default, PartialEq, Eq)]
struct Timetable(Vec<(u32, Option<u64>)>);

impl Timetable {
    /// `10M`, or `08:00,512K 18:30,10M 23:00,off`.
    fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!(
                "`{text}` is no limit: write bytes a second such as `10M`, or a timetable such as `08:00,512K 18:30,10M 23:00,off`"
            );
            Error::new(ErrorKind::InvalidInput, message)
        };
        if let Some(rate) = rate(text) {
            return Ok(Self(vec![(0, rate)]));
        }
        let entry = |entry: &str| {
            let (time, limit) = entry.split_once(',')?;
            let (hours, minutes) = time.split_once(':')?;
            let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some((hours * 60 + minutes, rate(limit)?))
        };
        let mut entries: Vec<_> =
            text.split_whitespace().map(entry).collect::<Option<_>>().ok_or_else(wrong)?;
        entries.sort_by_key(|(time, _)| *time);
        if entries.is_empty() || entries.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(wrong());
        }
        Ok(Self(entries))
    }

    fn now(&self) -> Option<u64> {
        let now = Zoned::now();
        self.at(u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs()))
    }

    /// The limit so many minutes after midnight.
    fn at(&self, minute: u32) -> Option<u64> {
        let begun = self.0.iter().rev().find(|(time, _)| *time <= minute);
        begun.or(self.0.last()).and_then(|(_, limit)| *limit)
    }
}

/// Bytes a second, or `off` for no limit.
fn rate(text: &str) -> Option<Option<u64>> {
    if text == "off" {
        return Some(None);
    }
    Options::new().set("rate", text).size("rate").ok().flatten().map(Some)
}

#[cfg(test)]
mod tests {
    use super::Timetable;

    #[test]
    fn a_day() {
        let day = Timetable::parse("23:00,off 08:00,512K 18:30,10M").expect("a timetable");
        let at = |hour: u32, minute: u32| day.at(hour * 60 + minute);
        assert_eq!(at(0, 0), None);
        assert_eq!(at(7, 59), None);
        assert_eq!(at(8, 0), Some(512 << 10));
        assert_eq!(at(18, 29), Some(512 << 10));
        assert_eq!(at(18, 30), Some(10 << 20));
        assert_eq!(at(23, 59), None);
        assert_eq!(Timetable::parse("1").expect("a byte").at(700), Some(1));
        assert_eq!(Timetable::default().at(700), None);
        for wrong in ["", "fast", "-1", "25:00,1M", "08:00", "08:00,1M 08:00,2M", "08:60,1M", "1M,08:00"] {
            assert!(Timetable::parse(wrong).is_err(), "{wrong}");
        }
    }
}
