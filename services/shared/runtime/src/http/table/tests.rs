use super::*;

#[test]
fn people_see_a_table_and_tools_see_objects() {
    let mut table = Table::new("A & B", ["Tenant", "From, ms"]);
    table.row(["<x>".to_owned(), "7".to_owned()]);
    assert_eq!(table.json().to_string(), r#"[{"from_ms":7,"tenant":"<x>"}]"#);
    let html = table.html();
    assert!(html.ends_with("<h1>A &amp; B</h1><table><tr><th>Tenant<th>From, ms<tr><td>&lt;x&gt;<td>7</table>"), "{html}");
}

#[test]
fn tools_ask_for_json() {
    let mut headers = HeaderMap::new();
    assert!(!accepts_json(&headers));
    headers.insert(ACCEPT, "text/html,application/xhtml+xml".parse().unwrap());
    assert!(!accepts_json(&headers));
    headers.insert(ACCEPT, "application/json".parse().unwrap());
    assert!(accepts_json(&headers));
}
