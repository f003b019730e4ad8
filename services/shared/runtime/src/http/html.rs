//! Pages for people: the head that all of them have, and texts in them.

/// A page up to its title, which stands at its top as well.
#[must_use]
pub fn head(title: &str) -> String {
    let title = escaped(title);
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>{title}</title><style>body{{font-family:sans-serif}}\
         td,th{{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}}</style><h1>{title}</h1>"
    )
}

/// A text as HTML shows it, in and out of quotes.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place() {
        assert_eq!(escaped(r#"<a href='x' & "y">"#), "&lt;a href=&#39;x&#39; &amp; &quot;y&quot;&gt;");
    }
}
