//! The report with pictures: one HTML file that needs nothing else, no script, no font, no network.

mod calendar;
mod flow;

use super::{
    report::{by_day, estimate, funnel, heading, intake, measures, share, thousands},
    run::Order,
    tally::{JourneyTally, Tally},
};
use crate::{
    engine::Program,
    expression::time::show_instant,
    kpi::{KpiSpec, Measure, Statistic},
    markup::escape,
};
use std::{fmt::Write as _, sync::Arc};

/// The whole page.
pub fn page(tally: &Tally, order: &Order, programs: &[Arc<Program>]) -> String {
    let mut body = String::new();
    let names: Vec<&str> = tally.journeys.keys().map(String::as_str).collect();
    let sent: u64 = tally.messages.values().sum();
    let entered: i64 = tally.journeys.values().map(|journey| journey.count("entered")).sum();
    push(
        &mut body,
        &format!(
            "<header><p class=\"over\">journey simulate</p><h1>{}</h1><p>{}</p></header>",
            escape(&names.join(", ")),
            escape(&heading(tally, order))
        ),
    );
    body.push_str("<section class=\"tiles\">");
    for (label, value) in [
        (
            "customers",
            thousands(i64::try_from(tally.customers).unwrap_or(i64::MAX)),
        ),
        ("entries", thousands(entered)),
        ("messages", thousands(i64::try_from(sent).unwrap_or(i64::MAX))),
        (
            "skipped",
            thousands(
                tally
                    .journeys
                    .values()
                    .flat_map(|journey| journey.reasons("skipped:").into_values())
                    .sum(),
            ),
        ),
    ] {
        push(
            &mut body,
            &format!("<div class=\"tile\"><b>{value}</b><span>{label}</span></div>"),
        );
    }
    body.push_str("</section>");
    for (name, journey) in &tally.journeys {
        let program = programs
            .iter()
            .find(|program| program.journey == *name)
            .map(|program| &**program);
        journey_section(&mut body, name, journey, program);
    }
    let days = by_day(tally, order);
    if !days.is_empty() {
        body.push_str("<section><h2>Messages by day</h2>");
        for (channel, counts) in days {
            calendar::draw(&mut body, &channel, &counts, order.start);
        }
        body.push_str("</section>");
    }
    push(
        &mut body,
        &format!(
            "<footer>Events: {}. Began {}, seed {}: the same seed gives the same figures.</footer>",
            escape(&intake(tally)),
            escape(&show_instant(order.start).unwrap_or_default()),
            order.seed
        ),
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{} · simulation</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(&names.join(", "))
    )
}

fn journey_section(out: &mut String, name: &str, journey: &JourneyTally, program: Option<&Program>) {
    push(out, &format!("<section><h2>{}</h2>", escape(name)));
    out.push_str("<h3>How they went</h3><p class=\"note\">Each line is as wide as the customers who took it; loops run on the left, leaps and ends on the right.</p>");
    flow::draw(out, journey, program);
    out.push_str("<h3>How far they came</h3>");
    bars(out, &funnel(journey, program), journey.count("entered"));
    let kpis = measures(journey, program);
    if !kpis.is_empty() {
        out.push_str("<h3>What it measures</h3><p class=\"note\">The dot is the share among all who entered, the line its 95 % interval; amounts and times have figures only.</p>");
        intervals(out, &kpis);
    }
    for (title, prefix, note) in [
        (
            "What was not sent",
            "skipped:",
            "messages that the policy kept back, by reason",
        ),
        (
            "What failed",
            "failed:",
            "messages that providers did not take, by reason",
        ),
        (
            "What did nothing",
            "event:ignored:",
            "events that changed nothing in this journey, by reason",
        ),
    ] {
        let mut rows: Vec<(String, i64)> = journey
            .reasons(prefix)
            .into_iter()
            .map(|(reason, n)| (reason.to_owned(), n))
            .collect();
        if rows.is_empty() {
            continue;
        }
        rows.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let all = rows.iter().map(|row| row.1).sum();
        push(out, &format!("<h3>{title}</h3><p class=\"note\">{note}</p>"));
        bars(out, &rows, all);
    }
    out.push_str("</section>");
}

/// Rows with a bar each; the share is of `whole`.
fn bars(out: &mut String, rows: &[(String, i64)], whole: i64) {
    const ROW: usize = 26;
    let most = rows.iter().map(|row| row.1).max().unwrap_or_default().max(1);
    let height = rows.len() * ROW + 4;
    push(
        out,
        &format!("<svg class=\"bars\" viewBox=\"0 0 960 {height}\" role=\"img\">"),
    );
    for (n, (label, count)) in rows.iter().enumerate() {
        let y = n * ROW + 2;
        let width = (*count as f64 / most as f64 * 480.0).max(if *count > 0 { 2.0 } else { 0.0 });
        let class = if label.starts_with("ended") || label == "still in" {
            "bar end"
        } else {
            "bar"
        };
        push(
            out,
            &format!(
                "<text x=\"250\" y=\"{}\" class=\"label\" text-anchor=\"end\">{}</text><rect class=\"track\" x=\"264\" y=\"{y}\" width=\"480\" height=\"18\" rx=\"4\"/><rect class=\"{class}\" x=\"264\" y=\"{y}\" width=\"{width:.1}\" height=\"18\" rx=\"4\"/><text x=\"756\" y=\"{}\" class=\"number\">{}</text><text x=\"950\" y=\"{}\" class=\"faint\" text-anchor=\"end\">{}</text>",
                y + 14,
                escape(&cut(label, 32)),
                y + 14,
                thousands(*count),
                y + 14,
                share(*count, whole)
            ),
        );
    }
    out.push_str("</svg>");
}

/// Values between their intervals' ends, on one scale.
fn intervals(out: &mut String, kpis: &[(&KpiSpec, Measure)]) {
    const ROW: usize = 34;
    let top = kpis
        .iter()
        .filter(|(spec, _)| spec.statistic == Statistic::Rate)
        .filter_map(|(_, measure)| measure.high)
        .fold(0.0_f64, f64::max);
    let scale = [0.01, 0.02, 0.04, 0.08, 0.2, 0.4, 0.8, 1.0]
        .into_iter()
        .find(|scale| *scale >= top)
        .unwrap_or(1.0);
    let height = kpis.len() * ROW + 26;
    push(
        out,
        &format!("<svg class=\"bars\" viewBox=\"0 0 960 {height}\" role=\"img\">"),
    );
    let x = |fraction: f64| 264.0 + fraction / scale * 480.0;
    for tick in 0..=4 {
        let fraction = scale * f64::from(tick) / 4.0;
        push(
            out,
            &format!(
                "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{1}\"/><text class=\"faint\" x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>",
                x(fraction),
                height - 20,
                height - 4,
                crate::kpi::percent(fraction)
            ),
        );
    }
    for (n, (spec, measure)) in kpis.iter().enumerate() {
        let y = n * ROW + 16;
        push(
            out,
            &format!(
                "<text x=\"250\" y=\"{}\" class=\"label\" text-anchor=\"end\">{}</text>",
                y + 4,
                escape(&cut(&spec.name, 32))
            ),
        );
        // Amounts and times share no scale with shares.
        if spec.statistic == Statistic::Rate
            && let (Some(value), Some(low), Some(high)) = (measure.value, measure.low, measure.high)
        {
            push(
                out,
                &format!(
                    "<line class=\"range\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y}\" y2=\"{y}\"/><circle class=\"dot\" cx=\"{:.1}\" cy=\"{y}\" r=\"6\"/>",
                    x(low),
                    x(high),
                    x(value)
                ),
            );
        }
        push(
            out,
            &format!(
                "<text x=\"950\" y=\"{}\" class=\"number\" text-anchor=\"end\">{}</text>",
                y + 4,
                escape(&estimate(spec, measure))
            ),
        );
    }
    out.push_str("</svg>");
}

fn push(out: &mut String, text: &str) {
    // A String takes everything.
    let _taken = out.write_str(text);
    out.push('\n');
}

/// Not longer than `most` characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let head: String = text.chars().take(most - 1).collect();
    format!("{head}…")
}

const STYLE: &str = "
:root{color-scheme:light dark;--paper:#fbfaf7;--card:#fff;--ink:#1d2433;--faint:#6b7486;--line:#e4e2db;--main:#2f6fde;--soft:#dbe7fb;--end:#1f9d78;--warm:#d9822b}
@media (prefers-color-scheme:dark){:root{--paper:#12151c;--card:#1a1f29;--ink:#e8ebf2;--faint:#96a0b3;--line:#2b3240;--main:#6d9df2;--soft:#24334f;--end:#4cc39c;--warm:#e9a35a}}
*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
main{max-width:1060px;margin:0 auto;padding:40px 24px 64px}header{margin-bottom:28px}.over{margin:0;color:var(--main);font-weight:600;letter-spacing:.08em;text-transform:uppercase;font-size:12px}
h1{margin:4px 0 2px;font-size:32px;line-height:1.2;letter-spacing:-.02em}header p{margin:4px 0;color:var(--faint)}h2{margin:0 0 4px;font-size:22px;letter-spacing:-.01em}h3{margin:32px 0 4px;font-size:16px}.note{margin:0 0 12px;color:var(--faint);font-size:13px}
section{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:26px 28px;margin:0 0 22px}.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:14px;padding:0;border:0;background:none}
.tile{background:var(--card);border:1px solid var(--line);border-radius:14px;padding:16px 20px}.tile b{display:block;font-size:26px;letter-spacing:-.02em;font-variant-numeric:tabular-nums}.tile span{color:var(--faint);font-size:13px}
svg{display:block;width:100%;height:auto;font:13px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}svg text{fill:var(--ink)}svg .faint{fill:var(--faint);font-size:12px}svg .number{font-variant-numeric:tabular-nums}
.track{fill:var(--line);opacity:.45}.bar{fill:var(--main)}.bar.end{fill:var(--end)}.grid{stroke:var(--line)}.range{stroke:var(--main);stroke-width:4;stroke-linecap:round;opacity:.45}.dot{fill:var(--main);stroke:var(--card);stroke-width:2}
.node{fill:var(--card);stroke:var(--line);stroke-width:1.5}.node.send{stroke:var(--main)}.fill{fill:var(--soft)}.pill{fill:var(--end);opacity:.16}.pill.still{fill:var(--warm)}.edge{fill:none;stroke:var(--main);stroke-linecap:butt;opacity:.34}.edge.back{stroke:var(--warm)}.edge.out{stroke:var(--end);opacity:.26}.edge:hover{opacity:.85}
.cell{stroke:var(--card);stroke-width:2}.cell.none{fill:var(--line);opacity:.5}.cell.some{fill:var(--main)}footer{color:var(--faint);font-size:13px;padding:0 4px}
@media print{section{break-inside:avoid}}
";
