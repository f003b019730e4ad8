//! Writing what a lexer reads.

use std::fmt::{self, Write};

/// Writes a text in double quotes with Go's escapes (`strconv.Quote`): every lexer that takes Go's strings reads it back.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            escape(f, c, '"')?;
        }
        f.write_char('"')
    }
}

/// Writes one character as Go's `%q` does between the quotes `quote`.
pub(crate) fn escape(f: &mut fmt::Formatter<'_>, c: char, quote: char) -> fmt::Result {
    match c {
        '\\' => f.write_str("\\\\"),
        c if c == quote => write!(f, "\\{c}"),
        '\u{7}' => f.write_str("\\a"),
        '\u{8}' => f.write_str("\\b"),
        '\u{c}' => f.write_str("\\f"),
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\u{b}' => f.write_str("\\v"),
        c if is_printable(c) => f.write_char(c),
        c if u32::from(c) < 0x20 || c == '\u{7f}' => write!(f, "\\x{:02x}", u32::from(c)),
        c if u32::from(c) < 0x1_0000 => write!(f, "\\u{:04x}", u32::from(c)),
        c => write!(f, "\\U{:08x}", u32::from(c)),
    }
}

/// Whether Go prints the character as itself. The standard library's own notion of what needs an escape is close to Go's:
/// it escapes controls, unassigned characters and separators; marks that combine with the quote are told apart here.
fn is_printable(c: char) -> bool {
    match c {
        ' ' | '\'' | '"' => true,
        c if c.is_control() || c.is_whitespace() => false,
        c if c.is_alphanumeric() => true,
        c => c.escape_debug().count() == 1 || is_grapheme_extend(c),
    }
}

/// Characters that extend the one before them: [`char::escape_debug`] escapes them when they stand alone, Go does not.
fn is_grapheme_extend(c: char) -> bool {
    // A text's `escape_debug` escapes an extending character only where it is the first.
    let mut pair = String::from("a");
    pair.push(c);
    pair.escape_debug().count() == 2
}

/// Whether the text is a label's name that needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_label_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether the text is a metric's name that needs no quotes: as a label's, colons allowed.
#[must_use]
pub fn is_metric_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_' || first == b':')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':')
}
