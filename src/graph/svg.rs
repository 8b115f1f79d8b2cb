//! A chart as SVG: one file that needs nothing else, with a light and a dark dress, and with texts for those who cannot see it.

use super::{
    chart::{Chart, Node, Shape, thousands},
    layout::{
        BODY, BODY_LINE, CAPTION, CAPTION_LINE, Placed, Point, Rect, SLANT, TITLE, TITLE_LINE, Unplaceable, Written,
        place,
    },
    route::{Piece, Route},
    text::printable,
};
use crate::api::step::Outcome;
use crate::markup::escape;
use std::fmt::Write as _;

/// Colours by variables, so that one sheet dresses both; `color-scheme` of the page around has no say in a file of its own.
const STYLE: &str = "\
.jg{--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#6e7781;--back:#8250df;--enter:#ddf4ff;--wait:#fff8c5;--send:#dafbe1;\
--fork:#fbefff;--set:#f6f8fa;--good:#aceebb;--end:#eaeef2;--bad:#ffcecb;\
font-family:Helvetica,Arial,'Liberation Sans','Noto Sans',sans-serif}\
@media(prefers-color-scheme:dark){.jg{--paper:#0d1117;--ink:#e6edf3;--soft:#9198a1;--line:#8b949e;--back:#bc8cff;--enter:#0c2d4d;\
--wait:#3b2e07;--send:#0f3d20;--fork:#2f1f4f;--set:#1c2128;--good:#12562a;--end:#2d333b;--bad:#5c1a1a}}\
.jg-paper{fill:var(--paper)}.jg-ink{fill:var(--ink)}.jg-soft{fill:var(--soft)}\
.jg-box{stroke:var(--line);stroke-width:1.2}.jg-way{fill:none;stroke:var(--line);stroke-width:1.4}.jg-tip{fill:var(--line)}\
.jg-back .jg-way{stroke:var(--back)}.jg-back .jg-tip{fill:var(--back)}\
.jg-flow .jg-way{stroke-opacity:.55}\
.jg-enter{fill:var(--enter)}.jg-wait{fill:var(--wait)}.jg-send{fill:var(--send)}.jg-fork{fill:var(--fork)}.jg-set{fill:var(--set)}\
.jg-good{fill:var(--good)}.jg-end{fill:var(--end)}.jg-bad{fill:var(--bad)}.jg-any{fill:none;stroke-dasharray:5 4}";

/// The widest line of a chart with numbers, in pixels.
const WIDEST: f64 = 9.0;

/// The chart as an SVG document; it may also stand in an HTML page, with other charts beside it. Same chart, same
/// bytes.
///
/// # Errors
/// When the layout gives up, which no journey that the API server takes is known to bring about.
pub fn svg(chart: &Chart) -> Result<String, Unplaceable> {
    let placed = place(chart)?;
    let Placed {
        width,
        height,
        boxes,
        routes,
    } = &placed;
    let id = format!("journey-{}", chart.name);
    let mut out = String::new();
    let (w, h) = (Number(*width), Number(*height));
    let title = escaped(&chart.name);
    let described = description(chart);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"jg\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\" \
         width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n\
         <title id=\"{id}-title\">Journey {title}</title>\n<desc id=\"{id}-desc\">{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"jg-paper\" width=\"{w}\" height=\"{h}\"/>\n",
        escaped(&described),
        id = escaped(&id),
    );
    let busiest = chart.busiest();
    for (edge, route) in chart.edges.iter().zip(routes) {
        let said: Vec<String> = edge
            .ways
            .iter()
            .map(super::chart::Way::label)
            .filter(|label| !label.is_empty())
            .collect();
        let hover = format!(
            "{} to {}{}{}",
            chart.nodes[edge.from].title,
            chart.nodes[edge.to].title,
            if said.is_empty() { "" } else { ": " },
            said.join(", or ")
        );
        way(&mut out, route, &hover, edge.customers.map(|flow| share(flow, busiest)));
    }
    for (node, (rect, written)) in chart.nodes.iter().zip(boxes) {
        step(&mut out, node, *rect, written);
    }
    // Texts last, above every line.
    for route in routes {
        label(&mut out, route);
    }
    out.push_str("</svg>\n");
    Ok(out)
}

#[expect(clippy::cast_precision_loss, reason = "the width of a line needs no more digits")]
fn share(flow: u64, busiest: u64) -> f64 {
    1.0 + (WIDEST - 1.0) * flow as f64 / busiest.max(1) as f64
}

/// What the picture shows, in words: the boxes, and where each leads.
fn description(chart: &Chart) -> String {
    let mut out = chart.description.clone().unwrap_or_default();
    for (n, node) in chart.nodes.iter().enumerate() {
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "{} {}", node.shape.caption(), node.title);
        if !node.lines.is_empty() {
            let _ = write!(out, " ({})", node.lines.join(", "));
        }
        if let Some(customers) = node.customers {
            let _ = write!(out, ", {} customers", thousands(customers));
        }
        let mut ways = chart.edges.iter().filter(|edge| edge.from == n).peekable();
        if ways.peek().is_some() {
            out.push_str(" leads to ");
        }
        let mut first = true;
        for edge in ways {
            let said: Vec<String> = edge.ways.iter().map(super::chart::Way::label).collect();
            let said = said.join(" or ");
            let comma = if first { "" } else { ", " };
            first = false;
            let _ = write!(out, "{comma}{}", chart.nodes[edge.to].title);
            if !said.is_empty() {
                let _ = write!(out, " ({said})");
            }
        }
        out.push('.');
    }
    out
}

fn way(out: &mut String, route: &Route, hover: &str, width: Option<f64>) {
    let mut path = format!("M{}", At(route.start));
    for piece in &route.pieces {
        let _ = match piece {
            Piece::Straight(end) => write!(path, "L{}", At(*end)),
            Piece::Curve(a, b, end) => write!(path, "C{} {} {}", At(*a), At(*b), At(*end)),
        };
    }
    let classes = match (route.back, width.is_some()) {
        (false, false) => "",
        (true, false) => " class=\"jg-back\"",
        (false, true) => " class=\"jg-flow\"",
        (true, true) => " class=\"jg-back jg-flow\"",
    };
    let thick = width.map_or(String::new(), |width| {
        format!(" style=\"stroke-width:{}\"", Number(width))
    });
    let _ = writeln!(
        out,
        "<g{classes}><title>{}</title><path class=\"jg-way\" d=\"{path}\"{thick}/>{}</g>",
        escaped(hover),
        tip(route)
    );
}

/// The arrow's head. Lines arrive upright, loops from the right.
fn tip(route: &Route) -> String {
    let end = route.end();
    let from = match route.pieces.last() {
        Some(Piece::Curve(_, control, _)) => *control,
        Some(Piece::Straight(_)) | None => {
            let points: Vec<Point> = route.points().collect();
            let before = points
                .iter()
                .rev()
                .find(|point| (point.y - end.y).abs() > 0.1 || (point.x - end.x).abs() > 0.1);
            before.copied().unwrap_or(route.start)
        }
    };
    let (dx, dy) = (end.x - from.x, end.y - from.y);
    let length = dx.hypot(dy).max(0.001);
    let (ux, uy) = (dx / length, dy / length);
    let corner = |side: f64| {
        At(Point {
            x: end.x - 8.0 * ux - side * uy,
            y: end.y - 8.0 * uy + side * ux,
        })
    };
    format!(
        "<path class=\"jg-tip\" d=\"M{}L{}L{}Z\"/>",
        At(end),
        corner(4.0),
        corner(-4.0)
    )
}

fn label(out: &mut String, route: &Route) {
    let Some(rect) = route.label else { return };
    let back = if route.back { " class=\"jg-back\"" } else { "" };
    let _ = write!(
        out,
        "<g{back}><rect class=\"jg-paper\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\"/>",
        Number(rect.left()),
        Number(rect.top()),
        Number(rect.width),
        Number(rect.height)
    );
    let mut y = rect.top() + 3.0 + BODY_LINE / 2.0;
    for line in &route.text {
        text(out, "jg-soft", BODY, "", rect.x, y, line);
        y += BODY_LINE;
    }
    out.push_str("</g>\n");
}

fn step(out: &mut String, node: &Node, rect: Rect, written: &Written) {
    let class = match node.shape {
        Shape::Entry => "jg-enter",
        Shape::Wait => "jg-wait",
        Shape::Send => "jg-send",
        Shape::Branch => "jg-fork",
        Shape::Set => "jg-set",
        Shape::Exit(Outcome::Converted) => "jg-good",
        Shape::Exit(Outcome::Completed) => "jg-end",
        Shape::Exit(Outcome::Disqualified | Outcome::Failed) => "jg-bad",
        Shape::Anywhere => "jg-any",
    };
    let hover = std::iter::once(format!("{} {}", node.shape.caption(), node.title))
        .chain(node.lines.iter().cloned())
        .collect::<Vec<_>>()
        .join(", ");
    let _ = write!(out, "<g><title>{}</title>", escaped(&hover));
    outline(out, node.shape, class, rect);
    let mut y = rect.y - written.height / 2.0 + CAPTION_LINE / 2.0;
    text(out, "jg-soft", CAPTION, "", rect.x, y, node.shape.caption());
    y += (CAPTION_LINE + TITLE_LINE) / 2.0;
    for line in &written.title {
        text(out, "jg-ink", TITLE, " font-weight=\"bold\"", rect.x, y, line);
        y += TITLE_LINE;
    }
    y += (BODY_LINE - TITLE_LINE) / 2.0;
    for line in &written.body {
        text(out, "jg-ink", BODY, "", rect.x, y, line);
        y += BODY_LINE;
    }
    out.push_str("</g>\n");
}

/// The shape says the kind without the colour.
fn outline(out: &mut String, shape: Shape, class: &str, rect: Rect) {
    let (l, r, t, b) = (rect.left(), rect.right(), rect.top(), rect.bottom());
    let n = Number;
    let _ = match shape {
        Shape::Branch => write!(
            out,
            "<path class=\"jg-box {class}\" d=\"M{} {}L{} {}L{} {}L{} {}Z\"/>",
            n(rect.x),
            n(t),
            n(r),
            n(rect.y),
            n(rect.x),
            n(b),
            n(l),
            n(rect.y)
        ),
        Shape::Wait => write!(
            out,
            "<path class=\"jg-box {class}\" d=\"M{} {}L{} {}L{} {}L{} {}L{} {}L{} {}Z\"/>",
            n(l + SLANT),
            n(t),
            n(r - SLANT),
            n(t),
            n(r),
            n(rect.y),
            n(r - SLANT),
            n(b),
            n(l + SLANT),
            n(b),
            n(l),
            n(rect.y)
        ),
        Shape::Entry | Shape::Exit(_) => rectangle(out, class, rect, rect.height.min(40.0) / 2.0),
        Shape::Send | Shape::Anywhere => rectangle(out, class, rect, 5.0),
        Shape::Set => rectangle(out, class, rect, 0.0).and_then(|()| {
            let bars = [l + 6.0, r - 6.0];
            bars.iter()
                .try_for_each(|x| write!(out, "<path class=\"jg-box\" d=\"M{} {}V{}\"/>", n(*x), n(t), n(b)))
        }),
    };
    if shape == Shape::Send {
        // The flap of an envelope, in the corner.
        let _ = write!(
            out,
            "<path class=\"jg-box jg-paper\" d=\"M{x} {y}h16v11h-16zl8 6l8 -6\"/>",
            x = n(l + 7.0),
            y = n(t + 6.0)
        );
    }
}

fn rectangle(out: &mut String, class: &str, rect: Rect, round: f64) -> std::fmt::Result {
    write!(
        out,
        "<rect class=\"jg-box {class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        Number(rect.left()),
        Number(rect.top()),
        Number(rect.width),
        Number(rect.height),
        Number(round)
    )
}

fn text(out: &mut String, class: &str, size: f64, more: &str, x: f64, y: f64, line: &str) {
    let _ = write!(
        out,
        "<text class=\"{class}\" x=\"{}\" y=\"{}\" font-size=\"{}\" text-anchor=\"middle\"{more}>{}</text>",
        Number(x),
        // The middle of a line is about a third of the letters' size above its base.
        Number(y + size * 0.35),
        Number(size),
        escaped(line)
    );
}

/// With a tenth of a pixel at most.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        // No "-0".
        write!(f, "{}", if tenths == 0.0 { 0.0 } else { tenths })
    }
}

struct At(Point);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", Number(self.0.x), Number(self.0.y))
    }
}

/// Text as XML, without what XML cannot hold.
fn escaped(text: &str) -> String {
    escape(&printable(text))
}
