//! Finds out what a regular expression asks for without running it.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};
use regex_syntax::hir::{Dot, Hir, HirKind};

use super::Test;
use crate::error::RegexError;
use crate::re2;

/// How many alternatives are kept as a set: dashboards join hundreds of values with `|`.
const MAX_SET: usize = 4096;

/// The test that an expression stands for.
pub(super) fn test(pattern: &str) -> Result<Test, RegexError> {
    let regex = re2::anchored(pattern)?;
    let translated = re2::translate(pattern)?;
    let Ok(hir) = ParserBuilder::new().dot_matches_new_line(true).build().parse(&translated) else {
        return Ok(Test::Regex { prefix: String::new(), regex });
    };
    // The extractor takes `^`, `$` and `\b` for nothing at all; where there are any, only the engine knows.
    if !hir.properties().look_set().is_empty() {
        return Ok(Test::Regex { prefix: String::new(), regex });
    }
    if let Some(test) = shape(&hir) {
        return Ok(test);
    }
    let literals = prefixes(&hir);
    if let Some(set) = set(&literals) {
        return Ok(set);
    }
    let prefix = literals.longest_common_prefix().map(whole_characters).unwrap_or_default();
    Ok(Test::Regex { prefix, regex })
}

/// Recognises `.*`, `.+`, `abc.*`, `.*abc` and `.*abc.*`.
fn shape(hir: &Hir) -> Option<Test> {
    if let Some(least) = dots(hir) {
        return match least {
            0 => Some(Test::Any),
            1 => Some(Test::NonEmpty),
            _ => None,
        };
    }
    let HirKind::Concat(parts) = hir.kind() else { return None };
    match parts.as_slice() {
        [one, other] if dots(other) == Some(0) => Some(Test::Prefix(literal(one)?)),
        [one, other] if dots(one) == Some(0) => Some(Test::Suffix(literal(other)?)),
        [one, middle, other] if dots(one) == Some(0) && dots(other) == Some(0) => Some(Test::Infix(literal(middle)?)),
        _ => None,
    }
}

/// The least count of a repetition of any character without an upper bound.
fn dots(hir: &Hir) -> Option<u32> {
    match hir.kind() {
        HirKind::Repetition(repetition) if repetition.max.is_none() && *repetition.sub == Hir::dot(Dot::AnyChar) => Some(repetition.min),
        HirKind::Capture(capture) => dots(&capture.sub),
        _ => None,
    }
}

fn literal(hir: &Hir) -> Option<String> {
    match hir.kind() {
        HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
        HirKind::Capture(capture) => literal(&capture.sub),
        _ => None,
    }
}

/// What matches can begin with; all of a match where the literal is exact.
fn prefixes(hir: &Hir) -> Seq {
    let mut extractor = Extractor::new();
    extractor.kind(ExtractKind::Prefix).limit_class(64).limit_repeat(16).limit_literal_len(4096).limit_total(MAX_SET);
    extractor.extract(hir)
}

/// The alternatives, when the expression matches them and nothing else.
fn set(literals: &Seq) -> Option<Test> {
    if !literals.is_exact() {
        return None;
    }
    let mut set: Vec<String> =
        literals.literals()?.iter().map(|literal| String::from_utf8(literal.as_bytes().to_vec()).ok()).collect::<Option<_>>()?;
    set.sort_unstable();
    set.dedup();
    match <[String; 1]>::try_from(set) {
        Ok([only]) => Some(Test::Literal(only)),
        Err(set) => Some(Test::Set(set)),
    }
}

/// A prefix of bytes may end within a character: leaves the characters that are whole.
fn whole_characters(bytes: &[u8]) -> String {
    let valid = std::str::from_utf8(bytes).map_or_else(|err| err.valid_up_to(), str::len);
    String::from_utf8_lossy(&bytes[..valid]).into_owned()
}
