//! What expressions mean, construct by construct: given attributes and an event, the value that comes out.

use jiff::tz::TimeZone;
use journey::expression::{
    self, Fault, Field, Layout, OnMissing, Place, Program, Record, Scope, Type, Value, compile, compile_text,
};
use serde_json::{Value as Json, json};

/// 2026-11-22T09:00:00Z, a Sunday.
const NOW: i64 = 1_795_338_000_000_000;

fn field(name: &str, ty: Type, may_be_missing: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        may_be_missing,
    }
}

fn scope() -> Scope {
    let tier = Type::Text(Some(["none", "silver", "gold"].map(String::from).into()));
    let line = Type::object(vec![
        field("sku", Type::TEXT, false),
        field("quantity", Type::Int, false),
        field("price", Type::Number, false),
        field("note", Type::TEXT, true),
    ]);
    let cart = Type::object(vec![
        field("id", Type::TEXT, false),
        field("lines", Type::List(Box::new(line)), false),
    ]);
    let customer = Type::object(vec![
        field("name", Type::TEXT, false),
        field("points", Type::Int, false),
        field("mood", Type::Number, false),
        field("vip", Type::Bool, false),
        field("tier", tier, false),
        field("seen", Type::Instant, false),
        field("tags", Type::List(Box::new(Type::TEXT)), false),
        field("age", Type::Int, true),
        field("country", Type::TEXT, true),
    ]);
    let event = Type::object(vec![
        field("total", Type::Number, false),
        field("text", Type::TEXT, false),
        field("a.b", Type::Int, true),
        field("a", Type::object(vec![field("b", Type::Int, true)]), true),
        field("cart", cart, true),
        field("extra", Type::Opaque, true),
        field("extras", Type::List(Box::new(Type::Opaque)), false),
    ]);
    let step = Type::object(vec![
        field("count", Type::Int, false),
        field("outcome", Type::TEXT, true),
    ]);
    let steps = Type::object(vec![field("remind-warmly", step, false)]);
    Scope {
        roots: vec![
            field("customer", customer, false),
            field("event", event, false),
            field("steps", steps, false),
        ],
    }
}

fn facts() -> Json {
    json!({
        "customer": {
            "name": "Ann Éve", "points": 7, "mood": -0.5, "vip": true, "tier": "gold",
            "seen": "2026-11-20T09:00:00Z", "tags": ["new", "eu"], "country": null
        },
        "event": {
            "total": 19.5, "text": " Too Late ",
            "cart": {"id": "c1", "lines": [
                {"sku": "A", "quantity": 2, "price": 4.5},
                {"sku": "B", "quantity": 1, "price": 10.5, "note": "gift"}
            ]},
            "extras": [{"x": 1}]
        },
        "steps": {"remind-warmly": {"count": 2}}
    })
}

fn place(scope: &Scope, missing: OnMissing) -> Place<'_> {
    Place {
        scope,
        wants: None,
        missing,
    }
}

fn record(layout: &Layout, facts: &Json, zone: &str) -> Record {
    let zone = expression::time::zone(zone).expect("a zone of the database");
    Record::fill_with(layout, NOW, zone, |path| {
        let found = path.segments.iter().try_fold(facts, |json, name| json.get(name));
        found.map_or(Value::Missing, |json| Value::of(json, &path.ty))
    })
}

fn value(source: &str) -> Result<Json, Fault> {
    let (scope, mut layout) = (scope(), Layout::default());
    let compiled = compile(source, &place(&scope, OnMissing::False), &mut layout);
    let program = compiled.unwrap_or_else(|e| panic!("{source}\n{}", e[0].message));
    program.eval_json(&record(&layout, &facts(), "UTC"))
}

fn text(source: &str) -> Result<Json, Fault> {
    let (scope, mut layout) = (scope(), Layout::default());
    let compiled = compile_text(source, &place(&scope, OnMissing::False), &mut layout);
    let program = compiled.unwrap_or_else(|e| panic!("{source}\n{}", e[0].message));
    program.eval_json(&record(&layout, &facts(), "UTC"))
}

fn all(cases: &[(&str, Json)]) {
    for (source, wanted) in cases {
        assert_eq!(value(source).as_ref(), Ok(wanted), "{source}");
    }
}

fn faults(cases: &[(&str, Fault)]) {
    for (source, wanted) in cases {
        assert_eq!(value(source), Err(*wanted), "{source}");
    }
}

#[test]
fn arithmetic_keeps_integers_whole_and_widens_where_they_meet_numbers() {
    all(&[
        ("1 + 2 * 3 - 4", json!(3)),
        ("7 / 2", json!(3)),
        ("-7 / 2", json!(-3)),
        ("-7 % 2", json!(-1)),
        ("7 / 2.0", json!(3.5)),
        ("customer.points * 1.5", json!(10.5)),
        ("-customer.mood", json!(0.5)),
        ("- 3", json!(-3)),
        ("-9223372036854775808", json!(i64::MIN)),
        ("1e3", json!(1000.0)),
        ("(1 + 2) * 3", json!(9)),
        ("customer.points == 7.0", json!(true)),
        ("true ? 1 : 0.5", json!(1.0)),
    ]);
    faults(&[
        ("9223372036854775807 + 1", Fault::Overflow),
        ("-9223372036854775808 / -1", Fault::Overflow),
        ("-9223372036854775808 % -1", Fault::Overflow),
        ("-(-9223372036854775808)", Fault::Overflow),
        ("1 / 0", Fault::DividedByZero),
        ("1 % 0", Fault::DividedByZero),
        ("1.0 / 0", Fault::DividedByZero),
        ("1e300 * 1e300", Fault::Overflow),
        ("days(9223372036854775807)", Fault::Overflow),
    ]);
}

#[test]
fn comparisons_order_values_of_one_type() {
    all(&[
        ("1 < 2 && 2 <= 2 && 3 > 2 && 3 >= 3 && 1 != 2", json!(true)),
        ("'a' < 'b'", json!(true)),
        ("true == false", json!(false)),
        ("customer.seen < now", json!(true)),
        ("now - customer.seen == days(2)", json!(true)),
        ("duration('25h') > days(1)", json!(true)),
        ("customer.tier == 'gold'", json!(true)),
        ("(1 < 2) == true", json!(true)),
    ]);
}

#[test]
fn a_fault_matters_only_where_nothing_else_decides() {
    all(&[
        ("false && 1 / 0 == 1", json!(false)),
        ("1 / 0 == 1 && false", json!(false)),
        ("true || customer.age > 18", json!(true)),
        ("customer.age > 18 || true", json!(true)),
        ("customer.vip ? 1 : 1 / 0", json!(1)),
        ("[1, 2].size() == 2 || 1 / 0 == 1", json!(true)),
        ("customer.tags.exists(t, t == 'eu' || 1 / 0 == 1)", json!(true)),
    ]);
    faults(&[
        ("1 / 0 == 1 && true", Fault::DividedByZero),
        ("customer.age > 18 || false", Fault::Missing),
        ("!(customer.age > 18)", Fault::Missing),
        ("customer.age in [1, 2]", Fault::Missing),
        ("1 in [1, customer.age]", Fault::Missing),
    ]);
}

#[test]
fn lists_are_asked_about() {
    all(&[
        ("'eu' in customer.tags", json!(true)),
        ("'us' in customer.tags", json!(false)),
        ("customer.tier in ['gold', 'silver']", json!(true)),
        ("customer.points in [1, 7.0]", json!(true)),
        ("customer.points in []", json!(false)),
        ("customer.tags[0]", json!("new")),
        ("customer.tags[customer.points - 6]", json!("eu")),
        ("event.cart.lines[1].note", json!("gift")),
        ("event.cart.lines.exists(l, l.quantity > 1 && l.price < 5)", json!(true)),
        ("event.cart.lines.all(l, has(l.note))", json!(false)),
        ("event.cart.lines.exists(l, l.sku == customer.tags[0])", json!(false)),
        ("size(customer.tags) + customer.tags.size()", json!(4)),
        ("customer.tags", json!(["new", "eu"])),
        (
            "event.cart.lines",
            json!([
                {"sku": "A", "quantity": 2, "price": 4.5},
                {"sku": "B", "quantity": 1, "price": 10.5, "note": "gift"}
            ]),
        ),
        ("event.extras.size()", json!(1)),
    ]);
    faults(&[
        ("customer.tags[2]", Fault::Missing),
        ("customer.tags[-1]", Fault::Missing),
    ]);
}

#[test]
fn texts_are_compared_searched_and_joined() {
    all(&[
        ("customer.name + '!'", json!("Ann Éve!")),
        ("customer.name.size()", json!(7)),
        (
            "customer.name.startsWith('Ann') && !customer.name.startsWith('nn')",
            json!(true),
        ),
        (
            "customer.name.endsWith('ve') && customer.name.contains('n É')",
            json!(true),
        ),
        ("event.text.trim().lowerAscii()", json!("too late")),
        ("'aé'.upperAscii()", json!("Aé")),
        (r"customer.name.matches(r'^\w+ \w+$')", json!(true)),
        ("customer.name.matches('v')", json!(true)),
        (r"'\\ \' \t \u00e9'", json!("\\ ' \t é")),
        (r"r'\d'", json!("\\d")),
        (r#""it's""#, json!("it's")),
        ("string(3) + string(0.5) + string(true)", json!("30.5true")),
        ("string(customer.seen)", json!("2026-11-20T09:00:00Z")),
        ("string(duration('36h'))", json!("1d12h")),
        ("int('42') + int(2.9) + int(-2.9)", json!(42)),
        ("double('1.5') + double(2)", json!(3.5)),
    ]);
    faults(&[
        ("int('x')", Fault::NotANumber),
        ("double('NaN')", Fault::NotANumber),
        ("int(1e300)", Fault::Overflow),
        ("timestamp(customer.name) < now", Fault::NotATime),
    ]);
}

#[test]
fn the_tone_of_a_text_is_between_minus_one_and_one() {
    all(&[
        ("sentiment('I am very unhappy, this is terrible') < -0.6", json!(true)),
        ("sentiment('Thanks, that was a great help!') > 0.6", json!(true)),
        ("sentiment('not good') < 0 && sentiment('good') > 0", json!(true)),
        (
            "sentiment('') == 0 && sentiment('Wo bleibt mein Paket?') == 0",
            json!(true),
        ),
    ]);
}

#[test]
fn times_and_durations_add_up() {
    all(&[
        ("now + days(1)", json!("2026-11-23T09:00:00Z")),
        ("days(1) + now - duration('1d12h')", json!("2026-11-21T21:00:00Z")),
        ("now - customer.seen", json!("2d")),
        ("duration('1d12h') + duration('1.5s')", json!("1d12h1.5s")),
        ("-duration('90m')", json!("-1h30m")),
        ("duration('500ms')", json!("0.5s")),
        ("duration('0s')", json!("0s")),
        (
            "timestamp('2026-01-01T00:00:00.25+01:00')",
            json!("2025-12-31T23:00:00.25Z"),
        ),
        ("now.getFullYear()", json!(2026)),
        ("now.getMonth()", json!(10)),
        ("now.getDate()", json!(22)),
        ("now.getDayOfWeek()", json!(0)),
        ("now.getHours()", json!(9)),
        ("now.getHours('Europe/Vienna')", json!(10)),
        ("timestamp('2026-01-01T10:20:30Z').getMinutes()", json!(20)),
        ("timestamp('2026-01-01T10:20:30Z').getSeconds()", json!(30)),
        ("duration('1d1h').getHours()", json!(25)),
        ("duration('90m').getMinutes()", json!(90)),
        ("duration('90m').getSeconds()", json!(5400)),
    ]);
    faults(&[("timestamp('9999-12-30T00:00:00Z') + days(365)", Fault::NotATime)]);
}

#[test]
fn a_duration_is_read_as_it_is_written() {
    let (second, day) = (1_000_000, 86_400_000_000);
    for (source, wanted) in [
        ("1d12h", Some(day + day / 2)),
        ("14d", Some(14 * day)),
        ("90s", Some(90 * second)),
        ("1.5h", Some(5400 * second)),
        ("0.000001s", Some(1)),
        ("1ms", Some(1000)),
        ("-1d1ms", Some(-day - 1000)),
        (
            "106751991d4h54.775807s",
            Some(106_751_991 * day + 4 * 3600 * second + 54_775_807),
        ),
        ("", None),
        ("-", None),
        ("5", None),
        ("5 s", None),
        ("12h1d", None),
        ("1h1h", None),
        ("1..5h", None),
        (".5h", None),
        ("1.h", None),
        ("1w", None),
        ("99999999999999999d", None),
        ("9223372036854775807h", None),
    ] {
        assert_eq!(expression::time::duration(source), wanted, "{source}");
    }
    for length in [
        0,
        1,
        -1,
        999_999,
        second,
        61 * second,
        day,
        -day - 1,
        3 * day + 7_200_000_003,
        i64::MAX,
        i64::MIN + 1,
    ] {
        let shown = expression::time::show_duration(length);
        assert_eq!(expression::time::duration(&shown), Some(length), "{shown}");
    }
}

#[test]
fn what_is_missing_is_asked_with_has() {
    all(&[
        ("has(customer.age)", json!(false)),
        ("has(customer.country)", json!(false)),
        ("has(customer.name)", json!(true)),
        ("has(event.cart)", json!(true)),
        ("has(event.cart.lines[0].note)", json!(false)),
        ("has(event.cart.lines[1].note)", json!(true)),
        ("has(event.cart.lines[9])", json!(false)),
        ("has(event.extra)", json!(false)),
        ("has(steps['remind-warmly'].outcome)", json!(false)),
        ("steps['remind-warmly'].count", json!(2)),
        ("has(customer.age) ? customer.age : 0", json!(0)),
    ]);
}

/// Whether it compiles where a missing value is not taken.
fn proved(source: &str, missing: OnMissing) -> bool {
    let scope = scope();
    match compile(source, &place(&scope, missing), &mut Layout::default()) {
        Ok(_) => true,
        Err(errors) => {
            assert!(
                errors.iter().all(|e| e.code == expression::Code::MayBeMissing),
                "{source}: {errors:?}"
            );
            false
        }
    }
}

#[test]
fn a_value_that_may_be_missing_must_be_guarded_where_it_is_needed() {
    for source in [
        "customer.points",
        "has(customer.age) ? customer.age : 0",
        "!has(customer.age) ? 0 : customer.age + 1",
        "has(customer.age) && customer.age > 18",
        "!has(customer.age) || customer.age > 18",
        "has(customer.age) && has(customer.country) ? customer.country : ''",
        "has(customer.age) && has(customer.country) || has(customer.country) ? customer.country : ''",
        "has(event.cart.id) ? event.cart.lines.size() : 0",
        "has(event.cart.lines[0].note) ? event.cart.lines[0].note : ''",
        "has(event.cart) && event.cart.lines.exists(l, has(l.note) && l.note == 'gift')",
        "has(steps['remind-warmly'].outcome) && steps['remind-warmly'].outcome == 'Sent'",
    ] {
        assert!(proved(source, OnMissing::Refuse), "{source}");
    }
    for source in [
        "customer.age",
        "customer.age > 18",
        "has(customer.age) || customer.age > 18",
        "has(customer.country) ? customer.age : 0",
        "has(customer.age) ? 0 : customer.age",
        "(has(customer.age) || customer.vip) && customer.age > 18",
        "has(customer.age) && customer.vip || customer.age > 3",
        "event.cart.id",
        "has(event.cart) ? event.cart.lines[0].sku : ''",
        "has(event.cart.lines[0]) ? event.cart.lines[1].sku : ''",
        // Two paths that only look alike when they are joined by dots.
        "has(event['a.b']) ? event.a.b : 0",
        "has(event.a.b) ? event['a.b'] : 0",
    ] {
        assert!(!proved(source, OnMissing::Refuse), "{source}");
    }
}

#[test]
fn attributes_and_addresses_take_a_path_alone_that_may_be_missing() {
    for source in [
        "customer.age",
        "event.cart.id",
        "customer.tags[0]",
        "event.cart.lines[0].note",
        "customer.name.trim()",
    ] {
        assert!(proved(source, OnMissing::Missing), "{source}");
    }
    for source in [
        "customer.age + 1",
        "customer.country.trim()",
        "has(event.cart) ? customer.country : ''",
    ] {
        assert!(!proved(source, OnMissing::Missing), "{source}");
    }
    // Widening is no computation.
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: Some(Type::Number),
        missing: OnMissing::Missing,
    };
    assert!(compile("customer.age", &place, &mut Layout::default()).is_ok());
}

#[test]
fn a_root_that_may_be_missing_is_there_once_one_of_its_fields_is() {
    let entry = Type::object(vec![
        field("id", Type::TEXT, false),
        field("total", Type::Number, false),
    ]);
    let scope = Scope {
        roots: vec![field("entry", entry, true)],
    };
    let place = place(&scope, OnMissing::Refuse);
    assert!(compile("entry.total", &place, &mut Layout::default()).is_err());
    assert!(compile("has(entry.id) ? entry.total : 0.0", &place, &mut Layout::default()).is_ok());
}

#[test]
fn a_condition_over_what_is_missing_does_not_hold() {
    let scope = scope();
    let mut layout = Layout::default();
    let place = Place {
        scope: &scope,
        wants: Some(Type::Bool),
        missing: OnMissing::False,
    };
    let mut holds = |source: &str| {
        let program = compile(source, &place, &mut layout).expect(source);
        program.holds(&record(&layout, &facts(), "UTC"))
    };
    assert_eq!(holds("customer.age > 18"), Ok(false));
    assert_eq!(holds("!(customer.age > 18)"), Ok(false));
    assert_eq!(holds("customer.points > 3"), Ok(true));
    assert_eq!(holds("1 / (customer.points - 7) > 0"), Err(Fault::DividedByZero));
}

#[test]
fn a_text_with_holes_is_text_and_a_lone_hole_keeps_its_type() {
    for (source, wanted) in [
        ("plain", json!("plain")),
        ("", json!("")),
        ("${customer.points}", json!(7)),
        (" ${customer.points}", json!(" 7")),
        ("${customer.points}${customer.vip}", json!("7true")),
        (
            "Hi ${customer.name}, seen ${customer.seen}.",
            json!("Hi Ann Éve, seen 2026-11-20T09:00:00Z."),
        ),
        ("$${plain} $$ $ ${1 + 1}", json!("${plain} $$ $ 2")),
        ("${'}' + \"{\"}", json!("}{")),
        ("${now - customer.seen} ago", json!("2d ago")),
        ("${customer.tags}", json!(["new", "eu"])),
        ("é${1}€", json!("é1€")),
    ] {
        assert_eq!(text(source), Ok(wanted), "{source}");
    }
    assert_eq!(text("a ${customer.age}"), Err(Fault::Missing));
}

#[test]
fn the_clock_moves_and_local_times_follow_it() {
    // In Vienna the clock goes from 02:00 to 03:00 on 2026-03-29, and from 03:00 back to 02:00 on 2026-10-25.
    for (source, now, wanted) in [
        (
            "nextTime('02:30', 'Sun')",
            "2026-03-28T00:00:00Z",
            "2026-03-29T01:30:00Z",
        ),
        ("nextTime('02:30')", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z"),
        // Between the two 02:30 of that night the first has passed.
        ("nextTime('02:30')", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z"),
        (
            "nextTime('09:00')",
            "2026-07-01T06:59:59.999999Z",
            "2026-07-01T07:00:00Z",
        ),
        ("nextTime('09:00')", "2026-07-01T07:00:00Z", "2026-07-02T07:00:00Z"),
        (
            "nextTime('09:00', 'Mon,Tue')",
            "2026-11-22T23:30:00Z",
            "2026-11-23T08:00:00Z",
        ),
        (
            "nextTime('00:15', 'Mon')",
            "2026-11-23T00:00:00Z",
            "2026-11-29T23:15:00Z",
        ),
    ] {
        assert_eq!(local(source, now), json!(wanted), "{source} at {now}");
    }
    for (source, now, wanted) in [
        (
            "daysBetween(timestamp('2026-11-21T22:59:00Z'), now)",
            "2026-11-21T23:01:00Z",
            1,
        ),
        (
            "daysBetween(timestamp('2026-11-21T23:01:00Z'), now)",
            "2026-11-22T22:59:00Z",
            0,
        ),
        (
            "daysBetween(now, timestamp('2026-11-01T12:00:00Z'))",
            "2026-11-22T12:00:00Z",
            -21,
        ),
        (
            "daysBetween(timestamp('2026-03-28T12:00:00Z'), now)",
            "2026-03-30T11:00:00Z",
            2,
        ),
    ] {
        assert_eq!(local(source, now), json!(wanted), "{source} at {now}");
    }
}

fn local(source: &str, now: &str) -> Json {
    let scope = scope();
    let program = compile(source, &place(&scope, OnMissing::Refuse), &mut Layout::default()).expect(source);
    assert!(program.reads_now() && program.reads_zone(), "{source}");
    let now = expression::time::instant(now).expect("an instant");
    let zone = expression::time::zone("Europe/Vienna").expect("a zone of the database");
    program
        .eval_json(&Record {
            slots: [].into(),
            now,
            zone,
        })
        .expect(source)
}

#[test]
fn a_zone_is_known_by_its_iana_name_wherever_the_program_runs() {
    for name in [
        "UTC",
        "Europe/Vienna",
        "America/Sao_Paulo",
        "Asia/Kolkata",
        "Pacific/Chatham",
    ] {
        assert!(expression::time::zone(name).is_some(), "{name}");
    }
    for name in ["", "Vienna", "../../etc/passwd", "/etc/localtime", "Europe/Vienna\0"] {
        assert!(expression::time::zone(name).is_none(), "{name}");
    }
    assert!(expression::time::zone(&"A".repeat(100_000)).is_none());
}

#[test]
fn a_program_tells_what_it_reads() {
    let scope = scope();
    let mut layout = Layout::default();
    let mut reads = |source: &str| {
        let program = compile(source, &place(&scope, OnMissing::False), &mut layout).expect(source);
        let names: Vec<_> = program
            .reads()
            .iter()
            .map(|slot| layout.path(*slot).segments.join("/"))
            .collect();
        (names.join(" "), program.reads_now(), program.reads_zone())
    };
    assert_eq!(
        reads("customer.points > 3 && customer.points < 9"),
        ("customer/points".into(), false, false)
    );
    assert_eq!(
        reads("customer.vip || customer.points > 3"),
        ("customer/points customer/vip".into(), false, false)
    );
    assert_eq!(reads("now > customer.seen"), ("customer/seen".into(), true, false));
    assert_eq!(
        reads("has(event.cart) && has(event.a.b)"),
        ("event/cart event/a/b".into(), false, false)
    );
    assert_eq!(
        reads("steps['remind-warmly'].count > 0"),
        ("steps/remind-warmly/count".into(), false, false)
    );
    assert_eq!(
        reads("daysBetween(customer.seen, customer.seen) == 0"),
        ("customer/seen".into(), false, true)
    );
    assert_eq!(layout.paths().len(), 6, "each path once, whoever reads it");
}

#[test]
fn one_path_can_be_read_at_several_types() {
    let scope = |ty| Scope {
        roots: vec![field("event", Type::object(vec![field("total", ty, false)]), false)],
    };
    let (number, text) = (scope(Type::Number), scope(Type::TEXT));
    let mut layout = Layout::default();
    let of_number = compile("event.total", &place(&number, OnMissing::False), &mut layout).expect("compiles");
    let of_text = compile("event.total", &place(&text, OnMissing::False), &mut layout).expect("compiles");
    let paid = record(&layout, &json!({"event": {"total": 3.5}}), "UTC");
    assert_eq!(of_number.eval_json(&paid), Ok(json!(3.5)));
    assert_eq!(of_text.eval_json(&paid), Err(Fault::Missing));
    let named = record(&layout, &json!({"event": {"total": "much"}}), "UTC");
    assert_eq!(of_number.eval_json(&named), Err(Fault::Missing));
    assert_eq!(of_text.eval_json(&named), Ok(json!("much")));
}

#[test]
fn json_of_another_type_than_declared_is_missing() {
    for (json, ty) in [
        (json!("3"), Type::Int),
        (json!(3.5), Type::Int),
        (json!(1e300), Type::Int),
        (json!(true), Type::Number),
        (json!(3), Type::TEXT),
        (json!("2026-11-22"), Type::Instant),
        (json!("2026-11-22T09:00:00"), Type::Instant),
        (json!(3), Type::Duration),
        (json!({}), Type::List(Box::new(Type::Int))),
        (json!([]), Type::object(vec![])),
        (json!(null), Type::Opaque),
    ] {
        assert_eq!(Value::of(&json, &ty), Value::Missing, "{json} as {ty}");
    }
    let list = Value::of(&json!([1, "x", null]), &Type::List(Box::new(Type::Int)));
    assert_eq!(
        list,
        Value::List([Value::Int(1), Value::Missing, Value::Missing].into())
    );
}

#[test]
fn a_schema_says_what_a_path_is() {
    let schema = json!({
        "type": "object",
        "required": ["id", "when", "maybe"],
        "properties": {
            "id": {"type": "string"},
            "when": {"type": "string", "format": "date-time"},
            "maybe": {"type": ["integer", "null"]},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "any": {},
            "two": {"type": ["integer", "string"]},
            "list": {"type": "array", "items": {"type": "object", "properties": {"deep": {"type": "boolean"}}}}
        }
    });
    let (ty, nullable) = Type::of_schema(&schema, 8);
    let deep = Type::object(vec![field("deep", Type::Bool, true)]);
    let wanted = [
        field("id", Type::TEXT, false),
        field("when", Type::Instant, false),
        field("maybe", Type::Int, true),
        field("kind", Type::Text(Some(["a", "b"].map(String::from).into())), true),
        field("any", Type::Opaque, true),
        field("two", Type::Opaque, true),
        field("list", Type::List(Box::new(deep)), true),
    ];
    assert!(!nullable);
    assert_eq!(ty, Type::object(wanted.into()));
    let mut endless = json!({"type": "integer"});
    for _ in 0..100 {
        endless = json!({"type": "array", "items": endless});
    }
    assert!(!Type::of_schema(&endless, 8).0.is_definite());
}

#[test]
fn a_program_is_shared_between_threads_and_its_record_tells_nothing_personal() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Program>();
    shared::<Layout>();
    shared::<Record>();
    let record = Record {
        slots: [Value::Text("ann@example.org".into())].into(),
        now: 0,
        zone: TimeZone::UTC,
    };
    assert!(!format!("{record:?}").contains("ann"));
}
