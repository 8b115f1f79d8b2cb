//! A chart in the DOT language of Graphviz.

use super::{
    chart::{Chart, Edge, Node, Shape, Way, thousands},
    text::{printable, wrap},
};
use std::fmt::Write as _;

/// The chart as a DOT digraph. Same chart, same bytes.
pub fn dot(chart: &Chart) -> String {
    let mut out = format!(
        "digraph \"{}\" {{\n  graph [rankdir=TB, tooltip=\"{}\"];\n  node [fontname=\"Helvetica\", fontsize=11];\n  \
         edge [fontname=\"Helvetica\", fontsize=10];\n",
        escaped(&chart.name),
        escaped(chart.description.as_deref().unwrap_or(&chart.name)),
    );
    for (n, node) in chart.nodes.iter().enumerate() {
        let _ = writeln!(out, "  n{n} [shape={}, label=\"{}\"];", look(node.shape), label(node));
    }
    for edge in &chart.edges {
        let Edge {
            from,
            to,
            ways,
            customers,
        } = edge;
        let mut parts: Vec<String> = ways
            .iter()
            .map(Way::label)
            .filter(|label| !label.is_empty())
            .map(|label| lines(&label))
            .collect();
        parts.extend(customers.map(thousands));
        let label = match parts.is_empty() {
            true => String::new(),
            false => format!(" [label=\"{}\"]", parts.join("\\n")),
        };
        let _ = writeln!(out, "  n{from} -> n{to}{label};");
    }
    out.push_str("}\n");
    out
}

/// The shape says the kind.
fn look(shape: Shape) -> &'static str {
    match shape {
        Shape::Entry => "cds",
        Shape::Wait => "hexagon",
        Shape::Send => "note",
        Shape::Branch => "diamond",
        Shape::Set => "box, peripheries=2",
        Shape::Exit(_) => "box, style=rounded",
        Shape::Anywhere => "box, style=dashed",
    }
}

fn label(node: &Node) -> String {
    let Node {
        place: _,
        shape,
        title,
        lines: said,
        customers,
    } = node;
    let mut parts = vec![shape.caption().to_owned(), lines(title)];
    parts.extend(said.iter().map(|line| lines(line)));
    parts.extend(customers.map(thousands));
    parts.join("\\n")
}

/// Text between quotes, in lines of about thirty letters, three at most.
fn lines(text: &str) -> String {
    let lines = wrap(&printable(text), 11.0, 200.0, 3);
    lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("\\n")
}

fn escaped(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}
