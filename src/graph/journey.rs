//! How a journey becomes boxes and lines.

use super::chart::{Chart, Edge, Node, Place, Shape, Way};
use crate::api::{
    journey::{Entry, ExitRule, JourneySpec, Pace},
    opaque::Scalars,
    signal::Signal,
    step::{Arm, Branch, Case, During, Exit, Outcome, Send, Split, Step, Until, Wait},
    touchpoint::TouchpointSpec,
};
use std::collections::BTreeMap;

/// The chart of a journey. `touchpoints` tell the channels; one that is missing there is drawn by its name alone. What names a step that does
/// not exist leads nowhere and is left out.
pub fn chart(name: &str, spec: &JourneySpec, touchpoints: &BTreeMap<String, TouchpointSpec>) -> Chart {
    let mut drawing = Drawing {
        touchpoints,
        steps: &spec.steps,
        chart: Chart {
            name: name.to_owned(),
            description: spec.description.as_ref().map(ToString::to_string),
            nodes: vec![],
            edges: vec![],
        },
    };
    drawing.entrances(&spec.entry);
    for step in &spec.steps {
        drawing.step_box(step);
    }
    drawing.ways_in();
    for (n, step) in spec.steps.iter().enumerate() {
        drawing.ways_on(n, step);
    }
    drawing.exits(&spec.exits);
    drawing.chart
}

struct Drawing<'a> {
    touchpoints: &'a BTreeMap<String, TouchpointSpec>,
    steps: &'a [Step],
    chart: Chart,
}

impl Drawing<'_> {
    fn entrances(&mut self, entry: &Entry) {
        let Entry {
            triggers,
            key: _,
            reentry: _,
            pace,
        } = entry;
        for (n, signal) in triggers.iter().enumerate() {
            let (title, mut lines) = self.signal_lines(signal);
            lines.extend(signal.event.as_ref().and_then(|event| self.channel_of(event.as_str())));
            lines.extend(
                pace.as_ref()
                    .map(|Pace { at_most, per }| format!("{at_most} per {per}")),
            );
            self.node(Place::Entry(n), Shape::Entry, title, lines);
        }
    }

    fn ways_in(&mut self) {
        let entrances: Vec<Place> = self.chart.nodes.iter().map(|node| node.place.clone()).collect();
        for place in entrances.into_iter().filter(|place| matches!(place, Place::Entry(_))) {
            self.lead(place, self.step_at(0), Way::Next);
        }
    }

    fn step_box(&mut self, step: &Step) {
        let (shape, lines) = match Action::of(step) {
            Action::Wait(wait) => (Shape::Wait, wait_lines(wait)),
            Action::Send(send) => {
                let touchpoints = send.touchpoints();
                let lines = touchpoints.map(|touchpoint| self.with_channel(touchpoint.as_str()));
                (Shape::Send, lines.collect())
            }
            Action::Split(Split { arms: _ }) => (Shape::Branch, vec![]),
            Action::Branch(Branch { cases: _, otherwise: _ }) => (Shape::Branch, vec![]),
            Action::Set(values) => (Shape::Set, assignments(values)),
            Action::Exit(Exit { outcome }) => (Shape::Exit(*outcome), vec![format!("{outcome:?}")]),
            Action::Nothing => (Shape::Set, vec![]),
        };
        self.node(Place::Step(step.name.to_string()), shape, step.name.to_string(), lines);
    }

    fn ways_on(&mut self, n: usize, step: &Step) {
        let here = Place::Step(step.name.to_string());
        let next = match &step.next {
            Some(next) => Place::Step(next.to_string()),
            None => self.step_at(n + 1),
        };
        match Action::of(step) {
            Action::Wait(wait) => {
                let Wait {
                    for_,
                    at,
                    during: _,
                    until,
                } = wait;
                for Until { signal, next } in until.iter().flatten() {
                    let (event, lines) = self.signal_lines(signal);
                    let text = [vec![event], lines].concat().join(" ");
                    self.lead(here.clone(), Place::Step(next.to_string()), Way::Signal(text));
                }
                let over = for_.as_ref().map(|span| format!("after {span}"));
                match (over.or(at.as_ref().map(|at| format!("at {at}"))), until) {
                    (Some(over), Some(_)) => self.lead(here, next, Way::TimeUp(over)),
                    (Some(_), None) => self.lead(here, next, Way::Next),
                    // Without an end of its own it is left by signals only.
                    (None, _) => {}
                }
            }
            Action::Send(Send {
                touchpoint: _,
                one_of: _,
                with: _,
                otherwise,
            }) => match otherwise {
                Some(otherwise) => {
                    self.lead(here.clone(), next, Way::Sent);
                    self.lead(here, Place::Step(otherwise.to_string()), Way::NotSent);
                }
                None => self.lead(here, next, Way::Next),
            },
            Action::Split(Split { arms }) => {
                for Arm { name, weight, next } in arms {
                    let share = format!("{weight}% {name}");
                    self.lead(here.clone(), Place::Step(next.to_string()), Way::Signal(share));
                }
            }
            Action::Branch(Branch { cases, otherwise }) => {
                for Case { when, next } in cases {
                    self.lead(here.clone(), Place::Step(next.to_string()), Way::Case(when.to_string()));
                }
                self.lead(here, Place::Step(otherwise.to_string()), Way::Otherwise);
            }
            Action::Set(_) | Action::Nothing => self.lead(here, next, Way::Next),
            Action::Exit(Exit { outcome: _ }) => {}
        }
    }

    fn exits(&mut self, exits: &[ExitRule]) {
        if exits.is_empty() {
            return;
        }
        self.node(Place::Anywhere, Shape::Anywhere, "wherever they stand".into(), vec![]);
        for ExitRule { name, signal, outcome } in exits {
            let (event, lines) = self.signal_lines(signal);
            let text = [vec![event], lines].concat().join(" ");
            let place = Place::Exit(name.to_string());
            let shown = vec![format!("{outcome:?}")];
            self.node(place.clone(), Shape::Exit(*outcome), name.to_string(), shown);
            self.lead(Place::Anywhere, place, Way::Signal(text));
        }
    }

    fn node(&mut self, place: Place, shape: Shape, title: String, lines: Vec<String>) {
        self.chart.nodes.push(Node {
            place,
            shape,
            title,
            lines,
            customers: None,
        });
    }

    /// A line, or one more reason on the line that is there.
    fn lead(&mut self, from: Place, to: Place, way: Way) {
        if to == Place::End && !self.chart.nodes.iter().any(|node| node.place == Place::End) {
            let shape = Shape::Exit(Outcome::Completed);
            self.node(Place::End, shape, "end of the list".into(), vec!["Completed".into()]);
        }
        let at = |place: &Place| self.chart.nodes.iter().position(|node| node.place == *place);
        let (Some(from), Some(to)) = (at(&from), at(&to)) else {
            return;
        };
        match self
            .chart
            .edges
            .iter_mut()
            .find(|edge| (edge.from, edge.to) == (from, to))
        {
            // The same step whatever became of the message: that needs no words.
            Some(edge) if way == Way::NotSent && edge.ways == [Way::Sent] => edge.ways = vec![Way::Next],
            Some(edge) => edge.ways.push(way),
            None => self.chart.edges.push(Edge {
                from,
                to,
                ways: vec![way],
                customers: None,
            }),
        }
    }

    fn step_at(&self, n: usize) -> Place {
        self.steps
            .get(n)
            .map_or(Place::End, |step| Place::Step(step.name.to_string()))
    }

    /// What is noticed, and under which conditions.
    fn signal_lines(&self, signal: &Signal) -> (String, Vec<String>) {
        let Signal { event, when, times } = signal;
        let mut said: Vec<String> = event.iter().map(ToString::to_string).collect();
        said.extend(when.iter().map(|when| format!("when {when}")));
        said.extend(times.filter(|times| *times > 1).map(|times| format!("({times} times)")));
        // A condition alone is its own title.
        let lines = said.split_off(said.len().min(1));
        (said.pop().unwrap_or_default(), lines)
    }

    fn channel_of(&self, event: &str) -> Option<String> {
        let name = event.split('/').next().unwrap_or_default();
        Some(format!("by {}", self.touchpoints.get(name)?.channel))
    }

    /// `reminder (Email)`.
    fn with_channel(&self, touchpoint: &str) -> String {
        match self.touchpoints.get(touchpoint) {
            Some(spec) => format!("{touchpoint} ({})", spec.channel),
            None => touchpoint.to_owned(),
        }
    }
}

/// What a step does. The manifest has a field for each kind, of which one is set.
enum Action<'a> {
    Wait(&'a Wait),
    Send(&'a Send),
    Split(&'a Split),
    Branch(&'a Branch),
    Set(&'a Scalars),
    Exit(&'a Exit),
    /// A step without an action, which the API server refuses.
    Nothing,
}

impl Action<'_> {
    fn of(step: &Step) -> Action<'_> {
        let Step {
            name: _,
            wait,
            send,
            split,
            branch,
            set,
            exit,
            next: _,
        } = step;
        None.or(wait.as_ref().map(Action::Wait))
            .or(send.as_ref().map(Action::Send))
            .or(split.as_ref().map(Action::Split))
            .or(branch.as_ref().map(Action::Branch))
            .or(set.as_ref().map(Action::Set))
            .or(exit.as_ref().map(Action::Exit))
            .unwrap_or(Action::Nothing)
    }
}

/// Until when, and in which windows.
fn wait_lines(wait: &Wait) -> Vec<String> {
    let Wait {
        for_,
        at,
        during,
        until: _,
    } = wait;
    let mut lines: Vec<String> = for_.iter().map(|span| format!("for {span}")).collect();
    lines.extend(at.as_ref().map(|at| format!("until {at}")));
    if let Some(During { days, from, to, zone }) = during {
        let days: Vec<String> = days.iter().flatten().map(|day| format!("{day:?}")).collect();
        let hours = from.iter().zip(to).map(|(from, to)| format!("{from} to {to}"));
        let said: Vec<String> = (!days.is_empty())
            .then(|| days.join(" "))
            .into_iter()
            .chain(hours)
            .collect();
        lines.push(format!("counting {} ({zone})", said.join(", ")));
    }
    lines
}

fn assignments(values: &Scalars) -> Vec<String> {
    let shown = |value: &serde_json::Value| match value {
        // A lone ${CEL} is that expression.
        serde_json::Value::String(text) => match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
            Some(inner) if !inner.contains("${") => inner.trim().to_owned(),
            Some(_) | None => text.clone(),
        },
        other => other.to_string(),
    };
    values
        .iter()
        .map(|(name, value)| format!("{name} = {}", shown(&value.0)))
        .collect()
}
