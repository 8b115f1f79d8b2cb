//! What each function does with its values. Which functions there are, and what their arguments may be, `check::functions` says.

use super::time::{self, Part, TimeOfDay, Weekdays};
use super::tree::{Fault, Machine, Node, Out, append};
use super::value::Val;
use crate::clock::DAY;
use jiff::tz::TimeZone;
use std::{borrow::Cow, sync::LazyLock};
use vader_parity::SentimentIntensityAnalyzer;

/// A function, with what the checker has already read from its literal arguments.
#[derive(Debug)]
pub enum Function {
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Lower,
    Upper,
    Trim,
    Matches(Pattern),
    ToInt,
    ToNumber,
    ToText,
    ToInstant,
    Days,
    DaysBetween,
    NextTime(TimeOfDay, Weekdays),
    Sentiment,
    Part(Part, TimeZone),
    /// Whole hours, minutes, seconds of a duration: the unit in microseconds.
    Whole(i64),
    /// Any scalars into one text: `${...}` inside a literal.
    Join,
}

/// A regular expression and what it costs to run it.
#[derive(Debug)]
pub struct Pattern {
    regex: Box<regex::Regex>,
    /// Bytes of automaton that suffice for it, rounded up to a power of four: how much work one byte of text may be at worst.
    memory: usize,
}

impl Pattern {
    /// Time is linear in the text and in the automaton; both are bounded here.
    ///
    /// # Errors
    /// Why the pattern is refused, in one line.
    pub fn new(pattern: &str) -> Result<Pattern, String> {
        if pattern.len() > super::limits::PATTERN {
            return Err("it is too long".into());
        }
        let mut memory = LEAST_MEMORY;
        loop {
            let built = regex::RegexBuilder::new(pattern)
                .size_limit(memory)
                .dfa_size_limit(super::limits::PATTERN_MEMORY)
                .nest_limit(16)
                .build();
            match built {
                Ok(regex) => {
                    return Ok(Pattern {
                        regex: Box::new(regex),
                        memory,
                    });
                }
                Err(regex::Error::CompiledTooBig(_)) if memory < super::limits::PATTERN_MEMORY => memory *= 4,
                Err(regex::Error::CompiledTooBig(_)) => return Err("it needs too much memory".into()),
                Err(why) => {
                    let why = why.to_string();
                    let line = why.lines().last().unwrap_or_default();
                    return Err(line.strip_prefix("error: ").unwrap_or(line).to_owned());
                }
            }
        }
    }

    fn cost(&self, text: &str) -> usize {
        text.len().saturating_mul(self.memory) / MEMORY_FOR_ONE_STEP
    }
}

const LEAST_MEMORY: usize = 4 * 1024;
/// An automaton of this size costs one step for a byte of text, so that the largest may still read 20,000 bytes. On the worst pattern
/// found, all the fuel of an evaluation lasts a quarter of a second in an unoptimized build; ordinary patterns take nanoseconds a byte.
const MEMORY_FOR_ONE_STEP: usize = 256 * 1024;

/// The word list is read once, when it is first asked.
static SENTIMENT: LazyLock<SentimentIntensityAnalyzer> = LazyLock::new(SentimentIntensityAnalyzer::new);
/// On the worst text found (emoji only) all the fuel of an evaluation lasts a fifth of a second in an unoptimized build.
const BYTES_OF_SENTIMENT_FOR_ONE_STEP: usize = 2;

pub fn call<'a>(function: &'a Function, args: &'a [Node], m: &mut Machine<'a>) -> Out<'a> {
    Ok(match function {
        Function::Size => match value(args, 0, m)? {
            Val::Text(text) => {
                m.spend(text.len() / 64)?;
                Val::Int(text.chars().count() as i64)
            }
            Val::List(items) => Val::Int(items.len() as i64),
            _ => return Err(Fault::Contradiction),
        },
        Function::StartsWith => Val::Bool(text(args, 0, m)?.starts_with(&*text(args, 1, m)?)),
        Function::EndsWith => Val::Bool(text(args, 0, m)?.ends_with(&*text(args, 1, m)?)),
        Function::Contains => Val::Bool(text(args, 0, m)?.contains(&*text(args, 1, m)?)),
        Function::Lower => Val::Text(text(args, 0, m)?.to_ascii_lowercase().into()),
        Function::Upper => Val::Text(text(args, 0, m)?.to_ascii_uppercase().into()),
        Function::Trim => Val::Text(text(args, 0, m)?.trim().to_owned().into()),
        Function::Matches(pattern) => {
            let text = text(args, 0, m)?;
            m.spend(pattern.cost(&text))?;
            Val::Bool(pattern.regex.is_match(&text))
        }
        Function::ToInt => match value(args, 0, m)? {
            Val::Int(n) => Val::Int(n),
            Val::Number(n) if n.abs() < 9.2e18 => Val::Int(n as i64),
            Val::Number(_) => return Err(Fault::Overflow),
            Val::Text(text) => Val::Int(text.parse().map_err(|_| Fault::NotANumber)?),
            _ => return Err(Fault::Contradiction),
        },
        Function::ToNumber => match value(args, 0, m)? {
            Val::Int(n) => Val::Number(n as f64),
            Val::Number(n) => Val::Number(n),
            Val::Text(text) => {
                m.spend(text.len() / 64)?;
                let number = text.parse().ok().filter(|n: &f64| n.is_finite());
                Val::Number(number.ok_or(Fault::NotANumber)?)
            }
            _ => return Err(Fault::Contradiction),
        },
        Function::ToText => match value(args, 0, m)? {
            Val::Text(text) => Val::Text(text),
            other => Val::Text(other.show()?.into()),
        },
        Function::ToInstant => Val::Instant(time::instant(&text(args, 0, m)?).ok_or(Fault::NotATime)?),
        Function::Days => Val::Duration(whole(args, 0, m)?.checked_mul(DAY).ok_or(Fault::Overflow)?),
        Function::DaysBetween => {
            let (from, to) = (whole(args, 0, m)?, whole(args, 1, m)?);
            Val::Int(time::days_between(from, to, &m.record.zone).ok_or(Fault::NotATime)?)
        }
        Function::NextTime(at, days) => {
            let next = time::next_time(m.record.now, &m.record.zone, *at, *days);
            Val::Instant(next.ok_or(Fault::NotATime)?)
        }
        Function::Sentiment => {
            let text = text(args, 0, m)?;
            m.spend(text.len() / BYTES_OF_SENTIMENT_FOR_ONE_STEP)?;
            Val::Number(SENTIMENT.polarity_scores(&text).compound)
        }
        Function::Part(part, zone) => Val::Int(time::part(whole(args, 0, m)?, zone, *part).ok_or(Fault::NotATime)?),
        Function::Whole(unit) => Val::Int(whole(args, 0, m)?.checked_div(*unit).ok_or(Fault::Contradiction)?),
        Function::Join => {
            let mut out = String::new();
            for arg in args {
                match arg.eval(m)? {
                    Val::Text(part) => append(&mut out, &part, m)?,
                    other => append(&mut out, &other.show()?, m)?,
                }
            }
            Val::Text(out.into())
        }
    })
}

fn value<'a>(args: &'a [Node], at: usize, m: &mut Machine<'a>) -> Out<'a> {
    args.get(at).ok_or(Fault::Contradiction)?.eval(m)
}

fn text<'a>(args: &'a [Node], at: usize, m: &mut Machine<'a>) -> Result<Cow<'a, str>, Fault> {
    args.get(at).ok_or(Fault::Contradiction)?.text(m)
}

/// An integer, or the microseconds of an instant or a duration.
fn whole<'a>(args: &'a [Node], at: usize, m: &mut Machine<'a>) -> Result<i64, Fault> {
    match value(args, at, m)? {
        Val::Int(n) | Val::Instant(n) | Val::Duration(n) => Ok(n),
        _ => Err(Fault::Contradiction),
    }
}
