//! The graph with flows: steps down the middle in the order of the list, each line as wide as those who took it. Steps to the next one run
//! straight, leaps bow out on the right, loops on the left, ends stand in a column of their own.

use super::{cut, push, thousands};
use crate::{
    engine::{Program, program::StepAction},
    markup::escape,
    simulate::population::{
        behaviour,
        report::place,
        tally::{ENTRY, JourneyTally, STILL},
    },
};
use std::collections::BTreeMap;

const ROW: f64 = 62.0;
const LEFT: f64 = 210.0;
const WIDE: f64 = 300.0;
const HIGH: f64 = 36.0;
const ENDS: f64 = 760.0;
const WIDEST: f64 = 22.0;

pub fn draw(out: &mut String, journey: &JourneyTally, program: Option<&Program>) {
    let mut names: Vec<String> = vec![ENTRY.to_owned()];
    names.extend(program.into_iter().flat_map(behaviour::steps).map(str::to_owned));
    let arrivals = journey.counts_of("step:");
    names.extend(
        arrivals
            .keys()
            .filter(|name| !names.iter().any(|known| known == *name))
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    );
    let rows: BTreeMap<&str, usize> = names.iter().enumerate().map(|(n, name)| (name.as_str(), n)).collect();
    let most = journey.flows.values().max().copied().unwrap_or_default().max(1) as f64;
    let width = |n: u64| (n as f64 / most).sqrt().mul_add(WIDEST - 1.5, 1.5);
    let middle = |row: usize| row as f64 * ROW + 30.0;
    let height = names.len() as f64 * ROW + 10.0;
    push(
        out,
        &format!("<svg class=\"flow\" viewBox=\"0 0 960 {height:.0}\" role=\"img\">"),
    );

    let ends = ends(journey, &rows, height);
    for ((from, to), n) in &journey.flows {
        let Some(start) = rows.get(from.as_str()).copied() else {
            continue;
        };
        let (path, class) = match (rows.get(to.as_str()).copied(), ends.get(to.as_str())) {
            (Some(end), _) if end == start + 1 => {
                let x = LEFT + WIDE / 2.0;
                (
                    format!(
                        "M{x:.1} {:.1}L{x:.1} {:.1}",
                        middle(start) + HIGH / 2.0,
                        middle(end) - HIGH / 2.0
                    ),
                    "edge",
                )
            }
            (Some(end), _) if end > start => {
                let bow = (36.0 + 13.0 * (end - start) as f64).min(170.0);
                let x = LEFT + WIDE;
                let (a, b) = (middle(start) + 8.0, middle(end) - 8.0);
                (
                    format!("M{x:.1} {a:.1}C{0:.1} {a:.1} {0:.1} {b:.1} {x:.1} {b:.1}", x + bow),
                    "edge",
                )
            }
            (Some(end), _) => {
                let bow = (48.0 + 13.0 * (start - end) as f64).min(190.0);
                let (a, b) = (middle(start) + 7.0, middle(end) - 7.0);
                (
                    format!(
                        "M{LEFT:.1} {a:.1}C{0:.1} {1:.1} {0:.1} {2:.1} {LEFT:.1} {b:.1}",
                        LEFT - bow,
                        a + 4.0,
                        b - 4.0
                    ),
                    "edge back",
                )
            }
            (None, Some(y)) => {
                let (x, a) = (LEFT + WIDE, middle(start));
                (
                    format!(
                        "M{x:.1} {a:.1}C{:.1} {a:.1} {:.1} {y:.1} {ENDS:.1} {y:.1}",
                        x + 130.0,
                        ENDS - 130.0
                    ),
                    "edge out",
                )
            }
            (None, None) => continue,
        };
        let title = format!(
            "{} to {}: {}",
            place(from),
            place(to),
            thousands(i64::try_from(*n).unwrap_or(i64::MAX))
        );
        push(
            out,
            &format!(
                "<path class=\"{class}\" d=\"{path}\" stroke-width=\"{:.1}\"><title>{}</title></path>",
                width(*n),
                escape(&title)
            ),
        );
    }
    for (row, name) in names.iter().enumerate() {
        let n = if name == ENTRY {
            journey.count("entered")
        } else {
            arrivals.get(name.as_str()).copied().unwrap_or_default()
        };
        node(out, name, n, journey.count("entered").max(1), middle(row), program);
    }
    for (name, y) in &ends {
        let n: u64 = journey
            .flows
            .iter()
            .filter(|((_, to), _)| to == name)
            .map(|(_, n)| n)
            .sum();
        let class = if *name == STILL { "pill still" } else { "pill" };
        push(
            out,
            &format!(
                "<rect class=\"{class}\" x=\"{ENDS:.1}\" y=\"{:.1}\" width=\"192\" height=\"38\" rx=\"19\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text><text class=\"number\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                y - 19.0,
                ENDS + 16.0,
                y + 5.0,
                escape(place(name)),
                ENDS + 178.0,
                y + 5.0,
                thousands(i64::try_from(n).unwrap_or(i64::MAX))
            ),
        );
    }
    out.push_str("</svg>");
}

fn node(out: &mut String, name: &str, n: i64, entered: i64, y: f64, program: Option<&Program>) {
    let top = y - HIGH / 2.0;
    let sends = program
        .and_then(|program| program.step(name))
        .is_some_and(|step| matches!(step.action, StepAction::Send { .. }));
    let class = if sends { "node send" } else { "node" };
    let filled = (n as f64 / entered as f64).clamp(0.0, 1.0) * (WIDE - 4.0);
    let mark = if sends { "✉ " } else { "" };
    push(
        out,
        &format!(
            "<g><title>{}: {}</title><rect class=\"{class}\" x=\"{LEFT}\" y=\"{top:.1}\" width=\"{WIDE}\" height=\"{HIGH}\" rx=\"9\"/><rect class=\"fill\" x=\"{}\" y=\"{:.1}\" width=\"{filled:.1}\" height=\"{}\" rx=\"7\"/><text x=\"{}\" y=\"{:.1}\">{mark}{}</text><text class=\"number\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text></g>",
            escape(name),
            thousands(n),
            LEFT + 2.0,
            top + 2.0,
            HIGH - 4.0,
            LEFT + 14.0,
            y + 5.0,
            escape(&cut(place(name), 26)),
            LEFT + WIDE - 14.0,
            y + 5.0,
            thousands(n)
        ),
    );
}

/// The ends with their heights: near where most come from, and none upon another.
fn ends<'j>(journey: &'j JourneyTally, rows: &BTreeMap<&str, usize>, height: f64) -> BTreeMap<&'j str, f64> {
    let mut wanted: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for ((from, to), n) in &journey.flows {
        if rows.contains_key(to.as_str()) {
            continue;
        }
        let row = rows.get(from.as_str()).copied().unwrap_or_default() as f64;
        let sums = wanted.entry(to).or_default();
        sums.0 += row * *n as f64;
        sums.1 += *n as f64;
    }
    let mut order: Vec<(f64, &str)> = wanted
        .into_iter()
        .map(|(name, (sum, n))| (sum / n.max(1.0) * ROW + 30.0, name))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    let room = height - 24.0 - 46.0 * order.len() as f64;
    let mut last = -30.0_f64;
    let mut placed = BTreeMap::new();
    for (n, (y, name)) in order.iter().enumerate() {
        let y = y.min(room + 46.0 * (n as f64 + 1.0)).max(last + 46.0).max(24.0);
        placed.insert(*name, y);
        last = y;
    }
    placed
}
