//! Numbers as Go writes them.

use crate::{Cursor, Quoted};

/// A number that is none. The texts are those of Go's `strconv`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not written as a number is.
    #[error("strconv.ParseFloat: parsing {}: invalid syntax", Quoted(text))]
    Syntax {
        /// What was written.
        text: String,
    },
    /// Larger than the largest number.
    #[error("strconv.ParseFloat: parsing {}: value out of range", Quoted(text))]
    Range {
        /// What was written.
        text: String,
    },
}

/// Takes what looks like a number from a text: decimal or hexadecimal digits, underscores between them, a point, an exponent.
///
/// Returns `false` if it cannot be a number, having taken what was looked at; `true` says that it may be one:
/// [`parse_number`] decides. The shape is that of Prometheus' lexer, down to how much is taken before it gives up, since the
/// error quotes it.
pub fn scan_number(cursor: &mut Cursor<'_>) -> bool {
    let start = cursor.at();
    let hex = cursor.eat('0') && cursor.eat_if(|c| matches!(c, 'x' | 'X'));
    if hex {
        cursor.eat('_');
    }
    let digit = |c: char| if hex { c.is_ascii_hexdigit() } else { c.is_ascii_digit() };
    cursor.eat('.');
    cursor.eat_if(digit);
    let (mut point, mut exponent) = (false, false);
    while let Some(next) = cursor.peek() {
        // In a hexadecimal number `e` is looked at as an exponent first: `0xe` is none, `0x1e+1` neither.
        match next {
            '.' => {
                cursor.bump();
                if point || hex || cursor.eat_if(|c| matches!(c, '_' | '.')) {
                    return false;
                }
                point = true;
            }
            'e' | 'E' => {
                cursor.bump();
                if exponent {
                    return false;
                }
                exponent = true;
                cursor.eat_if(|c| matches!(c, '+' | '-'));
                if cursor.eat_if(|c| matches!(c, '.' | '_' | 'e' | 'E')) || cursor.peek().is_none() {
                    return false;
                }
            }
            '_' => {
                cursor.bump();
                if cursor.eat_if(|c| matches!(c, '.' | '_' | 'e' | 'E')) || cursor.peek().is_none() {
                    return false;
                }
            }
            c if digit(c) => {
                cursor.eat_while(digit);
            }
            _ => break,
        }
    }
    cursor.at() > start && !cursor.peek().is_some_and(is_alphanumeric)
}

/// Whether the character can be part of an identifier: an ASCII letter, digit or underscore.
#[must_use]
pub const fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The value of a number: an integer that is decimal, hexadecimal (`0x1f`) or octal (`017`, `0o17`), or a decimal number with a
/// point or an exponent, or `Inf` or `NaN` in any case. Underscores may stand between digits.
pub fn parse_number(text: &str) -> Result<f64, NumberError> {
    if let Some(integer) = parse_integer(text) {
        return Ok(integer);
    }
    let invalid = || NumberError::Syntax { text: text.to_owned() };
    if text.starts_with("0x") || text.starts_with("0X") || !underscores_are_right(text) {
        return Err(invalid());
    }
    let value: f64 = text.replace('_', "").parse().map_err(|_| invalid())?;
    if value.is_infinite() && text.bytes().any(|b| b.is_ascii_digit()) {
        return Err(NumberError::Range { text: text.to_owned() });
    }
    Ok(value)
}

/// An integer with its base's prefix that fits into 64 bits with sign; `None` is everything else.
fn parse_integer(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match lower.as_bytes() {
        [b'0', b'x', ..] => (&lower[2..], 16),
        [b'0', b'o', ..] => (&lower[2..], 8),
        [b'0', b'b', ..] => (&lower[2..], 2),
        [b'0', _, ..] => (&lower[1..], 8),
        _ => (&lower[..], 10),
    };
    if digits.starts_with('+') || !underscores_are_right(text) {
        return None;
    }
    // Rounds to the nearest, as every conversion of Go's int64 to a float64 does.
    i64::from_str_radix(&digits.replace('_', ""), base).ok().map(|integer| integer as f64)
}

/// Whether each underscore stands between digits; a base's prefix counts as a digit.
fn underscores_are_right(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_hexdigit);
    let prefix = |at: usize| at == 2 && bytes[0] == b'0' && matches!(bytes[1] | 0x20, b'x' | b'o' | b'b');
    (0..bytes.len()).filter(|&at| bytes[at] == b'_').all(|at| (digit(at.checked_sub(1)) || prefix(at)) && digit(Some(at + 1)))
}

/// Writes a number without an exponent, in as few digits as name it (Go's `'f'` format with precision -1).
#[must_use]
pub fn format_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

#[cfg(test)]
mod tests;
