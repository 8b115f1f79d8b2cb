//! Random well-typed expressions, a quarter of the values missing: the same result as the `cel` crate gives, or a fault where it gives
//! an error. Not covered, because CEL has it otherwise or not at all: times, our own functions, integers that widen.

use cel::{Context, Value as Theirs};
use jiff::tz::TimeZone;
use journey::expression::{Fault, Field, Layout, OnMissing, Place, Record, Scope, Type, Val, Value, compile};
use serde_json::{Value as Json, json};
use std::collections::HashMap;

const SEED: u64 = 0x5eed_5eed_1234_5678;
const EXPRESSIONS: usize = 10_000;

#[test]
fn ten_thousand_random_expressions_mean_what_cel_says() {
    let mut dice = Dice(SEED);
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let (mut values, mut faults, mut infinite) = (0, 0, 0);
    let mut differ = Vec::new();
    for _ in 0..EXPRESSIONS {
        let source = dice.expression();
        let facts = dice.facts();
        let mut layout = Layout::default();
        let program = compile(&source, &place, &mut layout).unwrap_or_else(|e| panic!("{source}\n{}", e[0].message));
        let record = Record::fill_with(&layout, 0, TimeZone::UTC, |path| {
            let found = path.segments[1..].iter().try_fold(&facts, |json, name| json.get(name));
            found.map_or(Value::Missing, |json| Value::of(json, &path.ty))
        });
        let ours = program.eval(&record);
        let theirs = cel::Program::compile(&source)
            .expect("it is CEL")
            .execute(&context(&facts));
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if same(ours, theirs) => values += 1,
            (Err(_), Err(_)) => faults += 1,
            // CEL's numbers may be infinite, or no number; ours are refused where they arise, and what was compared then is not.
            (Err(Fault::DividedByZero | Fault::Overflow), Ok(_)) if can_be_infinite(&source) => infinite += 1,
            _ => differ.push(format!("{source}\n  {facts}\n  ours {ours:?}\n  theirs {theirs:?}")),
        }
    }
    assert!(
        differ.is_empty(),
        "seed {SEED:#x}: {} differ\n{}",
        differ.len(),
        differ[..differ.len().min(5)].join("\n")
    );
    assert!(
        values > EXPRESSIONS / 2 && faults > EXPRESSIONS / 5,
        "{values} values, {faults} faults: too few to mean anything"
    );
    assert!(
        infinite < EXPRESSIONS / 20,
        "{infinite} of infinity: too many to mean anything"
    );
}

fn can_be_infinite(source: &str) -> bool {
    source.contains("1e300") || source.contains(" / ") && (source.contains('.') || source.contains("double"))
}

fn same(ours: &Val, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Val::Bool(a), Theirs::Bool(b)) => a == b,
        (Val::Int(a), Theirs::Int(b)) => a == b,
        (Val::Number(a), Theirs::Float(b)) => a == b,
        (Val::Text(a), Theirs::String(b)) => **a == ***b,
        _ => false,
    }
}

/// The first letter says what it is.
const NAMES: [&str; 10] = ["b1", "b2", "i1", "i2", "n1", "n2", "t1", "t2", "l", "l2"];

fn scope() -> Scope {
    let ty = |name: &str| match name.as_bytes()[0] {
        b'b' => Type::Bool,
        b'i' => Type::Int,
        b'n' => Type::Number,
        b't' => Type::TEXT,
        _ => Type::List(Box::new(Type::TEXT)),
    };
    let fields = NAMES.map(|name| Field {
        name: name.into(),
        ty: ty(name),
        may_be_missing: true,
    });
    Scope {
        roots: vec![Field {
            name: "c".into(),
            ty: Type::object(fields.into()),
            may_be_missing: false,
        }],
    }
}

/// The facts as the oracle takes them: a whole number of JSON is an integer where it is declared so.
fn context(facts: &Json) -> Context<'static, 'static> {
    let theirs = |(name, json): (&String, &Json)| {
        let value = match (json, name.as_bytes()[0]) {
            (Json::Number(n), b'i') => Theirs::Int(n.as_i64().expect("an integer")),
            (json, _) => cel::to_value(json).expect("plain JSON"),
        };
        (name.clone(), value)
    };
    let map: HashMap<String, Theirs> = facts.as_object().expect("an object").iter().map(theirs).collect();
    let mut context = Context::default();
    context.add_variable_from_value("c", map);
    context
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn facts(&mut self) -> Json {
        let mut facts = json!({
            "b1": true, "b2": false, "i1": 5, "i2": -1, "n1": 0.5, "n2": 3.0, "t1": "ab", "t2": "é", "l": ["a", "é"], "l2": []
        });
        let object = facts.as_object_mut().expect("an object");
        object.retain(|_, _| self.roll(4) > 0);
        facts
    }

    fn expression(&mut self) -> String {
        let depth = 1 + self.roll(4);
        match self.roll(4) {
            0 => self.int(depth),
            1 => self.number(depth),
            2 => self.text(depth),
            _ => self.boolean(depth),
        }
    }

    fn boolean(&mut self, depth: usize) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self
                .pick(&["true", "false", "c.b1", "c.b2", "has(c.i1)", "has(c.t2)", "has(c.b1)"])
                .into();
        };
        match self.roll(11) {
            0 => format!(
                "({} {} {})",
                self.int(d),
                self.pick(&["<", "<=", ">", ">=", "==", "!="]),
                self.int(d)
            ),
            1 => format!(
                "({} {} {})",
                self.number(d),
                self.pick(&["<", ">", "==", "!="]),
                self.number(d)
            ),
            2 => format!(
                "({} {} {})",
                self.text(d),
                self.pick(&["<", ">=", "==", "!="]),
                self.text(d)
            ),
            3 | 4 => format!("({} && {} && {})", self.boolean(d), self.boolean(d), self.boolean(d)),
            5 | 6 => format!("({} || {})", self.boolean(d), self.boolean(d)),
            7 => format!("!{}", self.boolean(d)),
            8 => format!(
                "({} in {})",
                self.text(d),
                self.pick(&["['a', 'b', 'ab']", "c.l", "c.l2", "[c.t1, 'a', c.t2]"])
            ),
            9 => format!(
                "{}.{}({})",
                self.text(d),
                self.pick(&["startsWith", "endsWith", "contains"]),
                self.text(d)
            ),
            _ => format!(
                "c.l.{}(v, v {} {})",
                self.pick(&["exists", "all"]),
                self.pick(&["==", "<", "!="]),
                self.text(0)
            ),
        }
    }

    fn int(&mut self, depth: usize) -> String {
        let Some(d) = depth.checked_sub(1) else {
            let leaves = [
                "0",
                "1",
                "-3",
                "7",
                "9223372036854775807",
                "-9223372036854775808",
                "c.i1",
                "c.i2",
                "size(c.l)",
            ];
            return self.pick(&leaves).into();
        };
        match self.roll(5) {
            0..3 => format!(
                "({} {} {})",
                self.int(d),
                self.pick(&["+", "-", "*", "/", "%"]),
                self.int(d)
            ),
            3 => format!("size({})", self.text(d)),
            _ => format!("({} ? {} : {})", self.boolean(d), self.int(d), self.int(d)),
        }
    }

    fn number(&mut self, depth: usize) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self.pick(&["0.0", "1.5", "-2.25", "c.n1", "c.n2", "1e300"]).into();
        };
        match self.roll(4) {
            0 => format!("double({})", self.int(d)),
            _ => format!(
                "({} {} {})",
                self.number(d),
                self.pick(&["+", "-", "*", "/"]),
                self.number(d)
            ),
        }
    }

    fn text(&mut self, depth: usize) -> String {
        let Some(d) = depth.checked_sub(1) else {
            return self.pick(&["''", "'a'", "'é'", "'ab'", "c.t1", "c.t2"]).into();
        };
        match self.roll(3) {
            0 => format!("({} + {})", self.text(d), self.text(d)),
            1 => format!("({} ? {} : {})", self.boolean(d), self.text(d), self.text(d)),
            _ => self.text(0),
        }
    }
}
