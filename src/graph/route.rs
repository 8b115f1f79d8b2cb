//! The lines: straight down through each layer, where the layout keeps their place free, and curved only between the layers, where nothing
//! else stands. So no line passes through a box.

use super::{
    chart::Shape,
    layout::{Point, Rect},
};

/// A line as the layout gives it: through which points of which layers it goes.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub from: usize,
    pub to: usize,
    /// In the direction of the line, without its ends.
    pub inner: Vec<Point>,
    pub label: Option<Rect>,
    pub text: Vec<String>,
}

/// A line as it is drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub start: Point,
    pub pieces: Vec<Piece>,
    pub label: Option<Rect>,
    /// The label's lines.
    pub text: Vec<String>,
    /// It leads up, or to its own box.
    pub back: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Piece {
    Straight(Point),
    /// A cubic Bézier curve: two control points and the end.
    Curve(Point, Point, Point),
}

impl Route {
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let ends = self.pieces.iter().flat_map(|piece| match *piece {
            Piece::Straight(end) => vec![end],
            Piece::Curve(a, b, end) => vec![a, b, end],
        });
        std::iter::once(self.start).chain(ends)
    }

    pub fn shift(&mut self, dx: f64, dy: f64) {
        let shift = |point: &mut Point| {
            *point = Point {
                x: point.x + dx,
                y: point.y + dy,
            }
        };
        shift(&mut self.start);
        for piece in &mut self.pieces {
            match piece {
                Piece::Straight(end) => shift(end),
                Piece::Curve(a, b, end) => [a, b, end].into_iter().for_each(shift),
            }
        }
        if let Some(label) = &mut self.label {
            *label = Rect {
                x: label.x + dx,
                y: label.y + dy,
                ..*label
            };
        }
    }

    pub fn end(&self) -> Point {
        match self.pieces.last() {
            Some(Piece::Straight(end) | Piece::Curve(_, _, end)) => *end,
            None => self.start,
        }
    }
}

/// The room of a layer from its highest box's top to its bottom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    centre: f64,
    half: f64,
}

impl Band {
    /// The layers of a layout: what stands in one has one centre.
    pub fn all(boxes: &[Rect], lines: &[Line]) -> Vec<Band> {
        let mut bands: Vec<Band> = vec![];
        for rect in boxes.iter().copied().chain(lines.iter().filter_map(|line| line.label)) {
            let half = rect.height / 2.0;
            match bands.iter_mut().find(|band| (band.centre - rect.y).abs() < 0.5) {
                Some(band) => band.half = band.half.max(half),
                None => bands.push(Band { centre: rect.y, half }),
            }
        }
        bands
    }

    fn at(bands: &[Band], y: f64) -> Band {
        let found = bands.iter().find(|band| (band.centre - y).abs() < 0.5);
        found.copied().unwrap_or(Band { centre: y, half: 0.0 })
    }
}

/// A line through one layer: straight from the one y to the other.
struct Crossing {
    x: f64,
    enter: f64,
    leave: f64,
}

pub(super) fn routes(boxes: &[Rect], shapes: &[Shape], bands: &[Band], lines: Vec<Line>) -> Vec<Route> {
    let ports = ports(boxes, shapes, &lines);
    lines
        .into_iter()
        .zip(ports)
        .map(|(line, (start, end))| {
            if line.from == line.to {
                return around(boxes[line.from], line);
            }
            let back = boxes[line.to].y < boxes[line.from].y;
            let down = |band: Band| {
                if back {
                    band.centre - band.half
                } else {
                    band.centre + band.half
                }
            };
            let up = |band: Band| {
                if back {
                    band.centre + band.half
                } else {
                    band.centre - band.half
                }
            };
            let mut crossings = vec![Crossing {
                x: start.x,
                enter: start.y,
                leave: down(Band::at(bands, boxes[line.from].y)),
            }];
            crossings.extend(line.inner.iter().map(|point| {
                let band = Band::at(bands, point.y);
                Crossing {
                    x: point.x,
                    enter: up(band),
                    leave: down(band),
                }
            }));
            crossings.push(Crossing {
                x: end.x,
                enter: up(Band::at(bands, boxes[line.to].y)),
                leave: end.y,
            });
            Route {
                start,
                pieces: pieces(&crossings),
                label: line.label,
                text: line.text,
                back,
            }
        })
        .collect()
}

fn pieces(crossings: &[Crossing]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    let mut before: Option<&Crossing> = None;
    for crossing in crossings {
        if let Some(before) = before {
            let (from, to) = (
                Point {
                    x: before.x,
                    y: before.leave,
                },
                Point {
                    x: crossing.x,
                    y: crossing.enter,
                },
            );
            if (from.x - to.x).abs() < 0.05 {
                pieces.push(Piece::Straight(to));
            } else {
                let middle = f64::midpoint(from.y, to.y);
                pieces.push(Piece::Curve(
                    Point { x: from.x, y: middle },
                    Point { x: to.x, y: middle },
                    to,
                ));
            }
        }
        pieces.push(Piece::Straight(Point {
            x: crossing.x,
            y: crossing.leave,
        }));
        before = Some(crossing);
    }
    pieces
}

/// A line that leads back to where it begins: a loop at the right side of the box.
fn around(of: Rect, line: Line) -> Route {
    let (right, lift) = (of.right(), of.height / 5.0);
    let reach = right + 24.0;
    let (start, end) = (
        Point {
            x: right,
            y: of.y - lift,
        },
        Point {
            x: right,
            y: of.y + lift,
        },
    );
    Route {
        start,
        pieces: vec![Piece::Curve(
            Point { x: reach, y: start.y },
            Point { x: reach, y: end.y },
            end,
        )],
        // Close to the loop; the layout keeps a wider place free.
        label: line.label.map(|label| Rect {
            x: reach + 2.0 + label.width / 2.0,
            ..label
        }),
        text: line.text,
        back: true,
    }
}

/// Where each line leaves its box and where it arrives: side by side, in the order of where they lead, so that they do not cross at the box.
fn ports(boxes: &[Rect], shapes: &[Shape], lines: &[Line]) -> Vec<(Point, Point)> {
    let centre = |n: usize| Point {
        x: boxes[n].x,
        y: boxes[n].y,
    };
    let mut ports: Vec<(Point, Point)> = lines.iter().map(|line| (centre(line.from), centre(line.to))).collect();
    for (n, rect) in boxes.iter().enumerate() {
        for below in [true, false] {
            // Line, whether it begins here, and towards which x.
            let mut here: Vec<(usize, bool, f64)> = vec![];
            for (l, line) in lines.iter().enumerate().filter(|(_, line)| line.from != line.to) {
                let back = boxes[line.to].y < boxes[line.from].y;
                if line.from == n && back != below {
                    let towards = line.inner.first().map_or(boxes[line.to].x, |point| point.x);
                    here.push((l, true, towards));
                }
                if line.to == n && back == below {
                    let towards = line.inner.last().map_or(boxes[line.from].x, |point| point.x);
                    here.push((l, false, towards));
                }
            }
            here.sort_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0)));
            #[expect(clippy::cast_precision_loss, reason = "numbers of lines are small")]
            let (count, step) = (
                here.len() as f64,
                30.0_f64.min(rect.width * 0.7 / here.len().max(1) as f64),
            );
            for (place, (l, begins, _)) in here.into_iter().enumerate() {
                #[expect(clippy::cast_precision_loss, reason = "numbers of lines are small")]
                let off = (place as f64 - (count - 1.0) / 2.0) * step;
                let reach = outline(shapes[n], *rect, off);
                let port = Point {
                    x: rect.x + off,
                    y: if below { rect.y + reach } else { rect.y - reach },
                };
                if begins {
                    ports[l].0 = port;
                } else {
                    ports[l].1 = port;
                }
            }
        }
    }
    ports
}

/// How far the shape reaches up and down at `off` from its centre.
fn outline(shape: Shape, rect: Rect, off: f64) -> f64 {
    let half = rect.height / 2.0;
    match shape {
        Shape::Branch => half * (1.0 - off.abs() / (rect.width / 2.0)),
        Shape::Entry | Shape::Wait | Shape::Send | Shape::Set | Shape::Exit(_) | Shape::Anywhere => half,
    }
}
