//! Classes in brackets.

use super::{Escape, push_literal};
use crate::error::RegexError;

/// Names between `[:` and `:]`.
const POSIX: [&str; 14] =
    ["alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word", "xdigit"];

/// Rewrites the class at the start of `rest`; returns its length.
pub(super) fn translate(rest: &str, out: &mut String) -> Result<usize, RegexError> {
    let missing = || RegexError::new("missing closing ]", rest);
    let mut at = 1;
    out.push('[');
    if rest[at..].starts_with('^') {
        out.push('^');
        at += 1;
    }
    let mut first = true;
    loop {
        let left = &rest[at..];
        let next = left.chars().next().ok_or_else(missing)?;
        if next == ']' && !first {
            out.push(']');
            return Ok(at + 1);
        }
        first = false;
        at += match posix(left, out)? {
            Some(len) => len,
            None => item(left, out, missing)?,
        };
    }
}

/// Takes `[:name:]` or `[:^name:]`.
fn posix(left: &str, out: &mut String) -> Result<Option<usize>, RegexError> {
    let Some(len) = left.strip_prefix("[:").and_then(|inside| inside.find(":]")).map(|end| end + 4) else { return Ok(None) };
    let name = &left[2..len - 2];
    if !POSIX.contains(&name.strip_prefix('^').unwrap_or(name)) {
        return Err(RegexError::new("invalid character class range", &left[..len]));
    }
    out.push_str(&left[..len]);
    Ok(Some(len))
}

/// Takes a character, a range or an escaped class.
fn item(left: &str, out: &mut String, missing: impl Fn() -> RegexError) -> Result<usize, RegexError> {
    let (low, mut len) = match single(left, &missing)? {
        (Escape::Char(low), len) => (low, len),
        (Escape::Class(class), len) => {
            out.push_str(class);
            return Ok(len);
        }
        (Escape::Property, len) => {
            out.push_str(&left[..len]);
            return Ok(len);
        }
    };
    push_literal(out, low);
    let Some(after) = left[len..].strip_prefix('-').filter(|after| !after.is_empty() && !after.starts_with(']')) else { return Ok(len) };
    let (high, high_len) = single(after, &missing)?;
    len += 1 + high_len;
    match high {
        Escape::Char(high) if high >= low => {
            out.push('-');
            push_literal(out, high);
            Ok(len)
        }
        _ => Err(RegexError::new("invalid character class range", &left[..len])),
    }
}

fn single(left: &str, missing: impl Fn() -> RegexError) -> Result<(Escape, usize), RegexError> {
    let next = left.chars().next().ok_or_else(missing)?;
    if next == '\\' { Escape::parse(left) } else { Ok((Escape::Char(next), next.len_utf8())) }
}
