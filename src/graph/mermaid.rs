//! A chart as a Mermaid flowchart, for READMEs and pages that draw it themselves.

use super::{
    chart::{Chart, Edge, Node, Shape, thousands},
    text::printable,
};
use std::fmt::Write as _;

/// Letters of one way's text; Mermaid wraps, but does not shorten.
const LETTERS: usize = 60;

/// The chart as Mermaid text. Same chart, same bytes.
pub fn mermaid(chart: &Chart) -> String {
    let mut out = format!("flowchart TD\n  accTitle: Journey {}\n", plain(&chart.name));
    if let Some(description) = &chart.description {
        let _ = writeln!(out, "  accDescr: {}", plain(description));
    }
    for (n, node) in chart.nodes.iter().enumerate() {
        let (open, close) = brackets(node.shape);
        let _ = writeln!(out, "  n{n}{open}\"{}\"{close}", label(node));
    }
    for edge in &chart.edges {
        let Edge {
            from,
            to,
            ways: _,
            customers: _,
        } = edge;
        let said = said(edge);
        let _ = match said.is_empty() {
            true => writeln!(out, "  n{from} --> n{to}"),
            false => writeln!(out, "  n{from} -->|\"{said}\"| n{to}"),
        };
    }
    out
}

/// The shape says the kind.
fn brackets(shape: Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::Entry => ("([", "])"),
        Shape::Wait => ("{{", "}}"),
        Shape::Send => ("[/", "/]"),
        Shape::Branch => ("{", "}"),
        Shape::Set => ("[[", "]]"),
        Shape::Exit(_) => ("((", "))"),
        Shape::Anywhere => ("[", "]"),
    }
}

fn label(node: &Node) -> String {
    let Node {
        place: _,
        shape,
        title,
        lines,
        customers,
    } = node;
    let mut parts = vec![shape.caption().to_owned(), format!("<b>{}</b>", escaped(title))];
    parts.extend(lines.iter().map(|line| escaped(&shortened(line))));
    parts.extend(customers.map(thousands));
    parts.join("<br/>")
}

fn said(edge: &Edge) -> String {
    let mut parts: Vec<String> = edge
        .ways
        .iter()
        .map(super::chart::Way::label)
        .filter(|label| !label.is_empty())
        .map(|label| escaped(&shortened(&label)))
        .collect();
    parts.extend(edge.customers.map(thousands));
    parts.join("<br/>")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LETTERS {
        return text.to_owned();
    }
    text.chars().take(LETTERS - 1).chain(std::iter::once('…')).collect()
}

/// Text between quotes: Mermaid reads #NUMBER; as a letter, and HTML.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in printable(text).chars() {
        match letter {
            '"' | '#' | '<' | '>' | '&' | '`' | '\\' | '|' | ';' => {
                let _ = write!(out, "#{};", u32::from(letter));
            }
            other => out.push(other),
        }
    }
    out
}

/// Text that ends with the line.
fn plain(text: &str) -> String {
    printable(text)
        .chars()
        .map(|letter| {
            if matches!(letter, '#' | ';' | '{' | '}' | '<' | '>' | '%') {
                ' '
            } else {
                letter
            }
        })
        .collect()
}
