//! `${NAME}` and `${NAME:default}` in a configuration file.

use super::ConfigError;

/// Puts values of the environment into `text`. `$${` stands for `${`; comment lines are left alone.
///
/// Errors: [`ConfigError::Unset`] for a variable without value and default.
pub(super) fn expand(text: &str, origin: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, ConfigError> {
    let mut out = String::with_capacity(text.len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if line.trim_start().starts_with('#') {
            out.push_str(line);
        } else {
            expand_line(line, env, &mut out).map_err(|name| ConfigError::Unset { name, origin: origin.to_owned(), line: number + 1 })?;
        }
    }
    Ok(out)
}

/// Errors: the name of the variable that is not set.
fn expand_line(line: &str, env: &dyn Fn(&str) -> Option<String>, out: &mut String) -> Result<(), String> {
    let mut rest = line;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        let Some((inner, after)) = from[2..].split_once('}') else { break };
        if let Some(escaped) = before.strip_suffix('$') {
            out.push_str(escaped);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let (name, default) = inner.split_once(':').map_or((inner, None), |(name, default)| (name, Some(default)));
        match env(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => return Err(name.to_owned()),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(())
}
