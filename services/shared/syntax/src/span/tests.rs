use super::*;
use crate::Located;

#[test]
fn positions_count_lines_and_bytes() {
    let text = "a\nbé\n\nc";
    for (offset, position) in [(0, "1:1"), (1, "1:2"), (2, "2:1"), (5, "2:4"), (6, "3:1"), (7, "4:1"), (8, "4:2"), (99, "4:2")] {
        assert_eq!(Position::of(text, offset).to_string(), position, "{offset}");
    }
}

#[test]
fn a_span_is_a_piece_of_its_text() {
    let span = Span::new(4, 6).to(Span::new(1, 2));
    assert_eq!(span, Span::new(1, 6));
    assert_eq!(span.of("abcdefg"), "bcdef");
    assert_eq!(span.of("é"), "");
}

#[test]
fn errors_say_where() {
    let error = |query: &str| Located::new(crate::string::StringError::Unterminated, Span::new(2, 3), query).to_string();
    assert_eq!(error("a 'b"), "1:3: parse error: unterminated quoted string");
    assert_eq!(error(""), "unknown position: parse error: unterminated quoted string");
}
