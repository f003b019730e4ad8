use proptest::prelude::*;

use super::*;
use crate::QuotedBytes;

fn read(text: &str) -> Result<Vec<u8>, String> {
    read_string(&mut Cursor::new(text)).map_err(|err| err.to_string())
}

#[test]
fn meanings() {
    for (text, meaning) in [
        (r#""""#, "".as_bytes()),
        (r#""a\n\t\"\\""#, b"a\n\t\"\\"),
        (r"'single \'quoted\''", b"single 'quoted'"),
        (r#""\u00e9 \x41 \101 \U0001F680""#, "é A A 🚀".as_bytes()),
        (r#""\xff\377""#, b"\xff\xff"),
        (r"`raw \n 'text'`", br"raw \n 'text'"),
        ("`two\nlines`", b"two\nlines"),
        (r#""\a\b\f\r\v""#, b"\x07\x08\x0c\r\x0b"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(meaning), "{text}");
    }
}

#[test]
fn the_text_after_the_string_stays() {
    let mut cursor = Cursor::new("'a' rest");
    assert_eq!(read_string(&mut cursor), Ok(b"a".to_vec()));
    assert_eq!(cursor.rest(), " rest");
}

#[test]
fn errors() {
    for (text, error) in [
        ("\"abc", "unterminated quoted string"),
        ("\"a\nb\"", "unterminated quoted string"),
        ("`abc", "unterminated raw string"),
        (r#""\z""#, "unknown escape sequence U+007A 'z'"),
        (r#""\'""#, "unknown escape sequence U+0027 '''"),
        ("\"\\\u{7f}\"", "unknown escape sequence U+007F"),
        (r#""\x4"#, "escape sequence not terminated"),
        (r#""\"#, "escape sequence not terminated"),
        (r#""\xg0""#, "illegal character U+0067 'g' in escape sequence"),
        (r#""\ud800""#, "escape sequence is an invalid Unicode code point"),
        (r#""\U00110000""#, "escape sequence is an invalid Unicode code point"),
        (r#""\777""#, "escape sequence is an invalid Unicode code point"),
    ] {
        assert_eq!(read(text), Err(error.to_owned()), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_quoted_is_read(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "\\PC*") {
        prop_assert_eq!(read(&QuotedBytes(&bytes).to_string()), Ok(bytes));
        prop_assert_eq!(read(&QuotedBytes(text.as_bytes()).to_string()), Ok(text.into_bytes()));
    }

    #[test]
    fn nothing_panics(text in ".{0,20}", quote in "[\"'`]") {
        let _ = read(&format!("{quote}{text}"));
    }
}
