//! A place in a text that moves forwards: what hand-written lexers are made of.

use crate::Span;

/// Reads a text character by character.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the first character.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The whole text.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// How many bytes are behind.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// What is ahead.
    #[must_use]
    pub fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The bytes from `start` to here.
    #[must_use]
    pub const fn since(&self, start: usize) -> Span {
        Span::new(start, self.at)
    }

    /// The next character, which stays ahead.
    #[must_use]
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes the next character.
    pub fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    /// Takes the next character if `wanted` says so.
    pub fn eat_if(&mut self, wanted: impl FnOnce(char) -> bool) -> bool {
        match self.peek() {
            Some(next) if wanted(next) => {
                self.at += next.len_utf8();
                true
            }
            _ => false,
        }
    }

    /// Takes the next character if it is `wanted`.
    pub fn eat(&mut self, wanted: char) -> bool {
        self.eat_if(|next| next == wanted)
    }

    /// Takes all characters up to the first that `wanted` refuses, and says whether there was any.
    pub fn eat_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> bool {
        let start = self.at;
        while self.eat_if(&mut wanted) {}
        self.at > start
    }
}
