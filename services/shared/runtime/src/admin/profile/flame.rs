//! A flame graph as SVG, without scripts. A box is a function, above the one that called it, as wide as its share of
//! the CPU time; the order from left to right means nothing.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Profile;
use crate::admin::escape;

/// Pixels.
const WIDTH: f64 = 1_200.0;
const ROW: f64 = 16.0;
const TITLE: f64 = 24.0;

/// Boxes narrower than this are left out, and what is above them with them.
const NARROWEST: f64 = 0.4;

/// The width of a letter of the font of boxes.
const LETTER: f64 = 6.6;

/// Calls by their names, each with what it called.
#[derive(Default)]
struct Node<'a> {
    count: i64,
    called: BTreeMap<&'a str, Node<'a>>,
}

/// A box to draw. Distances are in pixels, `depth` in rows from the bottom.
struct Box<'a> {
    name: &'a str,
    count: i64,
    left: f64,
    width: f64,
    depth: usize,
}

/// Draws what the threads of a process did. The lowest row is all of them, the next one threads by their names.
pub(super) fn svg(profile: &Profile) -> String {
    let mut root = Node::default();
    profile.stacks.iter().for_each(|stack| {
        let functions = stack.calls.iter().rev().map(|call| call.function.as_str());
        root.add(std::iter::once(stack.thread.as_str()).chain(functions), stack.count);
    });
    let boxes = boxes(&root);
    let rows = boxes.iter().map(|drawn| drawn.depth + 1).max().unwrap_or_default();
    let height = TITLE + pixels(rows) * ROW;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <text x=\"4\" y=\"16\">CPU time of {count} stacks, {seconds:.1} s</text>\n",
        count = root.count,
        seconds = profile.duration.as_secs_f64(),
    );
    for drawn in &boxes {
        drawn.draw(&mut svg, height, root.count);
    }
    svg.push_str("</svg>\n");
    svg
}

/// Lays the boxes out. The way down is kept in a list of its own: stacks can be hundreds of calls deep.
fn boxes<'a>(root: &Node<'a>) -> Vec<Box<'a>> {
    let scale = WIDTH / as_float(root.count.max(1));
    let mut boxes = Vec::new();
    let mut open = vec![("all", root, 0.0, 0)];
    while let Some((name, node, left, depth)) = open.pop() {
        let width = as_float(node.count) * scale;
        if width < NARROWEST {
            continue;
        }
        boxes.push(Box { name, count: node.count, left, width, depth });
        let mut left = left;
        for (name, called) in &node.called {
            open.push((name, called, left, depth + 1));
            left += as_float(called.count) * scale;
        }
    }
    boxes
}

impl<'a> Node<'a> {
    fn add(&mut self, calls: impl Iterator<Item = &'a str>, count: i64) {
        self.count += count;
        let mut node = self;
        for name in calls {
            node = node.called.entry(name).or_default();
            node.count += count;
        }
    }
}

impl Box<'_> {
    fn draw(&self, svg: &mut String, height: f64, all: i64) {
        let (name, count) = (escape(self.name), self.count);
        let (left, width, top) = (self.left, self.width, height - pixels(self.depth + 1) * ROW);
        let share = 100.0 * as_float(count) / as_float(all.max(1));
        let hue = self.name.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) % 50;
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<g><title>{name}: {count} stacks, {share:.1} %</title>\
             <rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{ROW}\" fill=\"hsl({hue},80%,70%)\" stroke=\"white\"/>"
        );
        let text = fitting(self.name, width - LETTER);
        if !text.is_empty() {
            let _ = write!(svg, "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>", left + 3.0, top + 12.0, escape(text));
        }
        svg.push_str("</g>\n");
    }
}

/// The beginning of a name that fits into a box.
fn fitting(name: &str, width: f64) -> &str {
    let end = name.char_indices().enumerate().find(|(letter, _)| pixels(letter + 1) * LETTER > width).map(|(_, (at, _))| at);
    &name[..end.unwrap_or(name.len())]
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn pixels(n: usize) -> f64 {
    n as f64
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_float(n: i64) -> f64 {
    n as f64
}
