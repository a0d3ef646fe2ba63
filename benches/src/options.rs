//! What a run is told.

pub(crate) const USAGE: &str =
    "usage: storage-benches HAUL RESULTS [NAME...] [--quick] [--rounds N] [--keys N] [--deletes N]";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Works, by name or by the beginning of it; all if none is named.
    pub(crate) names: Vec<String>,
    /// Small sizes and few rounds, to see that everything works.
    pub(crate) quick: bool,
    /// Rounds that count, after one to warm up.
    pub(crate) rounds: usize,
    /// How many keys are listed.
    pub(crate) keys: u64,
    /// How many objects are deleted.
    pub(crate) deletes: u64,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self, String> {
        let quick = words.contains(&"--quick");
        let mut options = if quick {
            Self { names: Vec::new(), quick, rounds: 2, keys: 5_000, deletes: 2_000 }
        } else {
            Self { names: Vec::new(), quick, rounds: 3, keys: 100_000, deletes: 20_000 }
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().and_then(|value| value.parse().ok());
                value.ok_or_else(|| format!("{word} takes a number"))
            };
            match *word {
                "--quick" => {}
                "--rounds" => options.rounds = usize::try_from(number()?).unwrap_or(usize::MAX).max(1),
                "--keys" => options.keys = number()?,
                "--deletes" => options.deletes = number()?,
                flag if flag.starts_with('-') => return Err(format!("no such option: {flag}\n{USAGE}")),
                name => options.names.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a work is wanted: by its name, or by the beginning of it up to a `-`.
    pub(crate) fn wants(&self, work: &str) -> bool {
        let named = |name: &String| {
            work.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.names.is_empty() || self.names.iter().any(named)
    }
}

#[cfg(test)]
mod tests {
    use super::Options;

    #[test]
    fn words() {
        let options = Options::parse(&["s3-up", "--quick", "--keys", "7"]).unwrap();
        assert_eq!((options.keys, options.quick, options.rounds), (7, true, 2));
        assert!(options.wants("s3-up") && options.wants("s3-up-one"));
        assert!(!options.wants("s3-upper") && !options.wants("s3"));
        assert!(Options::parse(&[]).unwrap().wants("anything"));
        assert_eq!(Options::parse(&["--keys"]).unwrap_err(), "--keys takes a number");
        assert!(Options::parse(&["--fast"]).is_err());
    }
}
