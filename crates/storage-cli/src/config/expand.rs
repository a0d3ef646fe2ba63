//! `${VAR}` in profiles that ask for it.

use storage_core::{Error, ErrorKind, Result};

/// Puts the variables in. `$${` is `${` itself.
pub(super) fn expand(text: &str, at: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at_dollar) = rest.find("${") {
        let (before, from) = rest.split_at(at_dollar);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let Some((name, after)) = from[2..].split_once('}') else {
            return Err(invalid(format!(
                "`{at}` has a `${{` without its `}}`; write `$${{` for the signs themselves"
            )));
        };
        let value = variable(name).ok_or_else(|| {
            invalid(format!("`{at}` needs the environment variable `{name}`, which is not set"))
        })?;
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn variables() {
        let of = |name: &str| (name == "A").then(|| "1".to_owned());
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(expand(text, "key", of).ok().as_deref(), expect, "{text}");
        };
        check("plain $A {A}", Some("plain $A {A}"));
        check("x${A}y${A}", Some("x1y1"));
        check("$${A}", Some("${A}"));
        check("${B}", None);
        check("${A", None);
        let error = expand("${B}", "profile.x.secret", of).expect_err("unset").to_string();
        assert!(error.contains("profile.x.secret") && error.contains('B'), "{error}");
    }
}
