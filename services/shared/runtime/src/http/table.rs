//! A page that is one table: HTML for people, JSON for tools.

use std::fmt::Write;

use axum::Json;
use axum::response::{Html, IntoResponse, Response};
use http::HeaderMap;
use http::header::ACCEPT;
use serde_json::{Map, Value};

use super::html::{escaped, head};

/// Whether who asks for a page is a tool, which accepts JSON.
#[must_use]
pub fn accepts_json(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("application/json"))
}

/// Rows under a title.
#[derive(Clone, Debug)]
pub struct Table {
    title: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// No rows yet.
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item = &'static str>) -> Self {
        Self { title: title.into(), columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row, which has as many cells as there are columns.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "each column has a cell");
        self.rows.push(cells);
    }

    /// The page: a list of objects for who accepts JSON, whose keys are the columns.
    #[must_use]
    pub fn answer(&self, headers: &HeaderMap) -> Response {
        if accepts_json(headers) { Json(self.json()).into_response() } else { self.page() }
    }

    /// The page for people, whatever is accepted: for pages whose JSON is another one.
    #[must_use]
    pub fn page(&self) -> Response {
        Html(self.html()).into_response()
    }

    fn json(&self) -> Value {
        let cell = |text: &String| text.parse::<i64>().map_or_else(|_| Value::from(text.as_str()), Value::from);
        let row = |cells: &Vec<String>| {
            let pairs = self.columns.iter().zip(cells).map(|(column, text)| (key(column), cell(text)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        Value::Array(self.rows.iter().map(row).collect())
    }

    fn html(&self) -> String {
        let mut page = head(&self.title);
        page.push_str("<table><tr>");
        for column in &self.columns {
            // Writing to a String cannot fail.
            let _ = write!(page, "<th>{}", escaped(column));
        }
        for row in &self.rows {
            page.push_str("<tr>");
            for cell in row {
                let _ = write!(page, "<td>{}", escaped(cell));
            }
        }
        page.push_str("</table>");
        page
    }
}

/// A column's name as a key: `From, ms` is `from_ms`.
fn key(column: &str) -> String {
    let words = column.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests;
