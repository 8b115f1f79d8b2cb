//! The calendar: a square a day, weeks side by side, the darker the more was sent.

use super::{push, thousands};
use crate::{
    clock::{DAY, Micros},
    markup::escape,
    simulate::population::report::date,
};

const CELL: usize = 15;
/// Weeks in one row of the page.
const WEEKS: usize = 58;

pub fn draw(out: &mut String, channel: &str, counts: &[u64], start: Micros) {
    let first = start.div_euclid(DAY);
    // 1970-01-01 was a Thursday: Monday is 0.
    let weekday = |day: i64| usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
    let before = weekday(first);
    let most = counts.iter().max().copied().unwrap_or_default().max(1);
    let all: u64 = counts.iter().sum();
    let number = |n: u64| thousands(i64::try_from(n).unwrap_or(i64::MAX));
    push(
        out,
        &format!(
            "<h3>{}</h3><p class=\"note\">{} messages, {} on the busiest day</p>",
            escape(channel),
            number(all),
            number(most)
        ),
    );
    let weeks = (before + counts.len()).div_ceil(7);
    let bands = weeks.div_ceil(WEEKS);
    let band_height = 7 * CELL + 34;
    push(
        out,
        &format!(
            "<svg class=\"calendar\" viewBox=\"0 0 960 {}\" role=\"img\">",
            bands * band_height
        ),
    );
    let mut month = String::new();
    for (n, count) in counts.iter().enumerate() {
        let day = first + i64::try_from(n).unwrap_or_default();
        let (week, row) = ((before + n) / 7, weekday(day));
        let (x, top) = (44 + (week % WEEKS) * CELL, (week / WEEKS) * band_height + 20);
        let date = date(day);
        if date.get(..7) != Some(month.as_str()) {
            month = date.get(..7).unwrap_or_default().to_owned();
            push(
                out,
                &format!(
                    "<text class=\"faint\" x=\"{x}\" y=\"{}\">{}</text>",
                    top - 6,
                    month_name(&month)
                ),
            );
        }
        let title = format!("<title>{date}: {}</title>", number(*count));
        let place = format!(
            "x=\"{x}\" y=\"{}\" width=\"{CELL}\" height=\"{CELL}\" rx=\"4\"",
            top + row * CELL
        );
        if *count == 0 {
            push(out, &format!("<rect class=\"cell none\" {place}>{title}</rect>"));
        } else {
            let shade = (*count as f64 / most as f64).sqrt().mul_add(0.85, 0.15);
            push(
                out,
                &format!("<rect class=\"cell some\" fill-opacity=\"{shade:.2}\" {place}>{title}</rect>"),
            );
        }
    }
    for band in 0..bands {
        for (row, name) in [(0, "Mon"), (2, "Wed"), (4, "Fri"), (6, "Sun")] {
            push(
                out,
                &format!(
                    "<text class=\"faint\" x=\"8\" y=\"{}\">{name}</text>",
                    band * band_height + 20 + row * CELL + 12
                ),
            );
        }
    }
    out.push_str("</svg>");
}

/// `Jan`, and with its year in January.
fn month_name(month: &str) -> String {
    let names = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (year, number) = month.split_once('-').unwrap_or((month, "1"));
    match number.parse::<usize>().unwrap_or(1) {
        1 => format!("Jan {year}"),
        n => names[(n - 1).min(11)].to_owned(),
    }
}
