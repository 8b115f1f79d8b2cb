//! What is drawn: boxes and the ways between them, whatever the format.

use crate::api::step::Outcome;

/// A journey as boxes and lines. Boxes stand in the order of the manifest; between two boxes there is one line at most.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// Name of the journey.
    pub name: String,
    pub description: Option<String>,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

/// What a box stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// One of the entry's triggers, from 0.
    Entry(usize),
    /// A step, by its name.
    Step(String),
    /// Behind the last step: Completed.
    End,
    /// Wherever a customer stands: from here lead the exits.
    Anywhere,
    /// One of the exits, by its name.
    Exit(String),
}

/// How a box looks: the kind of what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    Entry,
    Wait,
    Send,
    Branch,
    Set,
    Exit(Outcome),
    Anywhere,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub shape: Shape,
    /// Its name; always shown whole.
    pub title: String,
    /// What it does, a line each; long ones are shortened.
    pub lines: Vec<String>,
    /// How many customers came here.
    pub customers: Option<u64>,
}

/// The line from one box to another, with each way that takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edge {
    /// Index into the nodes.
    pub from: usize,
    pub to: usize,
    pub ways: Vec<Way>,
    /// How many customers went this way; the line is as thick as its share of the most.
    pub customers: Option<u64>,
}

/// Why a customer goes along a line. Texts are whole; what draws them shortens them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// What follows in any case.
    Next,
    /// The time of a wait is over.
    TimeUp(String),
    /// A signal that ends a wait, or the journey.
    Signal(String),
    /// A condition that holds.
    Case(String),
    /// No case held.
    Otherwise,
    /// The message went out.
    Sent,
    /// The message was skipped or failed.
    NotSent,
}

impl Chart {
    /// Writes beside a box how many customers came there. An unknown place changes nothing.
    pub fn set_customers(&mut self, at: &Place, customers: u64) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.place == *at) {
            node.customers = Some(customers);
        }
    }

    /// Draws how many customers went from one box to another. False: no line joins them.
    pub fn set_flow(&mut self, from: &Place, to: &Place, customers: u64) -> bool {
        let at = |place: &Place| self.nodes.iter().position(|node| node.place == *place);
        let (Some(from), Some(to)) = (at(from), at(to)) else {
            return false;
        };
        let edge = self.edges.iter_mut().find(|edge| (edge.from, edge.to) == (from, to));
        edge.map(|edge| edge.customers = Some(customers)).is_some()
    }

    /// The most customers on one line; 0: no line has a number.
    pub(super) fn busiest(&self) -> u64 {
        self.edges.iter().filter_map(|edge| edge.customers).max().unwrap_or(0)
    }
}

impl Shape {
    /// The word above the name.
    pub(super) fn caption(self) -> &'static str {
        match self {
            Shape::Entry => "enters by",
            Shape::Wait => "wait",
            Shape::Send => "send",
            Shape::Branch => "branch",
            Shape::Set => "set",
            Shape::Exit(_) => "exit",
            Shape::Anywhere => "at any step",
        }
    }
}

impl Way {
    /// The text on the line; empty: it needs none.
    pub(super) fn label(&self) -> String {
        match self {
            Way::Next => String::new(),
            Way::TimeUp(after) => after.clone(),
            Way::Signal(text) => text.clone(),
            Way::Case(when) => format!("if {when}"),
            Way::Otherwise => "otherwise".into(),
            Way::Sent => "sent".into(),
            Way::NotSent => "not sent".into(),
        }
    }
}

/// 1234567 as 1,234,567.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
