//! Nothing that is written and nothing that is read makes an expression crash, hang or eat memory: it gives a value, a diagnostic or a
//! fault, on a small stack and within its fuel.

use jiff::tz::TimeZone;
use journey::expression::{
    Code, Fault, Field, Layout, OnMissing, Place, Record, Scope, Type, Value, compile, compile_text, limits,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.into(),
        ty,
        may_be_missing: true,
    }
}

fn scope() -> Scope {
    let customer = Type::object(vec![
        field("name", Type::TEXT),
        field("points", Type::Int),
        field("mood", Type::Number),
        field("seen", Type::Instant),
        field("vip", Type::Bool),
        field("tags", Type::List(Box::new(Type::TEXT))),
    ]);
    Scope {
        roots: vec![field("customer", customer), field("x", Type::List(Box::new(Type::Int)))],
    }
}

static LONG_TEXT: LazyLock<Arc<str>> = LazyLock::new(|| "ab ".repeat(20_000).into());
static LONG_LIST: LazyLock<Arc<[Value]>> = LazyLock::new(|| vec![Value::Text("a".into()); 30_000].into());

/// The largest and longest values there can be.
fn extreme(layout: &Layout) -> Record {
    Record::fill_with(layout, i64::MIN, TimeZone::UTC, |path| match &path.ty {
        Type::Bool | Type::Opaque => Value::Bool(true),
        Type::Int => Value::Int(i64::MIN),
        Type::Number => Value::Number(f64::MAX),
        Type::Text(_) => Value::Text(LONG_TEXT.clone()),
        Type::Instant | Type::Duration => Value::Instant(i64::MAX),
        Type::List(of) if **of == Type::TEXT => Value::List(LONG_LIST.clone()),
        Type::List(_) => Value::List([Value::Int(1)].into()),
        Type::Object(_) => Value::Object([].into()),
    })
}

/// Compiles it both ways, renders what is wrong, evaluates what is right.
fn exercise(source: &str) -> Result<Result<String, Fault>, Code> {
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    if let Ok(program) = compile_text(source, &place, &mut layout) {
        let _ = program.eval(&extreme(&layout));
    }
    match compile(source, &place, &mut layout) {
        Ok(program) => {
            let record = extreme(&layout);
            let first = program.eval_json(&record);
            assert_eq!(
                first,
                program.eval_json(&record),
                "{source}: the same record, another value"
            );
            let empty = Record::fill_with(&layout, 0, TimeZone::UTC, |_| Value::Missing);
            let _ = program.eval(&empty);
            Ok(first.map(|json| json.to_string()))
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty() && mistakes.len() <= limits::DIAGNOSTICS);
            assert!(mistakes.iter().all(|mistake| {
                mistake.message.len().max(mistake.help.as_ref().map_or(0, String::len)) < 2 * limits::MESSAGE
            }));
            Err(mistakes[0].code)
        }
    }
}

fn on_a_stack_of(kibibytes: usize, run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new()
        .stack_size(kibibytes << 10)
        .spawn(run)
        .expect("a thread");
    thread.join().expect("it did not panic");
}

#[test]
fn the_tallest_trees_fit_one_mebibyte() {
    on_a_stack_of(1024, || {
        let scope = Scope {
            roots: vec![Field {
                name: "x".into(),
                ty: Type::Bool,
                may_be_missing: false,
            }],
        };
        let place = Place {
            scope: &scope,
            wants: None,
            missing: OnMissing::False,
        };
        let (mut accepted, mut refused) = (0, 0);
        for n in 1..200 {
            let r = |s: &str| s.repeat(n);
            for source in [
                r("(") + "1" + &r(")"),
                r("!") + "x",
                r("- ") + "x",
                r("size(string(") + "1" + &r("))"),
                format!("1{}", r("+1")),
                format!("x{}", r(".a")),
                r("x?1:") + "2",
                r("(x?") + "1" + &r(":2)"),
                r("[") + "1" + &r("]"),
                r("(x&&x||") + "x" + &r(")"),
                format!("'a'{}", r(".trim()")),
                r("has(") + "x" + &r(")"),
                r("x in [") + "x" + &r("]"),
                r("1-(") + "1" + &r(")"),
            ] {
                let mut layout = Layout::default();
                match compile(&source, &place, &mut layout) {
                    Ok(program) => {
                        accepted += 1;
                        let record = Record::fill_with(&layout, 0, TimeZone::UTC, |_| Value::Bool(true));
                        assert!(program.eval(&record).is_ok(), "{source}");
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(
            accepted > 250 && refused > 1000,
            "{accepted} accepted, {refused} refused"
        );
    });
}

#[test]
fn hostile_sources_end_in_a_value_a_fault_or_a_diagnostic() {
    on_a_stack_of(1024, || {
        let ends = hostile()
            .into_iter()
            .map(|(name, source, wanted)| (name, exercise(&source), wanted));
        let other: Vec<_> = ends.filter(|(_, found, wanted)| found != wanted).collect();
        assert!(other.is_empty(), "name, found, wanted: {other:#?}");
    });
}

type End = Result<Result<String, Fault>, Code>;

fn hostile() -> Vec<(&'static str, String, End)> {
    let r = |s: &str, n: usize| s.repeat(n);
    let value = |json: &str| -> End { Ok(Ok(json.to_owned())) };
    let fault = |fault: Fault| -> End { Ok(Err(fault)) };
    let code = |code: Code| -> End { Err(code) };
    let guarded = (0..60).fold("1".to_owned(), |inner, _| format!("has(customer.name)?({inner}):2"));
    let settled = (0..30).fold("has(x[0])".to_owned(), |inner, _| {
        format!("({inner}&&has(customer.name)||!has(customer.seen))")
    });
    vec![
        (
            "parens-20k",
            r("(", 20_000) + "1" + &r(")", 20_000),
            code(Code::TooLarge),
        ),
        ("parens-60", r("(", 60) + "1" + &r(")", 60), code(Code::TooLarge)),
        ("parens-31", r("(", 31) + "1" + &r(")", 31), value("1")),
        ("lists-1k", r("[", 1000) + &r("]", 1000), code(Code::TooLarge)),
        ("open-parens-2k", r("(", 2000), code(Code::TooLarge)),
        ("not-3k", r("!", 3001) + "true", code(Code::TooLarge)),
        ("minus-3k", r("-", 3001) + "x", code(Code::TooLarge)),
        ("plus-chain-2k", format!("1{}", r("+1", 2000)), code(Code::TooLarge)),
        ("members-2k", format!("customer{}", r(".a", 2000)), code(Code::TooLarge)),
        ("index-1k", format!("x{}", r("[0]", 1000)), code(Code::TooLarge)),
        ("ternary-4k", r("true?1:", 580) + "2", code(Code::TooLarge)),
        ("or-600", r("true||", 600) + "true", value("true")),
        ("or-late", r("false||", 580) + "true", value("true")),
        ("calls-600", r("size(", 600) + "''" + &r(")", 600), code(Code::TooLarge)),
        (
            "contains-chain",
            format!("customer.name{}", r(".trim()", 400)),
            code(Code::TooLarge),
        ),
        (
            "regex-size",
            "'a'.matches('(a{1000}){1000}')".into(),
            code(Code::WrongArgument),
        ),
        (
            "regex-nest",
            format!("'a'.matches('{}a{}')", r("(", 120), r(")", 120)),
            code(Code::WrongArgument),
        ),
        (
            "regex-long",
            format!("'a'.matches('{}')", r("a", 257)),
            code(Code::WrongArgument),
        ),
        (
            "regex-backtrack",
            format!("'{}!'.matches('^(a+)+$')", r("a", 30)),
            value("false"),
        ),
        (
            "regex-big-text",
            "customer.name.matches('^(a|b|ab|.){0,90}z$')".into(),
            fault(Fault::TooCostly),
        ),
        (
            "map-nest",
            "x.map(a, x.map(b, x.map(c, 1)))".into(),
            code(Code::NotInCel),
        ),
        ("filter", "x.filter(a, a > 1)".into(), code(Code::NotInCel)),
        ("all-nest", "x.all(a, x.all(b, true))".into(), code(Code::TooLarge)),
        ("bind", "cel.bind(a, 1, a)".into(), code(Code::UnknownFunction)),
        (
            "zone",
            "now.getHours('../../etc/passwd')".into(),
            code(Code::WrongArgument),
        ),
        ("now-min", "now.getHours()".into(), fault(Fault::NotATime)),
        ("next-min", "nextTime('09:00')".into(), fault(Fault::NotATime)),
        ("time-max", "customer.seen + days(1)".into(), fault(Fault::Overflow)),
        ("time-difference", "customer.seen - now".into(), fault(Fault::Overflow)),
        (
            "days-between",
            "daysBetween(customer.seen, now)".into(),
            fault(Fault::NotATime),
        ),
        (
            "duration-large",
            "duration('9223372036854775807h')".into(),
            code(Code::WrongArgument),
        ),
        ("negate-min", "-customer.points".into(), fault(Fault::Overflow)),
        ("number-max", "customer.mood * 2".into(), fault(Fault::Overflow)),
        ("escape-surrogate", r"'\uD800'".into(), code(Code::Syntax)),
        ("escape-cut", r"'\u12'".into(), code(Code::Syntax)),
        ("escape-sign", r"'\u+123'".into(), code(Code::Syntax)),
        ("typographic", "'é€😀' == “x”".into(), code(Code::Syntax)),
        ("nul", "'\0' == '\0'".into(), value("true")),
        ("nul-outside", "\0".into(), code(Code::Syntax)),
        ("open-text", "'abc".into(), code(Code::Syntax)),
        ("number-infinite", "1e999".into(), code(Code::Syntax)),
        ("digits-4k", r("9", 4000), code(Code::Syntax)),
        ("empty", "".into(), code(Code::Syntax)),
        ("blank", " \n\t ".into(), code(Code::Syntax)),
        ("hole-open", "${".into(), code(Code::Syntax)),
        ("holes", r("${1}", 1000), code(Code::Syntax)),
        ("long", r("x", 5_000_000), code(Code::TooLarge)),
        ("name-4k", r("z", 4000), code(Code::UnknownName)),
        ("names-4k", vec![r("z", 60); 62].join("||"), code(Code::UnknownName)),
        (
            "members-wrong",
            format!("[{}]", vec!["customer.poimtss"; 200].join(",")),
            code(Code::UnknownName),
        ),
        ("ternary-has", guarded, code(Code::TooLarge)),
        ("facts", settled, code(Code::TooLarge)),
        (
            "exists-30k",
            "customer.tags.exists(t, t.matches('a+b'))".into(),
            fault(Fault::TooCostly),
        ),
        ("in-30k", "'q' in customer.tags".into(), fault(Fault::TooCostly)),
        (
            "in-long",
            "customer.name in customer.tags".into(),
            fault(Fault::TooCostly),
        ),
        (
            "join-64k",
            "customer.name + customer.name".into(),
            fault(Fault::TooLong),
        ),
        (
            "sentiment-60k",
            "sentiment(customer.name) <= 1".into(),
            fault(Fault::TooCostly),
        ),
        (
            "in-list",
            format!("3 in [{}]", vec!["1"; 1900].join(",")),
            value("false"),
        ),
        (
            "in-names",
            format!("'a' in [{}]", vec!["customer.name"; 250].join(",")),
            value("false"),
        ),
        (
            "compare-names",
            vec!["customer.name == customer.name"; 120].join("&&"),
            fault(Fault::TooCostly),
        ),
    ]
}

#[test]
fn many_holes_over_a_long_text_stop_at_the_limit() {
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    let program = compile_text(&"${customer.name}".repeat(250), &place, &mut layout).expect("compiles");
    assert_eq!(program.eval_json(&extreme(&layout)), Err(Fault::TooLong));
    let short = Record::fill_with(&layout, 0, TimeZone::UTC, |_| Value::Text("0123456789".into()));
    assert_eq!(
        program.eval_json(&short).map(|json| json.as_str().map(str::len)),
        Ok(Some(2500))
    );
}

#[test]
fn a_text_is_made_up_to_its_limit_and_no_further() {
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    let program = compile("customer.name + 'x'", &place, &mut layout).expect("compiles");
    let of = |bytes: usize| Record::fill_with(&layout, 0, TimeZone::UTC, |_| Value::Text("é".repeat(bytes / 2).into()));
    assert!(program.eval(&of(limits::TEXT - 2)).is_ok());
    assert_eq!(program.eval_json(&of(limits::TEXT)), Err(Fault::TooLong));
}

#[test]
fn an_evaluation_never_takes_more_than_its_fuel() {
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    let program = compile("customer.tags.all(t, t == 'a')", &place, &mut layout).expect("compiles");
    let of = |items: usize| {
        let list: Arc<[Value]> = vec![Value::Text("a".into()); items].into();
        Record::fill_with(&layout, 0, TimeZone::UTC, |_| Value::List(list.clone()))
    };
    // Three nodes an item, and two for the whole.
    let most = (limits::FUEL as usize - 2) / 3;
    assert_eq!(program.eval_json(&of(most)), Ok(true.into()));
    assert_eq!(program.eval_json(&of(most + 1)), Err(Fault::TooCostly));
}

#[test]
fn a_record_of_another_layout_is_a_fault() {
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    let program = compile("customer.points + size(customer.name)", &place, &mut layout).expect("compiles");
    let none = Record {
        slots: [].into(),
        now: 0,
        zone: TimeZone::UTC,
    };
    assert_eq!(program.eval_json(&none), Err(Fault::Contradiction));
    let other = Record {
        slots: [Value::Bool(true), Value::Int(1)].into(),
        now: 0,
        zone: TimeZone::UTC,
    };
    assert_eq!(program.eval_json(&other), Err(Fault::Contradiction));
}

/// Seeded, so that a failure can be repeated: pieces of CEL in any order.
#[test]
fn twenty_thousand_scrambled_sources_do_not_panic() {
    const PIECES: [&str; 62] = [
        "customer",
        ".",
        "points",
        "name",
        "x",
        "[",
        "]",
        "(",
        ")",
        "1",
        "-",
        "!",
        "'a'",
        "\"",
        "'",
        "+",
        "*",
        "/",
        "%",
        "==",
        "<",
        "in",
        "&&",
        "||",
        "?",
        ":",
        ",",
        "has(",
        "size(",
        ".trim()",
        ".matches('",
        ".exists(",
        "now",
        "days(",
        "timestamp('",
        "2026-01-01T00:00:00Z",
        "${",
        "}",
        "é",
        "\\",
        "\u{0}",
        "1e9",
        "9223372036854775807",
        "true",
        " ",
        ".startsWith(",
        "duration('1d')",
        "nextTime('09:00')",
        "daysBetween(",
        "string(",
        "int(",
        ".map(",
        "0x",
        "u",
        "r'",
        "\n",
        "{",
        "customer.points",
        "customer.name",
        "customer.mood",
        "customer.seen",
        "customer.tags",
    ];
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut roll = move |n: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 11) as usize % n
    };
    let sources: Vec<String> = (0..20_000)
        .map(|_| (0..=roll(14)).map(|_| PIECES[roll(PIECES.len())]).collect())
        .collect();
    on_a_stack_of(1024, move || {
        let mut sound = 0;
        for source in sources {
            match catch_unwind(AssertUnwindSafe(|| exercise(&source))) {
                Ok(Ok(_)) => sound += 1,
                Ok(Err(_)) => {}
                Err(_) => panic!("it panicked on {source:?}"),
            }
        }
        assert!(
            sound > 300,
            "only {sound} compiled: the pieces no longer make expressions"
        );
    });
}
