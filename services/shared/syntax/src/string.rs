//! Strings as Go writes them: in double or single quotes with escapes, or raw in backquotes.

use crate::{Cursor, Escaped};

/// A string that is none. The texts are Prometheus'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StringError {
    /// The quote that ends it is missing, or a line ends within it.
    #[error("unterminated quoted string")]
    Unterminated,
    /// The backquote that ends it is missing.
    #[error("unterminated raw string")]
    UnterminatedRaw,
    /// A backslash before a character that has no meaning there.
    #[error("unknown escape sequence {}", Escaped(*.0))]
    UnknownEscape(char),
    /// The text ends within an escape.
    #[error("escape sequence not terminated")]
    UnterminatedEscape,
    /// Not a digit where an escape needs one.
    #[error("illegal character {} in escape sequence", Escaped(*.0))]
    IllegalDigit(char),
    /// A number that names no character or byte.
    #[error("escape sequence is an invalid Unicode code point")]
    InvalidCodePoint,
}

/// Whether the character begins a string.
#[must_use]
pub const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// Reads a string that begins here with its quote, and returns what it means.
///
/// It means bytes, not always UTF-8: `\xff` and `\377` are single bytes. Raw strings have no escapes and may hold line ends.
pub fn read_string(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, StringError> {
    let quote = cursor.bump().unwrap_or('"');
    let raw = quote == '`';
    let mut value = Vec::new();
    let mut utf8 = [0; 4];
    loop {
        match cursor.bump() {
            None if raw => return Err(StringError::UnterminatedRaw),
            None => return Err(StringError::Unterminated),
            Some('\n') if !raw => return Err(StringError::Unterminated),
            Some('\\') if !raw => escape(cursor, quote, &mut value)?,
            Some(c) if c == quote => return Ok(value),
            Some(c) => value.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes()),
        }
    }
}

/// Reads an escape after its backslash.
fn escape(cursor: &mut Cursor<'_>, quote: char, value: &mut Vec<u8>) -> Result<(), StringError> {
    let byte = match cursor.bump().ok_or(StringError::UnterminatedEscape)? {
        'a' => b'\x07',
        'b' => b'\x08',
        'f' => b'\x0c',
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => b'\x0b',
        '\\' => b'\\',
        '"' if quote == '"' => b'"',
        '\'' if quote == '\'' => b'\'',
        first @ '0'..='7' => byte_of(digits(cursor, u32::from(first) - u32::from('0'), 2, 8)?)?,
        'x' => byte_of(digits(cursor, 0, 2, 16)?)?,
        size @ ('u' | 'U') => {
            let code = digits(cursor, 0, if size == 'u' { 4 } else { 8 }, 16)?;
            let c = char::from_u32(code).ok_or(StringError::InvalidCodePoint)?;
            value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(());
        }
        c => return Err(StringError::UnknownEscape(c)),
    };
    value.push(byte);
    Ok(())
}

fn byte_of(number: u32) -> Result<u8, StringError> {
    u8::try_from(number).map_err(|_| StringError::InvalidCodePoint)
}

/// Reads `count` digits that follow the number `first`.
fn digits(cursor: &mut Cursor<'_>, first: u32, count: usize, base: u32) -> Result<u32, StringError> {
    (0..count).try_fold(first, |number, _| {
        let c = cursor.bump().ok_or(StringError::UnterminatedEscape)?;
        // Eight hexadecimal digits fit into 32 bits.
        c.to_digit(base).map(|digit| number * base + digit).ok_or(StringError::IllegalDigit(c))
    })
}

#[cfg(test)]
mod tests;
