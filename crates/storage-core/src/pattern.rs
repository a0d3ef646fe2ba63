//! Glob patterns over keys.

use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use crate::error::{Error, ErrorKind, Result};
use crate::key::Prefix;

/// A glob over whole keys.
///
/// `?` is one character and `*` any run of them, both within a segment; `**` as a whole segment is any number of
/// segments; `[a-z]`, `[!a]` are classes; `{a,b}` are alternatives; `\` takes the next character as it is. Case counts.
/// Matching takes linear time.
///
/// ```
/// use storage_core::Pattern;
///
/// # fn main() -> storage_core::Result<()> {
/// let pattern = Pattern::new("logs/**/*.{gz,zst}")?;
/// assert!(pattern.matches("logs/2026/11/a.gz"));
/// assert!(pattern.matches("logs/a.zst"));
/// assert!(!pattern.matches("logs/a.txt"));
/// assert_eq!(pattern.literal_prefix().as_str(), "logs/");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Pattern {
    text: String,
    matcher: GlobMatcher,
    prefix: Prefix,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] that says what is wrong with it.
    pub fn new(text: &str) -> Result<Self> {
        let glob =
            GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build().map_err(|e| {
                Error::new(ErrorKind::InvalidInput, format!("`{text}` is no pattern: {}", e.kind()))
            })?;
        let (literal, _) = split_literal(text);
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher(), prefix: Prefix::new(literal)? })
    }

    /// Whether the whole of `key` matches.
    pub fn matches(&self, key: &str) -> bool {
        self.matcher.is_match(key)
    }

    /// What every match begins with: the listing needs to go no further.
    pub fn literal_prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `text` holds anything but literal characters.
    pub fn is_pattern(text: &str) -> bool {
        split_literal(text).1
    }
}

/// The literal text before the first special character, and whether there is one.
fn split_literal(text: &str) -> (&str, bool) {
    match text.find(['*', '?', '[', ']', '{', '}', '\\']) {
        Some(at) => (&text[..at], true),
        None => (text, false),
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

impl FromStr for Pattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn matching() {
        let check = |pattern: &str, key: &str, expect: bool| {
            assert_eq!(Pattern::new(pattern).expect("valid").matches(key), expect, "{pattern} on {key}");
        };
        check("*.txt", "a.txt", true);
        check("*.txt", "d/a.txt", false);
        check("**/*.txt", "a.txt", true);
        check("**/*.txt", "d/e/a.txt", true);
        check("d/**", "d/e/f", true);
        check("d/**", "dx", false);
        check("a?c", "a/c", false);
        check("[!a]x", "bx", true);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("A", "a", false);
        check("a\nb*", "a\nbc", true);
    }

    #[test]
    fn a_malformed_pattern_says_why() {
        let error = Pattern::new("a[").expect_err("unclosed");
        assert!(error.to_string().contains("`a[` is no pattern: unclosed"), "{error}");
    }

    #[test]
    fn literal_prefix() {
        let check = |text: &str, expect: &str| {
            assert_eq!(Pattern::new(text).expect("valid").literal_prefix().as_str(), expect);
        };
        check("a/b*", "a/b");
        check("**", "");
        check("plain", "plain");
        check("a/{b,c}", "a/");
        check("a\\*b", "a");
    }
}
