use super::*;

#[test]
fn names_cannot_leave_their_place() {
    assert_eq!(escaped(r#"<a href='x' & "y">"#), "&lt;a href=&#39;x&#39; &amp; &quot;y&quot;&gt;");
}

#[test]
fn tools_ask_for_json() {
    let mut headers = HeaderMap::new();
    assert!(!wants_json(&headers));
    headers.insert(ACCEPT, "text/html,application/xhtml+xml".parse().unwrap());
    assert!(!wants_json(&headers));
    headers.insert(ACCEPT, "application/json".parse().unwrap());
    assert!(wants_json(&headers));
}
