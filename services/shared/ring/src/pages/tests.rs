use super::*;

#[test]
fn names_cannot_leave_their_place() {
    assert_eq!(escaped(r#"<a href='x' & "y">"#), "&lt;a href=&#39;x&#39; &amp; &quot;y&quot;&gt;");
}
