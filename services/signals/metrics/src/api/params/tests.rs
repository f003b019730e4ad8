use super::*;

fn read(encoded: &str) -> Result<Params, FormError> {
    let mut params = Params::default();
    params.read(encoded.as_bytes()).map(|()| params)
}

#[test]
fn names_and_values_are_unescaped() {
    let params = read("query=up%7Ba%3D%22b+c%22%7D&match[]=x&match%5B%5D=y&flag&&empty=").unwrap();
    assert_eq!(params.get("query"), "up{a=\"b c\"}");
    assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((params.get("flag"), params.get("empty"), params.get("missing")), ("", "", ""));
}

#[test]
fn malformed_text_is_refused() {
    assert_eq!(read("a=%zz").unwrap_err().to_string(), "invalid URL escape \"%zz\"");
    assert_eq!(read("a=%2").unwrap_err().to_string(), "invalid URL escape \"%2\"");
    assert_eq!(read("a=1;b=2"), Err(FormError::Semicolon));
    assert_eq!(read("a=%ff").unwrap().get("a"), "\u{fffd}");
}
