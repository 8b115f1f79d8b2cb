//! What a reader may rely on: boxes stand apart, lines join what they should and cross no box, and the same journey is the same bytes.

use super::{
    chart::{Chart, Edge, Node, Place, Shape, Way},
    dot,
    layout::{Placed, Point, Rect, place},
    mermaid,
    route::{Piece, Route},
    svg,
};
use crate::{
    api::{journey::JourneySpec, step::Outcome, touchpoint::TouchpointSpec},
    compile::Manifests,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn example(name: &str) -> Chart {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/abandoned-cart/base");
    let mut manifests = Manifests::default();
    for file in ["journey.yaml", "touchpoints.yaml"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        manifests.read(&text, file).unwrap();
    }
    super::chart(name, &manifests.journeys[name].spec, &manifests.touchpoints)
}

fn drawn(steps: &str) -> Chart {
    let yaml = format!("entry: {{triggers: [{{event: go}}]}}\nsteps:\n{steps}");
    let spec: JourneySpec = serde_saphyr::from_str(&yaml).unwrap();
    super::chart("j", &spec, &BTreeMap::<String, TouchpointSpec>::new())
}

/// Each line as `from -> to: texts`.
fn lines(chart: &Chart) -> Vec<String> {
    let one = |edge: &Edge| {
        let said: Vec<String> = edge.ways.iter().map(Way::label).collect();
        let title = |n: usize| chart.nodes[n].title.clone();
        format!("{} -> {}: {}", title(edge.from), title(edge.to), said.join(" | "))
    };
    chart.edges.iter().map(one).collect()
}

#[test]
fn every_way_of_a_journey_is_a_line_with_its_reason() {
    assert_eq!(
        lines(&example("abandoned-cart")),
        [
            "cart-updated -> patience: ",
            "patience -> patience: cart-updated",
            "patience -> tier: after 1h",
            "tier -> remind-gold: if customer.tier == 'gold'",
            "tier -> remind: otherwise",
            "remind-gold -> listen: sent",
            "remind-gold -> done: not sent",
            "remind -> listen: sent",
            "remind -> done: not sent",
            "listen -> thank: cart-reminder/clicked",
            "listen -> help: complaint-filed",
            "listen -> done: after 48h",
            "thank -> checkout: ",
            "help -> done: ",
            "checkout -> done: ",
            "wherever they stand -> ordered: order-placed",
            "wherever they stand -> emptied: cart-updated when event.items == 0",
        ]
    );
}

#[test]
fn a_box_says_what_happens_there_and_by_which_channel() {
    let chart = example("abandoned-cart");
    let said = |title: &str| {
        let node = chart.nodes.iter().find(|node| node.title == title).unwrap();
        (node.shape, node.lines.join("; "))
    };
    assert_eq!(
        said("cart-updated"),
        (Shape::Entry, "when event.items > 0; by Web".into())
    );
    assert_eq!(said("patience"), (Shape::Wait, "for 1h".into()));
    assert_eq!(said("remind"), (Shape::Send, "cart-reminder (Email)".into()));
    assert_eq!(said("thank"), (Shape::Set, "points = customer.points + 10".into()));
    assert_eq!(said("ordered"), (Shape::Exit(Outcome::Converted), "Converted".into()));
}

#[test]
fn the_end_of_the_list_is_drawn_only_where_someone_reaches_it() {
    let open = drawn("- {name: a, wait: {for: 1h}}\n");
    assert_eq!(lines(&open), ["go -> a: ", "a -> end of the list: "]);
    assert_eq!(open.nodes.last().unwrap().place, Place::End);
    let closed = drawn("- {name: a, exit: {outcome: Completed}}\n");
    assert_eq!(lines(&closed), ["go -> a: "]);
    // Nothing but a signal ends this wait.
    let waiting = drawn("- {name: a, wait: {until: [{event: e, next: b}]}}\n- {name: b, exit: {outcome: Failed}}\n");
    assert_eq!(lines(&waiting), ["go -> a: ", "a -> b: e"]);
}

#[test]
fn a_message_that_leads_on_in_any_case_needs_no_words() {
    let chart = drawn("- {name: a, send: {touchpoint: t, otherwise: b}}\n- {name: b, exit: {outcome: Failed}}\n");
    assert_eq!(lines(&chart)[1], "a -> b: ");
}

#[test]
fn a_wait_says_until_when_and_in_which_windows() {
    let chart = drawn(
        "- {name: a, wait: {at: entry.due, during: {days: [Mon, Tue], from: '08:00', to: '18:00', zone: UTC}, until: [{event: e, next: b}]}}\n\
         - {name: b, exit: {outcome: Failed}}\n",
    );
    assert_eq!(
        chart.nodes[1].lines,
        ["until entry.due", "counting Mon Tue, 08:00 to 18:00 (UTC)"]
    );
    assert_eq!(lines(&chart)[1], "a -> b: e | at entry.due");
}

#[test]
fn a_signal_says_how_many_matches_it_takes() {
    let chart = drawn(
        "- {name: a, wait: {until: [{event: e, when: event.x > 1, times: 3, next: b}]}}\n- {name: b, exit: {outcome: Failed}}\n",
    );
    assert_eq!(lines(&chart)[1], "a -> b: e when event.x > 1 (3 times)");
}

#[test]
fn two_ways_between_the_same_steps_share_a_line() {
    let chart = drawn(
        "- name: a\n  branch: {cases: [{when: x, next: b}, {when: y, next: b}], otherwise: b}\n- {name: b, exit: {outcome: Failed}}\n",
    );
    assert_eq!(lines(&chart), ["go -> a: ", "a -> b: if x | if y | otherwise"]);
    assert!(svg(&chart).unwrap().contains(">or if y</text>"));
}

#[test]
fn names_are_shown_whole_and_expressions_shortened() {
    let name = "a-name-as-long-as-a-step-may-have-it-which-is-sixty-three-chars";
    let long = "customer.country in ['DE', 'AT', 'CH'] && ".repeat(9) + "true";
    let chart = drawn(&format!(
        "- name: {name}\n  branch: {{cases: [{{when: \"{long}\", next: b}}], otherwise: b}}\n- {{name: b, exit: {{outcome: Failed}}}}\n"
    ));
    let placed = place(&chart).unwrap();
    assert_eq!(placed.boxes[1].1.title.concat(), name);
    assert!(placed.routes[1].text.len() <= 7, "{:?}", placed.routes[1].text);
    // Whoever points at the line reads the whole.
    assert!(svg(&chart).unwrap().contains("AT&#39;, &#39;CH&#39;] &amp;&amp; true"));
}

#[test]
fn flows_are_written_on_lines_and_make_them_thick() {
    let mut chart = example("abandoned-cart");
    let step = |name: &str| Place::Step(name.to_owned());
    assert!(chart.set_flow(&step("tier"), &step("remind"), 12_345));
    assert!(chart.set_flow(&step("tier"), &step("remind-gold"), 1));
    assert!(!chart.set_flow(&step("tier"), &step("done"), 5));
    chart.set_customers(&step("tier"), 12_346);
    let drawn = svg(&chart).unwrap();
    for text in [
        "12,345 customers",
        "1 customer<",
        "12,346 customers",
        "stroke-width:9\"",
    ] {
        assert!(drawn.contains(text), "{text}");
    }
    assert!(mermaid(&chart).contains("12,345"));
    assert!(dot(&chart).contains("12,345"));
}

#[test]
fn what_others_wrote_cannot_break_out_of_a_picture() {
    let mut chart = example("abandoned-cart");
    let hostile = "</title><script>\"'`&#]]>\u{0}\u{202e}|;\\\n%%{init}%%";
    chart.description = Some(hostile.into());
    chart.nodes[2].lines = vec![hostile.into()];
    chart.edges[3].ways = vec![Way::Case(hostile.into())];
    let drawn = svg(&chart).unwrap();
    assert!(!drawn.contains("<script") && !drawn.contains('\u{0}') && !drawn.contains('\u{202e}'));
    assert!(
        !mermaid(&chart).contains("<script")
            && mermaid(&chart).lines().all(|line| !line.trim_start().starts_with("%%"))
    );
    // A quote ends nothing, and a line break stays in its text.
    assert!(
        dot(&chart)
            .lines()
            .all(|line| line.replace("\\\\", "").replace("\\\"", "").matches('"').count() % 2 == 0)
    );
}

#[test]
fn it_speaks_to_those_who_cannot_see_it() {
    let drawn = svg(&example("abandoned-cart")).unwrap();
    for part in [
        "role=\"img\"",
        "aria-labelledby=\"journey-abandoned-cart-title journey-abandoned-cart-desc\"",
        "<title id=\"journey-abandoned-cart-title\">Journey abandoned-cart</title>",
        "branch tier leads to remind-gold (if customer.tier == &#39;gold&#39;), remind (otherwise).",
        "prefers-color-scheme:dark",
    ] {
        assert!(drawn.contains(part), "{part}");
    }
}

/// A chart of any form: up to 60 boxes, with loops, joins, pieces apart and texts of all lengths.
fn any_chart() -> impl Strategy<Value = Chart> {
    let shape = prop::sample::select(vec![
        Shape::Entry,
        Shape::Wait,
        Shape::Send,
        Shape::Branch,
        Shape::Set,
        Shape::Exit(Outcome::Converted),
        Shape::Anywhere,
    ]);
    let node = (
        shape,
        "[a-z]{1,6}(-[a-z]{1,9}){0,6}",
        prop::collection::vec("[ -~]{0,80}", 0..4),
    );
    (prop::collection::vec(node, 1..60), 0..200usize).prop_flat_map(|(nodes, most)| {
        let count = nodes.len();
        // Mostly to the next ones, as journeys lead; some far away, back, or to the same.
        let edge = (
            0..count,
            prop_oneof![4 => 0..4usize, 1 => 0..count],
            prop::option::of("[ -~]{1,90}"),
            prop::option::of(0..5_000_000u64),
        );
        prop::collection::vec(edge, 0..=most.min(count * 3)).prop_map(move |edges| {
            let mut chart = Chart {
                name: "any".into(),
                description: None,
                nodes: vec![],
                edges: vec![],
            };
            for (n, (shape, title, lines)) in nodes.iter().cloned().enumerate() {
                let place = Place::Step(n.to_string());
                chart.nodes.push(Node {
                    place,
                    shape,
                    title,
                    lines,
                    customers: None,
                });
            }
            for (from, on, text, customers) in edges {
                let to = (from + on) % count;
                if chart.edges.iter().all(|edge| (edge.from, edge.to) != (from, to)) {
                    let ways = vec![text.map_or(Way::Next, Way::Signal)];
                    chart.edges.push(Edge {
                        from,
                        to,
                        ways,
                        customers,
                    });
                }
            }
            chart
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn boxes_stand_apart_and_lines_join_them_without_crossing_any(chart in any_chart()) {
        let placed = place(&chart).unwrap();
        prop_assert_eq!(placed.boxes.len(), chart.nodes.len());
        prop_assert_eq!(placed.routes.len(), chart.edges.len());
        for fault in faults(&chart, &placed) {
            prop_assert!(false, "{}", fault);
        }
    }

    #[test]
    fn the_same_chart_is_the_same_bytes(chart in any_chart()) {
        let first = svg(&chart).unwrap();
        prop_assert_eq!(&first, &svg(&chart).unwrap());
        prop_assert_eq!(mermaid(&chart), mermaid(&chart.clone()));
        prop_assert_eq!(dot(&chart), dot(&chart.clone()));
        let drawn = first.matches("class=\"jg-tip\"").count();
        prop_assert_eq!(drawn, chart.edges.len(), "every line is drawn");
    }
}

/// What a reader would stumble over.
fn faults(chart: &Chart, placed: &Placed) -> Vec<String> {
    let mut faults = vec![];
    let boxes: Vec<Rect> = placed.boxes.iter().map(|(rect, _)| *rect).collect();
    let page = |point: Point| (0.0..=placed.width).contains(&point.x) && (0.0..=placed.height).contains(&point.y);
    for (n, rect) in boxes.iter().enumerate() {
        let corners = [(rect.left(), rect.top()), (rect.right(), rect.bottom())];
        if !corners.iter().all(|(x, y)| page(Point { x: *x, y: *y })) {
            faults.push(format!("box {n} leaves the page"));
        }
        for (m, other) in boxes.iter().enumerate().skip(n + 1) {
            if overlap(*rect, *other) {
                faults.push(format!("boxes {n} and {m} overlap"));
            }
        }
    }
    for (l, (edge, route)) in chart.edges.iter().zip(&placed.routes).enumerate() {
        if let Some(label) = route.label
            && let Some(n) = boxes.iter().position(|rect| overlap(*rect, label))
        {
            faults.push(format!("the text of line {l} covers box {n}"));
        }
        for (at, which) in [(route.start, edge.from), (route.end(), edge.to)] {
            if !touches(boxes[which], at) {
                faults.push(format!("line {l} does not touch box {which}"));
            }
        }
        for point in samples(route) {
            if !page(point) {
                faults.push(format!("line {l} leaves the page"));
                break;
            }
            let crossed = (0..boxes.len()).find(|n| *n != edge.from && *n != edge.to && inside(boxes[*n], point));
            if let Some(n) = crossed {
                faults.push(format!("line {l} passes through box {n}"));
                break;
            }
        }
    }
    for (l, route) in placed.routes.iter().enumerate() {
        for (m, other) in placed.routes.iter().enumerate().skip(l + 1) {
            if let (Some(one), Some(two)) = (route.label, other.label)
                && overlap(one, two)
            {
                faults.push(format!("the texts of lines {l} and {m} overlap"));
            }
        }
    }
    faults
}

fn overlap(a: Rect, b: Rect) -> bool {
    let apart = |low: f64, high: f64| low >= high - 0.01;
    !(apart(b.left(), a.right())
        || apart(a.left(), b.right())
        || apart(b.top(), a.bottom())
        || apart(a.top(), b.bottom()))
}

fn inside(rect: Rect, at: Point) -> bool {
    at.x > rect.left() + 0.01 && at.x < rect.right() - 0.01 && at.y > rect.top() + 0.01 && at.y < rect.bottom() - 0.01
}

/// On the rectangle or, for slanted shapes, within it; not away from it.
fn touches(rect: Rect, at: Point) -> bool {
    at.x > rect.left() - 0.1 && at.x < rect.right() + 0.1 && at.y > rect.top() - 0.1 && at.y < rect.bottom() + 0.1
}

/// Points along the line, close enough that no box fits between them.
fn samples(route: &Route) -> Vec<Point> {
    let mut all = vec![route.start];
    let mut from = route.start;
    for piece in &route.pieces {
        let (a, b, end) = match *piece {
            Piece::Straight(end) => (from, end, end),
            Piece::Curve(a, b, end) => (a, b, end),
        };
        for n in 1..=40 {
            let t = f64::from(n) / 40.0;
            let u = 1.0 - t;
            let mix = |p: f64, q: f64, r: f64, s: f64| {
                u * u * u * p + 3.0 * u * u * t * q + 3.0 * u * t * t * r + t * t * t * s
            };
            all.push(Point {
                x: mix(from.x, a.x, b.x, end.x),
                y: mix(from.y, a.y, b.y, end.y),
            });
        }
        from = end;
    }
    all
}
