//! Regular expressions as RE2 and Go write them, run by the crate `regex`.
//!
//! The two languages are nearly one. [`translate`] bridges the rest: `\d`, `\w`, `\s` and `\b` are ASCII, `[` within a class
//! and `{` without a count are literals, `\Q…\E` and octal escapes exist, set operations and the flags `u`, `x` and `R` do
//! not, a repetition of a repetition is an error, a count above 1,000 too. Errors have Go's texts.

mod class;

use regex::{Regex, RegexBuilder};

use crate::error::RegexError;

/// The greatest count of a repetition.
const MAX_REPEAT: u32 = 1000;

/// The most memory that a compiled expression may take, bytes.
const MAX_COMPILED: usize = 8 << 20;

/// Compiles an expression that must match the whole text, where `.` matches line feeds too: `^(?s:…)$`, as matchers and
/// `label_replace` of Prometheus do.
pub fn anchored(pattern: &str) -> Result<Regex, RegexError> {
    let translated = translate(pattern)?;
    RegexBuilder::new(&format!("^(?s:{translated})$")).size_limit(MAX_COMPILED).build().map_err(|err| match err {
        regex::Error::CompiledTooBig(_) => RegexError::new("expression too large", pattern),
        _ => RegexError::new("invalid expression", pattern),
    })
}

/// Rewrites an expression for the crate `regex`.
pub fn translate(pattern: &str) -> Result<String, RegexError> {
    let mut translator = Translator { pattern, at: 0, out: String::with_capacity(pattern.len() + 8), open: 0, atom: false, repeat: None };
    while let Some(next) = translator.peek() {
        translator.step(next)?;
    }
    if translator.open > 0 {
        return Err(RegexError::new("missing closing )", pattern));
    }
    Ok(translator.out)
}

struct Translator<'a> {
    pattern: &'a str,
    /// The next byte.
    at: usize,
    out: String,
    /// Groups that are open.
    open: usize,
    /// True when a repetition would have something to repeat.
    atom: bool,
    /// Where the repetition began that ends right here.
    repeat: Option<usize>,
}

impl<'a> Translator<'a> {
    fn rest(&self) -> &'a str {
        &self.pattern[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes one construct.
    fn step(&mut self, next: char) -> Result<(), RegexError> {
        if matches!(next, '*' | '+' | '?') {
            return self.repetition(1);
        }
        if next == '{'
            && let Some(len) = self.counted()?
        {
            return self.repetition(len);
        }
        self.repeat = None;
        match next {
            '\\' => return self.escape(),
            '[' => {
                let len = class::translate(self.rest(), &mut self.out)?;
                self.at += len;
                self.atom = true;
            }
            '(' => return self.group(),
            ')' => {
                self.open = self.open.checked_sub(1).ok_or_else(|| RegexError::new("unexpected )", self.pattern))?;
                self.copy(1);
                self.atom = true;
            }
            '|' => {
                self.copy(1);
                self.atom = false;
            }
            '^' | '$' | '.' => {
                self.copy(1);
                self.atom = true;
            }
            literal => {
                self.at += literal.len_utf8();
                self.literal(literal);
            }
        }
        Ok(())
    }

    /// Copies bytes as they are.
    fn copy(&mut self, len: usize) {
        self.out.push_str(&self.pattern[self.at..self.at + len]);
        self.at += len;
    }

    fn literal(&mut self, literal: char) {
        push_literal(&mut self.out, literal);
        self.atom = true;
    }

    /// Length of a count in braces; `None` when the brace stands for itself.
    fn counted(&self) -> Result<Option<usize>, RegexError> {
        let Some(end) = self.rest().find('}') else { return Ok(None) };
        let (low, high) = match self.rest()[1..end].split_once(',') {
            Some((low, high)) => (low, Some(high)),
            None => (&self.rest()[1..end], None),
        };
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        if !is_number(low) || !high.is_none_or(|high| high.is_empty() || is_number(high)) {
            return Ok(None);
        }
        let bad = || RegexError::new("invalid repeat count", &self.rest()[..=end]);
        let number = |text: &str| text.parse().ok().filter(|count: &u32| *count <= MAX_REPEAT).ok_or_else(bad);
        let least = number(low)?;
        if let Some(high) = high.filter(|high| !high.is_empty())
            && number(high)? < least
        {
            return Err(bad());
        }
        Ok(Some(end + 1))
    }

    /// Takes a repetition of `len` bytes and the `?` that may follow.
    fn repetition(&mut self, mut len: usize) -> Result<(), RegexError> {
        if self.rest()[len..].starts_with('?') {
            len += 1;
        }
        let end = self.at + len;
        if !self.atom {
            return Err(RegexError::new("missing argument to repetition operator", &self.pattern[self.at..end]));
        }
        if let Some(start) = self.repeat {
            return Err(RegexError::new("invalid nested repetition operator", &self.pattern[start..end]));
        }
        self.repeat = Some(self.at);
        self.copy(len);
        Ok(())
    }

    /// Takes the head of a group, or flags.
    fn group(&mut self) -> Result<(), RegexError> {
        let rest = self.rest();
        let Some(inside) = rest.strip_prefix("(?") else {
            self.copy(1);
            self.open += 1;
            self.atom = false;
            return Ok(());
        };
        let head = if let Some(name) = inside.strip_prefix("P<").or_else(|| inside.strip_prefix('<')) {
            let bad = |end: usize| RegexError::new("invalid named capture", &rest[..end]);
            let len = name.find('>').ok_or_else(|| bad(rest.len()))?;
            let end = rest.len() - name.len() + len + 1;
            let first_is_digit = name.starts_with(|first: char| first.is_ascii_digit());
            if len == 0 || first_is_digit || !name[..len].bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(bad(end));
            }
            end
        } else {
            flags(rest)?
        };
        if !rest[..head].ends_with(')') {
            self.open += 1;
            self.atom = false;
        }
        self.copy(head);
        Ok(())
    }

    fn escape(&mut self) -> Result<(), RegexError> {
        let rest = self.rest();
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (text, len) = quoted.find("\\E").map_or((quoted, rest.len()), |end| (&quoted[..end], end + 4));
            let text = text.to_owned();
            self.at += len;
            text.chars().for_each(|literal| self.literal(literal));
            return Ok(());
        }
        match rest[1..].chars().next() {
            Some('A' | 'z' | 'B') => self.copy(2),
            Some('b') => {
                self.at += 2;
                self.out.push_str(r"(?-u:\b)");
            }
            _ => {
                let (escape, len) = Escape::parse(rest)?;
                self.at += len;
                match escape {
                    Escape::Char(literal) => self.literal(literal),
                    Escape::Class(class) => self.out.push_str(class),
                    Escape::Property => self.out.push_str(&self.pattern[self.at - len..self.at]),
                }
            }
        }
        self.atom = true;
        Ok(())
    }
}

/// Length of the head of a group with flags, or of flags alone, at the start of `rest`.
fn flags(rest: &str) -> Result<usize, RegexError> {
    let bad = |end| RegexError::new("invalid or unsupported Perl syntax", &rest[..end]);
    let (mut minus, mut flags) = (false, false);
    for (at, flag) in rest.char_indices().skip("(?".len()) {
        let end = at + flag.len_utf8();
        match flag {
            'i' | 'm' | 's' | 'U' => flags = true,
            '-' if !minus => (minus, flags) = (true, false),
            ':' if flags || !minus => return Ok(end),
            ')' if flags => return Ok(end),
            _ => return Err(bad(end)),
        }
    }
    Err(bad(rest.len()))
}

/// What a backslash can mean inside of a class and outside.
enum Escape {
    /// One character.
    Char(char),
    /// A class of ASCII characters.
    Class(&'static str),
    /// A class by its Unicode property, written the same in both languages.
    Property,
}

impl Escape {
    /// Takes an escape at the start of `rest`, and says how long it is.
    fn parse(rest: &str) -> Result<(Self, usize), RegexError> {
        let mut chars = rest.char_indices().skip(1);
        let Some((_, kind)) = chars.next() else { return Err(RegexError::new("trailing backslash at end of expression", "")) };
        let class = |class| Ok((Self::Class(class), 2));
        let one = |literal| Ok((Self::Char(literal), 2));
        match kind {
            'd' => class("[0-9]"),
            'D' => class("[^0-9]"),
            'w' => class("[0-9A-Za-z_]"),
            'W' => class("[^0-9A-Za-z_]"),
            's' => class(r"[\t\n\f\r ]"),
            'S' => class(r"[^\t\n\f\r ]"),
            'p' | 'P' => Self::property(rest),
            'a' => one('\x07'),
            'f' => one('\x0c'),
            't' => one('\t'),
            'n' => one('\n'),
            'r' => one('\r'),
            'v' => one('\x0b'),
            'x' => Self::hexadecimal(rest),
            '0'..='7' => Self::octal(rest).ok_or_else(|| RegexError::new("invalid escape sequence", &rest[..2])),
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => one(other),
            other => Err(RegexError::new("invalid escape sequence", &rest[..1 + other.len_utf8()])),
        }
    }

    /// `\1` to `\7` alone would refer to a group, which RE2 does not know; `\0` and two digits or three are a character.
    fn octal(rest: &str) -> Option<(Self, usize)> {
        let digits = rest[1..].bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
        if digits == 1 && !rest[1..].starts_with('0') {
            return None;
        }
        let code = u32::from_str_radix(&rest[1..=digits], 8).ok()?;
        Some((Self::Char(char::from_u32(code)?), 1 + digits))
    }

    fn hexadecimal(rest: &str) -> Result<(Self, usize), RegexError> {
        let bad = |len: usize| RegexError::new("invalid escape sequence", rest.get(..len.min(rest.len())).unwrap_or(rest));
        let (digits, len) = match rest[2..].strip_prefix('{') {
            Some(braced) => {
                let end = braced.find('}').ok_or_else(|| bad(rest.len()))?;
                (&braced[..end], end + 4)
            }
            None => (rest.get(2..4).ok_or_else(|| bad(4))?, 4),
        };
        let code = u32::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let literal = code.and_then(char::from_u32).ok_or_else(|| bad(len))?;
        Ok((Self::Char(literal), len))
    }

    fn property(rest: &str) -> Result<(Self, usize), RegexError> {
        let bad = |len: usize| RegexError::new("invalid character class range", rest.get(..len).unwrap_or(rest));
        let name = &rest[2..];
        let len = match name.strip_prefix('{') {
            Some(braced) => 4 + braced.find('}').ok_or_else(|| bad(rest.len()))?,
            None => 2 + name.chars().next().ok_or_else(|| bad(rest.len()))?.len_utf8(),
        };
        if regex_syntax::parse(&rest[..len]).is_err() {
            return Err(bad(len));
        }
        Ok((Self::Property, len))
    }
}

/// Appends a character that stands for itself, outside of a class and inside.
fn push_literal(out: &mut String, literal: char) {
    if literal.is_ascii() && !literal.is_ascii_alphanumeric() && literal != '_' {
        // Hexadecimal is understood everywhere, also where a backslash before the character is not.
        out.push_str(&format!("\\x{:02X}", u32::from(literal)));
    } else {
        out.push(literal);
    }
}

#[cfg(test)]
mod tests;
