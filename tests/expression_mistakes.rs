//! Mistakes that people make, and exactly what they are told: where, what is wrong, what to write instead.

use journey::expression::{Field, Layout, OnMissing, Place, Scope, Type, compile, compile_text};

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
        field("note", Type::TEXT, true),
        field("any", Type::Opaque, true),
    ]);
    let cart = Type::object(vec![
        field("id", Type::TEXT, false),
        field("lines", Type::List(Box::new(line)), false),
    ]);
    let customer = Type::object(vec![
        field("points", Type::Int, false),
        field("tier", tier, false),
        field("age", Type::Int, true),
        field("country", Type::TEXT, true),
        field("firstName", Type::TEXT, false),
        field("lastSeenAt", Type::Instant, true),
        field("vip", Type::Bool, false),
        field("tags", Type::List(Box::new(Type::TEXT)), false),
    ]);
    let event = Type::object(vec![
        field("total", Type::Number, false),
        field("time", Type::Instant, false),
        field("any", Type::Opaque, false),
        field("cart", cart, true),
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

/// Where an expression stands in these tests.
#[derive(Clone, Copy)]
enum At {
    When,
    With,
    Text,
    Integer,
    Tier,
    To,
}

fn reports(at: At, source: &str) -> String {
    let scope = scope();
    let tier = Type::Text(Some(["none", "silver", "gold"].map(String::from).into()));
    let (wants, missing) = match at {
        At::When => (Some(Type::Bool), OnMissing::False),
        At::With => (None, OnMissing::Refuse),
        At::Text => (Some(Type::TEXT), OnMissing::Refuse),
        At::Integer => (Some(Type::Int), OnMissing::Missing),
        At::Tier => (Some(tier), OnMissing::Missing),
        At::To => (Some(Type::TEXT), OnMissing::Missing),
    };
    let place = Place {
        scope: &scope,
        wants,
        missing,
    };
    let compiled = match at {
        At::Text => compile_text(source, &place, &mut Layout::default()),
        At::When | At::With | At::Integer | At::Tier | At::To => compile(source, &place, &mut Layout::default()),
    };
    let mistakes = compiled
        .map(|program| panic!("it compiles to {}: {source}", program.ty()))
        .unwrap_or_else(|all| all);
    let line = |mistake: &journey::expression::Diagnostic| {
        let stands = &source[mistake.span.clone()];
        let help = mistake
            .help
            .as_deref()
            .map(|help| format!(" => {help}"))
            .unwrap_or_default();
        format!("{:?} `{stands}`: {}{help}", mistake.code, mistake.message)
    };
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn planted_mistakes_get_these_reports() {
    let mut other = String::new();
    for (at, source, wanted) in PLANTED {
        let found = reports(*at, source);
        if found != *wanted {
            other.push_str(&format!("{source}\n{found}\n\n"));
        }
    }
    assert!(other.is_empty(), "\n{other}");
}

const PLANTED: &[(At, &str, &str)] = &[
    (
        At::When,
        "customer.pionts > 100",
        "UnknownName `pionts`: 'customer' has no 'pionts' => did you mean points?",
    ),
    (
        At::When,
        "points > 100",
        "UnknownName `points`: 'points' is not known here => write customer.points",
    ),
    (
        At::When,
        "foo > 100",
        "UnknownName `foo`: 'foo' is not known here => known here: customer, event, steps, now",
    ),
    (
        At::When,
        "custmer.vip",
        "UnknownName `custmer`: 'custmer' is not known here => did you mean customer?",
    ),
    (
        At::When,
        "event.total > 10 && has(customer.agee) || custmer.vip",
        "UnknownName `agee`: 'customer' has no 'agee' => did you mean age?\nUnknownName `custmer`: 'custmer' is not known here => did you mean customer?",
    ),
    (
        At::When,
        "steps.remind-warmly.count > 2",
        "UnknownName `remind`: 'steps' has no 'remind' => a name with dashes is written ['remind-warmly']\nUnknownName `warmly`: 'warmly' is not known here => known here: customer, event, steps, now",
    ),
    (
        At::When,
        "customer.tags.size > 2",
        "UnknownName `size`: a list of text has no 'size' => a function needs its (): .size()",
    ),
    (
        At::When,
        "customer.tier == 'golden'",
        "NeverEqual `'golden'`: it is never 'golden': its values are none, silver, gold => did you mean 'gold'?",
    ),
    (
        At::When,
        "'vip' == customer.tier",
        "NeverEqual `'vip'`: it is never 'vip': its values are none, silver, gold",
    ),
    (
        At::When,
        "customer.tier in ['gold', 'goold', 'x']",
        "NeverEqual `'goold'`: it is never 'goold': its values are none, silver, gold => did you mean 'gold'?\nNeverEqual `'x'`: it is never 'x': its values are none, silver, gold",
    ),
    (
        At::When,
        "customer.tier = 'gold'",
        "Syntax `=`: '=' means nothing here => equality is written ==",
    ),
    (
        At::When,
        "customer.vip and customer.points > 3",
        "Syntax `and`: 'and' is written &&",
    ),
    (
        At::When,
        "customer.vip & customer.vip",
        "Syntax `&`: '&' means nothing here => and is written &&",
    ),
    (At::When, "not customer.vip", "Syntax `not`: 'not' is written !"),
    (
        At::When,
        "1 < customer.points < 10",
        "Syntax `<`: comparisons do not chain => write a < b && b < c",
    ),
    (
        At::When,
        "customer.points > 3 &&",
        "Syntax ``: a value is needed here, but the end is here",
    ),
    (
        At::When,
        "(customer.points > 3",
        "Syntax ``: ')' is needed to close '(', but the end is here",
    ),
    (
        At::When,
        "customer.points > 3)",
        "Syntax `)`: the expression should end here, but ')' is here",
    ),
    (
        At::When,
        "customer.vip ? true",
        "Syntax ``: ':' is needed with the value for no, but the end is here",
    ),
    (
        At::When,
        "customer.firstName == ‘Ann’",
        "Syntax `‘`: '‘' means nothing here => these are typographic quotes: write ' or \"",
    ),
    (
        At::When,
        "customer.firstName == 'Ann",
        "Syntax `'`: this text has no closing '",
    ),
    (
        At::When,
        "customer.firstName.matches('\\d')",
        "Syntax `\\`: this escape is not known => known are \\\\ \\' \\\" \\n \\r \\t \\uXXXX; a pattern is written r'\\d+'",
    ),
    (
        At::When,
        "now > now - 2d",
        "Syntax `2d`: '2d' is not a number => write days(2)",
    ),
    (At::When, "1u == 1", "Syntax `1u`: '1u' is not a number"),
    (
        At::When,
        "{'a': 1}.size() > 0",
        "NotInCel `{`: maps cannot be written here",
    ),
    (
        At::When,
        "customer.country == null",
        "NotInCel `null`: there is no null here: a value is there or missing => write has(x) or !has(x)",
    ),
    (
        At::When,
        "customer.points > '100'",
        "WrongType `customer.points > '100'`: > does not take an integer and a text => a number is written without quotes",
    ),
    (
        At::When,
        "customer.vip == 'true'",
        "WrongType `customer.vip == 'true'`: == does not take a boolean and a text => true and false are written without quotes",
    ),
    (
        At::When,
        "now - customer.lastSeenAt < 2",
        "WrongType `now - customer.lastSeenAt < 2`: < does not take a duration and an integer => a duration is written days(2) or duration('36h')",
    ),
    (
        At::When,
        "now - 2 > customer.lastSeenAt",
        "WrongType `now - 2`: - does not take a timestamp and an integer => add a duration: days(2) or duration('36h')",
    ),
    (
        At::When,
        "event.time > '2026-01-01'",
        "WrongType `event.time > '2026-01-01'`: > does not take a timestamp and a text => a timestamp is written timestamp('2026-11-22T09:00:00Z')",
    ),
    (
        At::When,
        "customer.points",
        "WrongType `customer.points`: a boolean is needed here, this is an integer => compare it, for instance with > 0",
    ),
    (
        At::When,
        "customer.firstName",
        "WrongType `customer.firstName`: a boolean is needed here, this is a text => compare it, for instance with != ''",
    ),
    (
        At::When,
        "customer.firstName && customer.vip",
        "WrongType `customer.firstName`: a condition must be true or false, this is a text => compare it, for instance with != ''",
    ),
    (
        At::When,
        "event.cart == event.cart",
        "WrongType `event.cart`: 'event.cart' is an object; name one of its fields: id, lines\nWrongType `event.cart`: 'event.cart' is an object; name one of its fields: id, lines",
    ),
    (
        At::When,
        "event.any == 3",
        "WrongType `event.any`: the schema gives 'event.any' no single type => give it a type in the touchpoint's schema",
    ),
    (
        At::When,
        "customer.tags == ['a']",
        "WrongType `customer.tags == ['a']`: == does not take a list of text and a list of text => ask with x in list, or with list.exists(x, ...)",
    ),
    (
        At::When,
        "customer.tags.contains('vip')",
        "WrongArgument `customer.tags`: contains() is for a text, this is a list of text => write x in list",
    ),
    (
        At::When,
        "'v' in customer.firstName",
        "WrongType `customer.firstName`: in needs a list, this is a text => write text.contains(part)",
    ),
    (
        At::When,
        "3 in customer.tags",
        "WrongType `3`: an integer is never in a list of text",
    ),
    (
        At::When,
        "customer.points[0] == 1",
        "WrongType `customer.points`: [n] needs a list, this is an integer",
    ),
    (
        At::When,
        "customer.tags['a'] == 'x'",
        "UnknownName `'a'`: a list of text has no 'a'",
    ),
    (
        At::When,
        "customer.tags.exists(customer, customer == 'a')",
        "WrongArgument `customer`: 'customer' has a meaning here already => call the item something else",
    ),
    (
        At::When,
        "customer.tags.exists('a')",
        "WrongArgument `customer.tags.exists('a')`: write list.exists(x, a condition on x)",
    ),
    (
        At::When,
        "customer.tags.filter(t, t == 'a').size() > 0",
        "NotInCel `filter`: filter() is not in this language => ask with list.exists(x, ...) or list.all(x, ...)",
    ),
    (
        At::When,
        "customer.firstName.startWith('A')",
        "UnknownFunction `startWith`: there is no function startWith() => did you mean startsWith()?",
    ),
    (
        At::When,
        "startsWith(customer.firstName, 'A')",
        "UnknownFunction `startsWith`: there is no function startsWith() => write x.startsWith(...)",
    ),
    (
        At::When,
        "customer.tags.has('a')",
        "UnknownFunction `has`: there is no function has() => write has(...)",
    ),
    (
        At::When,
        "has(customer)",
        "WrongArgument `customer`: has() takes a path like customer.age",
    ),
    (
        At::When,
        "has('a')",
        "WrongArgument `'a'`: has() takes a path like customer.age",
    ),
    (
        At::When,
        "customer.firstName.matches('(a')",
        "WrongArgument `'(a'`: this pattern is refused: unclosed group",
    ),
    (
        At::When,
        "customer.firstName.matches(customer.country)",
        "WrongArgument `customer.firstName.matches(customer.country)`: matches() takes a literal pattern",
    ),
    (
        At::When,
        "sentimnt(customer.firstName) < 0",
        "UnknownFunction `sentimnt`: there is no function sentimnt() => did you mean sentiment()?",
    ),
    (
        At::When,
        "sentiment(customer.points) < 0",
        "WrongArgument `customer.points`: a text is needed, this is an integer",
    ),
    (
        At::When,
        "size(customer.points) > 1",
        "WrongArgument `size(customer.points)`: an integer has no size",
    ),
    (
        At::When,
        "now > timestamp('2026-01-01')",
        "WrongArgument `'2026-01-01'`: this is not a timestamp => write '2026-11-22T09:00:00Z', or an offset like +01:00",
    ),
    (
        At::When,
        "now - customer.lastSeenAt > duration('2 days')",
        "WrongArgument `'2 days'`: this is not a duration => write '90s', '15m', '36h', '14d' or '1d12h'",
    ),
    (
        At::When,
        "now - customer.lastSeenAt > days('2')",
        "WrongArgument `'2'`: an integer is needed, this is a text",
    ),
    (
        At::When,
        "now.getHours('CET+1') > 3",
        "WrongArgument `'CET+1'`: this zone is not known => write a name like 'Europe/Vienna'",
    ),
    (
        At::With,
        "nextTime('9am', 'Mon,Thirsday')",
        "WrongArgument `'9am'`: this is not a time of day => write '09:00', from '00:00' to '23:59'",
    ),
    (
        At::With,
        "nextTime('09:00', 'Mon,Thirsday')",
        "WrongArgument `'Mon,Thirsday'`: these are not weekdays => write 'Mon,Tue', from Mon to Sun",
    ),
    (
        At::With,
        "nextTime(customer.country)",
        "WrongArgument `customer.country`: this is not a time of day => write '09:00', from '00:00' to '23:59'",
    ),
    (
        At::With,
        "has(customer.age) ? customer.age : 'unknown'",
        "WrongType `'unknown'`: this is a text, the other is an integer",
    ),
    (
        At::With,
        "event.cart.lines[0].note",
        "MayBeMissing `event.cart.lines[0].note`: 'event.cart.lines[0].note' may be missing => give it a default, or write has(event.cart.lines[0].note) ? event.cart.lines[0].note : ...",
    ),
    (
        At::With,
        "customer.age + customer.age + size(customer.country)",
        "MayBeMissing `customer.age`: 'customer.age' may be missing => give it a default, or write has(customer.age) ? customer.age : ...\nMayBeMissing `customer.country`: 'customer.country' may be missing => give it a default, or write has(customer.country) ? customer.country : ...",
    ),
    (
        At::With,
        "has(event.cart) ? event.cart.lines : event.cart.lines",
        "WrongType `has(event.cart) ? event.cart.lines : event.cart.lines`: the schema gives a part of this list of object no single type => give it a type in the touchpoint's schema\nMayBeMissing `event.cart.lines`: 'event.cart.lines' may be missing => give it a default, or write has(event.cart.lines) ? event.cart.lines : ...",
    ),
    (
        At::Integer,
        "customer.points * 1.5",
        "WrongType `customer.points * 1.5`: an integer is needed here, this is a number => write int(...) to cut it to an integer",
    ),
    (
        At::Integer,
        "customer.age + 1",
        "MayBeMissing `customer.age`: 'customer.age' may be missing => give it a default, or write has(customer.age) ? customer.age : ...",
    ),
    (
        At::Tier,
        "'golden'",
        "NeverEqual `'golden'`: its values are none, silver, gold",
    ),
    (
        At::Tier,
        "customer.vip ? 'gold' : 'iron'",
        "NeverEqual `customer.vip ? 'gold' : 'iron'`: its values are none, silver, gold",
    ),
    (
        At::To,
        "customer.age",
        "WrongType `customer.age`: a text is needed here, this is an integer => make it a text with string(...)",
    ),
    (
        At::Text,
        "Hello ${customer.country}",
        "MayBeMissing `customer.country`: 'customer.country' may be missing => give it a default, or write has(customer.country) ? customer.country : ...",
    ),
    (
        At::Text,
        "Hello ${customer.pionts}, you are ${customer.age",
        "UnknownName `pionts`: 'customer' has no 'pionts' => did you mean points?\nSyntax ``: '${' needs its '}' here, but the end is here",
    ),
    (
        At::Text,
        "Hello ${customer.tags}",
        "WrongType `customer.tags`: a list of text cannot stand inside a text",
    ),
    (
        At::Text,
        "Hello ${}",
        "Syntax `}`: a value is needed here, but '}' is here",
    ),
    (
        At::Text,
        "${customer.points}",
        "WrongType `customer.points`: a text is needed here, this is an integer => make it a text with string(...)",
    ),
];
