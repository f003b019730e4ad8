//! From text to tokens. What a character means depends on the braces and brackets around it.

use syntax::duration::scan_duration_tail;
use syntax::number::{is_alphanumeric, scan_number};
use syntax::string::{is_quote, read_string};
use syntax::{Cursor, Span};

use super::ast::BinaryOp;
use super::error::{CharacterError, ParseError, ParseErrorKind};
use super::token::{Keyword, Token, TokenKind};

/// Reads tokens one by one. After an error there are none.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    cursor: Cursor<'a>,
    /// How many parentheses are open.
    parens: usize,
    /// Whether a brace is open: names are never keywords.
    in_braces: bool,
    /// What is known of the open bracket: names are only those of durations.
    bracket: Option<Bracket>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bracket {
    /// Whether anything has been read since the bracket.
    begun: bool,
    /// Whether a number or duration has been read: from then on the texts of errors are others.
    duration: bool,
    /// Whether the colon has been read.
    colon: bool,
}

type Lexed = Result<Token, ParseError>;

impl<'a> Lexer<'a> {
    pub(super) const fn new(query: &'a str) -> Self {
        Self { cursor: Cursor::new(query), parens: 0, in_braces: false, bracket: None }
    }

    /// Reads the next token.
    pub(super) fn next_token(&mut self) -> Lexed {
        self.skip_space();
        let start = self.cursor.at();
        if self.in_braces {
            return self.in_braces(start);
        }
        let Some(first) = self.cursor.peek() else { return self.end(start) };
        match first {
            '0'..='9' => self.number(start),
            '.' if self.cursor.rest().as_bytes().get(1).is_some_and(u8::is_ascii_digit) => self.number(start),
            'a'..='z' | 'A'..='Z' | '_' if self.bracket.is_some() => self.word_in_brackets(start, first),
            ':' if self.bracket.is_some() => self.colon(start),
            'a'..='z' | 'A'..='Z' | '_' | ':' => Ok(self.word(start)),
            _ if first == '#' || (self.begins_duration() && !"()+-*/%^,]".contains(first)) => {
                self.cursor.bump();
                Err(self.error(CharacterError::InDuration(first), start))
            }
            quote if is_quote(quote) => self.string(start),
            _ => {
                self.cursor.bump();
                self.symbol(start, first)
            }
        }
    }

    /// Whether a bracket is open within which there has been no number or duration yet.
    const fn begins_duration(&self) -> bool {
        matches!(self.bracket, Some(Bracket { duration: false, .. }))
    }

    fn symbol(&mut self, start: usize, first: char) -> Lexed {
        let kind = match first {
            ',' => TokenKind::Comma,
            '@' => TokenKind::At,
            '(' => {
                self.parens += 1;
                TokenKind::LeftParen
            }
            ')' => {
                let end = self.cursor.at();
                self.parens = self.parens.checked_sub(1).ok_or_else(|| self.error(CharacterError::RightParen, end))?;
                TokenKind::RightParen
            }
            '{' => {
                self.in_braces = true;
                TokenKind::LeftBrace
            }
            '[' if self.bracket.is_some() => return Err(self.error(CharacterError::LeftBracket, start)),
            '[' => {
                self.bracket = Some(Bracket::default());
                return Ok(self.token(TokenKind::LeftBracket, start));
            }
            ']' => {
                self.bracket.take().ok_or_else(|| self.error(CharacterError::RightBracket, start))?;
                TokenKind::RightBracket
            }
            _ => self.operator(start, first)?,
        };
        if let Some(bracket) = &mut self.bracket {
            bracket.begun = true;
        }
        Ok(self.token(kind, start))
    }

    fn operator(&mut self, start: usize, first: char) -> Result<TokenKind, ParseError> {
        let op = match first {
            '+' => BinaryOp::Add,
            '-' => BinaryOp::Sub,
            '*' => BinaryOp::Mul,
            '/' => BinaryOp::Div,
            '%' => BinaryOp::Mod,
            '^' => BinaryOp::Pow,
            '=' if self.cursor.eat('=') => BinaryOp::Eql,
            '=' if self.cursor.peek() == Some('~') => return Err(self.error(CharacterError::AfterEqual('~'), start)),
            '=' => return Ok(TokenKind::Assign),
            '!' if self.cursor.eat('=') => BinaryOp::Neq,
            '!' => return Err(self.error(CharacterError::AfterNot(self.cursor.peek()), start)),
            '<' if self.cursor.eat('=') => BinaryOp::Lte,
            '<' if self.cursor.eat('/') => BinaryOp::TrimUpper,
            '<' => BinaryOp::Lss,
            '>' if self.cursor.eat('=') => BinaryOp::Gte,
            '>' if self.cursor.eat('/') => BinaryOp::TrimLower,
            '>' => BinaryOp::Gtr,
            other => return Err(self.error(CharacterError::Unexpected(other), start)),
        };
        Ok(TokenKind::Operator(op))
    }

    fn end(&self, at: usize) -> Lexed {
        let error = match self.bracket {
            _ if self.begins_duration() => CharacterError::UnfinishedDuration,
            _ if self.parens > 0 => CharacterError::UnclosedParen,
            Some(_) => CharacterError::UnclosedBracket,
            None => return Ok(self.token(TokenKind::End, at)),
        };
        Err(self.error(error, at))
    }

    fn in_braces(&mut self, start: usize) -> Lexed {
        let Some(first) = self.cursor.peek() else { return Err(self.error(CharacterError::UnclosedBrace, start)) };
        if is_quote(first) {
            return self.string(start);
        }
        self.cursor.bump();
        let kind = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                self.cursor.eat_while(is_alphanumeric);
                TokenKind::Identifier
            }
            ',' => TokenKind::Comma,
            '=' if self.cursor.eat('~') => TokenKind::Regex,
            '=' => TokenKind::Assign,
            '!' if self.cursor.eat('~') => TokenKind::NotRegex,
            '!' if self.cursor.eat('=') => TokenKind::Operator(BinaryOp::Neq),
            '!' => return Err(self.error(CharacterError::AfterNotInBraces(self.cursor.peek()), start)),
            '{' => return Err(self.error(CharacterError::LeftBrace, start)),
            '}' => {
                self.in_braces = false;
                TokenKind::RightBrace
            }
            other => return Err(self.error(CharacterError::InBraces(other), start)),
        };
        Ok(self.token(kind, start))
    }

    fn string(&mut self, start: usize) -> Lexed {
        match read_string(&mut self.cursor) {
            Ok(_) => Ok(self.token(TokenKind::String, start)),
            Err(error) => Err(self.error(error, start)),
        }
    }

    fn number(&mut self, start: usize) -> Lexed {
        if let Some(bracket) = &mut self.bracket {
            *bracket = Bracket { begun: true, duration: true, ..*bracket };
        }
        if scan_number(&mut self.cursor) {
            Ok(self.token(TokenKind::Number, start))
        } else if scan_duration_tail(&mut self.cursor) {
            Ok(self.token(TokenKind::Duration, start))
        } else {
            let text = self.cursor.since(start).of(self.cursor.text()).to_owned();
            Err(self.error(ParseErrorKind::NumberOrDuration { text }, start))
        }
    }

    fn word(&mut self, start: usize) -> Token {
        self.cursor.eat_while(|c| is_alphanumeric(c) || c == ':');
        let word = self.cursor.since(start).of(self.cursor.text());
        let kind = match TokenKind::of_word(&word.to_ascii_lowercase()) {
            // They were names before they meant anything, and still are without their value.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight)) if !self.parenthesis_follows() => {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        };
        self.token(kind, start)
    }

    /// Within brackets there are no names but those that durations are made of.
    fn word_in_brackets(&mut self, start: usize, first: char) -> Lexed {
        self.cursor.eat_while(|c| c.is_ascii_alphabetic() || c == '_');
        let word = self.cursor.since(start).of(self.cursor.text()).to_ascii_lowercase();
        let in_duration = self.begins_duration();
        if let Some(bracket) = &mut self.bracket {
            bracket.begun = true;
        }
        match TokenKind::of_word(&word) {
            Some(kind @ TokenKind::Keyword(Keyword::Step | Keyword::Range | Keyword::MinOf | Keyword::MaxOf)) => {
                Ok(self.token(kind, start))
            }
            _ if in_duration => Err(self.error(CharacterError::InDuration(first), start)),
            _ => Err(self.error(CharacterError::AfterDuration(first), start)),
        }
    }

    fn colon(&mut self, start: usize) -> Lexed {
        let bracket = self.bracket.unwrap_or_default();
        if bracket.colon {
            return Err(self.error(CharacterError::Colon, start));
        }
        self.cursor.bump();
        if !bracket.begun {
            return Err(self.error(CharacterError::ColonFirst, self.cursor.at()));
        }
        self.bracket = Some(Bracket { colon: true, ..bracket });
        Ok(self.token(TokenKind::Colon, start))
    }

    fn parenthesis_follows(&self) -> bool {
        self.cursor.rest().trim_start_matches(is_space).starts_with('(')
    }

    fn skip_space(&mut self) {
        loop {
            self.cursor.eat_while(is_space);
            // Prometheus knows no comments within brackets.
            if self.bracket.is_some() || !self.cursor.eat('#') {
                return;
            }
            self.cursor.eat_while(|c| c != '\n' && c != '\r');
        }
    }

    const fn token(&self, kind: TokenKind, start: usize) -> Token {
        Token { kind, span: self.cursor.since(start) }
    }

    fn error(&self, kind: impl Into<ParseErrorKind>, start: usize) -> ParseError {
        let text = self.cursor.text();
        ParseError::new(kind.into(), Span::new(start, text.len()), text)
    }
}

/// Whether the character separates tokens.
pub(super) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}
