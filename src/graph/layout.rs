//! Where boxes, lines and their texts stand: in layers from top to bottom. Ranks, order and coordinates come from dugong (dagre's layered
//! layout); the lines between the layers are our own (`route`), so that none passes through a box.

use super::{
    chart::{Chart, Edge, Node, Shape, thousands},
    route::{self, Band, Route},
    text::{printable, width, wrap},
};
use dugong::{
    EdgeLabel, GraphLabel, LabelPos, NodeLabel, RankDir,
    graphlib::{Graph, GraphOptions},
};

/// Sizes of fonts in pixels, and the height of a line of each.
pub(super) const CAPTION: f64 = 10.0;
pub(super) const TITLE: f64 = 13.0;
pub(super) const BODY: f64 = 11.0;
pub(super) const CAPTION_LINE: f64 = 13.0;
pub(super) const TITLE_LINE: f64 = 17.0;
pub(super) const BODY_LINE: f64 = 14.0;

/// The widest text in a box and on a line.
const BOX_TEXT: f64 = 190.0;
const WAY_TEXT: f64 = 150.0;
/// Lines for one thing that a box or a way says.
const LINES: usize = 3;
/// Things that a box says, and ways that a line names; what is more is counted.
const THINGS: usize = 5;
const PADDING: f64 = 12.0;
const BETWEEN_BOXES: f64 = 44.0;
const BETWEEN_LINES: f64 = 22.0;
const BETWEEN_LAYERS: f64 = 60.0;
const MARGIN: f64 = 16.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// By its centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn left(&self) -> f64 {
        self.x - self.width / 2.0
    }
    pub fn right(&self) -> f64 {
        self.x + self.width / 2.0
    }
    pub fn top(&self) -> f64 {
        self.y - self.height / 2.0
    }
    pub fn bottom(&self) -> f64 {
        self.y + self.height / 2.0
    }
}

/// The layout gave up on a chart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journey cannot be laid out: {0}")]
pub struct Unplaceable(String);

/// The texts of a box in lines, and the room that they take.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Written {
    pub title: Vec<String>,
    pub body: Vec<String>,
    pub width: f64,
    pub height: f64,
}

/// A chart with its places. Boxes and routes are those of the chart's nodes and edges, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub width: f64,
    pub height: f64,
    pub boxes: Vec<(Rect, Written)>,
    pub routes: Vec<Route>,
}

pub(super) fn place(chart: &Chart) -> Result<Placed, Unplaceable> {
    let written: Vec<Written> = chart.nodes.iter().map(write_box).collect();
    let labels: Vec<Vec<String>> = chart.edges.iter().map(write_way).collect();
    let mut graph: Graph<NodeLabel, EdgeLabel, GraphLabel> = Graph::new(GraphOptions {
        directed: true,
        multigraph: true,
        // Only so are charts of several pieces taken.
        compound: true,
    });
    graph.set_graph(GraphLabel {
        rankdir: RankDir::TB,
        nodesep: BETWEEN_BOXES,
        edgesep: BETWEEN_LINES,
        ranksep: BETWEEN_LAYERS,
        ..GraphLabel::default()
    });
    for (n, (node, written)) in chart.nodes.iter().zip(&written).enumerate() {
        let (width, height) = outer(node.shape, written);
        graph.set_node(
            key(n),
            NodeLabel {
                width,
                height,
                ..NodeLabel::default()
            },
        );
    }
    for (edge, lines) in chart.edges.iter().zip(&labels) {
        let (width, height) = label_size(lines);
        let label = EdgeLabel {
            width,
            height,
            labelpos: LabelPos::C,
            minlen: 1,
            weight: 1.0,
            ..EdgeLabel::default()
        };
        graph.set_edge_named(key(edge.from), key(edge.to), Some("way"), Some(label));
    }
    dugong::layout(&mut graph).map_err(|error| Unplaceable(error.to_string()))?;

    let boxes: Vec<Rect> = (0..chart.nodes.len())
        .map(|n| {
            let node = graph.node(&key(n));
            node.map_or(
                Rect {
                    x: 0.0,
                    y: 0.0,
                    width: 0.0,
                    height: 0.0,
                },
                |node| Rect {
                    x: node.x.unwrap_or(0.0),
                    y: node.y.unwrap_or(0.0),
                    width: node.width,
                    height: node.height,
                },
            )
        })
        .collect();
    let lines = chart.edges.iter().zip(labels).map(|(edge, text)| {
        let laid = graph.edge(&key(edge.from), &key(edge.to), Some("way"));
        let points = laid.map(|laid| laid.points.as_slice()).unwrap_or_default();
        let (width, height) = label_size(&text);
        // The first and the last point are on the boxes; there our own ports are.
        let inner = points.get(1..points.len().max(2) - 1).unwrap_or_default();
        let inner = inner.iter().map(|point| Point { x: point.x, y: point.y });
        let at = laid.and_then(|laid| Some((laid.x?, laid.y?)));
        let label = at
            .filter(|_| !text.is_empty())
            .map(|(x, y)| Rect { x, y, width, height });
        route::Line {
            from: edge.from,
            to: edge.to,
            inner: inner.collect(),
            label,
            text,
        }
    });
    let lines: Vec<route::Line> = lines.collect();
    let bands = Band::all(&boxes, &lines);
    let shapes: Vec<Shape> = chart.nodes.iter().map(|node| node.shape).collect();
    let routes = route::routes(&boxes, &shapes, &bands, lines);
    Ok(moved(boxes, written, routes))
}

fn key(n: usize) -> String {
    // Of one length, so that their order as texts is the order of the manifest.
    format!("n{n:05}")
}

/// Everything moved so that it begins at the margin.
fn moved(boxes: Vec<Rect>, written: Vec<Written>, mut routes: Vec<Route>) -> Placed {
    let (mut left, mut top) = (f64::INFINITY, f64::INFINITY);
    let (mut right, mut bottom) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
    let labels = routes.iter().filter_map(|route| route.label);
    for rect in boxes.iter().copied().chain(labels) {
        (left, top) = (left.min(rect.left()), top.min(rect.top()));
        (right, bottom) = (right.max(rect.right()), bottom.max(rect.bottom()));
    }
    for point in routes.iter().flat_map(Route::points) {
        (left, top) = (left.min(point.x), top.min(point.y));
        (right, bottom) = (right.max(point.x), bottom.max(point.y));
    }
    if !left.is_finite() {
        (left, top, right, bottom) = (0.0, 0.0, 0.0, 0.0);
    }
    let (dx, dy) = (MARGIN - left, MARGIN - top);
    for route in &mut routes {
        route.shift(dx, dy);
    }
    let shifted = |rect: Rect| Rect {
        x: rect.x + dx,
        y: rect.y + dy,
        ..rect
    };
    Placed {
        width: right - left + 2.0 * MARGIN,
        height: bottom - top + 2.0 * MARGIN,
        boxes: boxes.into_iter().map(shifted).zip(written).collect(),
        routes,
    }
}

fn write_box(node: &Node) -> Written {
    let title = wrap(&printable(&node.title), TITLE, BOX_TEXT, usize::MAX);
    let mut body: Vec<String> = things(&node.lines)
        .iter()
        .flat_map(|line| wrap(&printable(line), BODY, BOX_TEXT, LINES))
        .collect();
    body.extend(node.customers.map(customers));
    let wide = |lines: &[String], size| lines.iter().map(|line| width(line, size)).fold(0.0, f64::max);
    Written {
        width: wide(&title, TITLE)
            .max(wide(&body, BODY))
            .max(width(node.shape.caption(), CAPTION)),
        #[expect(clippy::cast_precision_loss, reason = "numbers of lines are small")]
        height: CAPTION_LINE + TITLE_LINE * title.len() as f64 + BODY_LINE * body.len() as f64,
        title,
        body,
    }
}

fn write_way(edge: &Edge) -> Vec<String> {
    let labels: Vec<String> = edge
        .ways
        .iter()
        .map(|way| way.label())
        .filter(|label| !label.is_empty())
        .collect();
    let mut lines: Vec<String> = things(&labels)
        .iter()
        .enumerate()
        .flat_map(|(n, label)| {
            let text = if n == 0 { label.clone() } else { format!("or {label}") };
            wrap(&printable(&text), BODY, WAY_TEXT, LINES)
        })
        .collect();
    lines.extend(edge.customers.map(customers));
    lines
}

fn customers(number: u64) -> String {
    format!(
        "{} {}",
        thousands(number),
        if number == 1 { "customer" } else { "customers" }
    )
}

/// At most so many; the others as a number.
fn things(all: &[String]) -> Vec<String> {
    if all.len() <= THINGS {
        return all.to_vec();
    }
    let mut shown = all[..THINGS - 1].to_vec();
    shown.push(format!("… and {} more", all.len() - shown.len()));
    shown
}

fn label_size(lines: &[String]) -> (f64, f64) {
    if lines.is_empty() {
        return (0.0, 0.0);
    }
    let wide = lines.iter().map(|line| width(line, BODY)).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "numbers of lines are small")]
    let height = BODY_LINE * lines.len() as f64 + 6.0;
    (wide + 10.0, height)
}

/// The box around a shape that holds the text.
fn outer(shape: Shape, written: &Written) -> (f64, f64) {
    let (width, height) = (written.width + 2.0 * PADDING, written.height + PADDING);
    match shape {
        // A rhombus a by b holds a text w by h where w / a + h / b = 1.
        Shape::Branch => (written.width * 1.6 + 20.0, (written.height + 4.0) / (1.0 - 1.0 / 1.6)),
        // Slanted or round sides stand outside of the text.
        Shape::Wait | Shape::Entry | Shape::Exit(_) => (width + 2.0 * SLANT, height),
        Shape::Send | Shape::Set | Shape::Anywhere => (width.max(110.0), height),
    }
}

/// How far the sides of hexagons and rounded boxes reach in.
pub(super) const SLANT: f64 = 12.0;
