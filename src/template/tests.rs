use super::*;
use serde_json::json;

fn place() -> Place {
    let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
    Place {
        customer: names(&["firstName", "email", "tags", "vip"]),
        with: names(&["tone", "cart"]),
        ..Place::default()
    }
}

fn html() -> Place {
    Place { html: true, ..place() }
}

fn render_with(source: &str, place: &Place, customer: serde_json::Value) -> Result<String, RenderError> {
    let object = |value: serde_json::Value| value.as_object().cloned().unwrap_or_default();
    let (customer, with) = (object(customer), object(json!({"tone": "warm", "cart": "c 9"})));
    compile(source, place).unwrap().render(&Values {
        customer: &customer,
        customer_id: "u-1",
        with: &with,
        content: None,
        to: None,
        link: &|url| format!("https://e.example/l/{}?s=a&b", url.len()),
        unsubscribe: Some("https://e.example/u?k=1&s=2"),
        preferences: None,
        confirm: None,
        leave: Some("https://e.example/c/leave"),
        join: &|journey| format!("https://e.example/c/{journey}?a&b"),
    })
}

fn render(source: &str, place: &Place) -> String {
    render_with(
        source,
        place,
        json!({"firstName": "Ada <3", "tags": ["a", "b"], "vip": true, "email": null}),
    )
    .unwrap()
}

fn mistakes(source: &str) -> Vec<String> {
    match compile(source, &place()) {
        Ok(_) => vec![],
        Err(all) => all
            .into_iter()
            .map(|m| format!("{}: {}; {}", m.line, m.message, m.help.unwrap_or_default()))
            .collect(),
    }
}

#[test]
fn text_says_what_is_known_of_the_customer() {
    for (source, text) in [
        ("Hello {{ customer.firstName }}", "Hello Ada <3"),
        ("{{ customer['firstName'] }} {{ customer.id }}", "Ada <3 u-1"),
        ("[{{ customer.email }}]", "[]"),
        ("[{{ customer.email|upper }}]", "[]"),
        ("{{ customer.email|default('there') }}", "there"),
        ("{{ 'dear ' ~ customer.firstName|default('friend') }}", "dear Ada <3"),
        (
            "{% for t in customer.tags %}{{ loop.index }}{{ t|upper }} {% endfor %}",
            "1A 2B ",
        ),
        (
            "{% if customer.vip and with.tone == 'warm' %}yes{% else %}no{% endif %}",
            "yes",
        ),
        ("{% set name = customer.firstName %}{{ name|lower }}", "ada <3"),
        (
            "{% macro hi(who) %}hi {{ who }}{% endmacro %}{{ hi(with.tone) }}",
            "hi warm",
        ),
        ("{{ with.cart|urlencode }} {{ with.cart|tojson }}", "c%209 \"c 9\""),
        (
            "{{ 'test@example.com'|upper|lower|sha256 }}",
            "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b",
        ),
        (
            "{{ link('https://shop.example/cart?a=1') }}",
            "https://e.example/l/29?s=a&b",
        ),
        (
            "{{ link('https://shop.example/' ~ with.cart) }}",
            "https://e.example/l/24?s=a&b",
        ),
        (
            "{{ range(3)|join }} {{ range(1, 6, 2)|join }} {{ range(3, 0, -1)|join }} {{ range(0, 3, -1)|join }}",
            "012 135 321 ",
        ),
        ("{{ unsubscribe_link() }}", "https://e.example/u?k=1&s=2"),
        (
            "{{ leave_link() }} {{ join_link('tips') }}",
            "https://e.example/c/leave https://e.example/c/tips?a&b",
        ),
    ] {
        assert_eq!(render(source, &place()), text, "{source}");
    }
}

#[test]
fn html_escapes_what_customers_wrote_and_keeps_links_whole() {
    for (source, text) in [
        ("<p>{{ customer.firstName }}</p>", "<p>Ada &lt;3</p>"),
        (
            "<a href=\"{{ link('https://shop.example/') }}\">",
            "<a href=\"https://e.example/l/21?s=a&amp;b\">",
        ),
        (
            "<a href=\"{{ join_link('tips') }}\">",
            "<a href=\"https://e.example/c/tips?a&amp;b\">",
        ),
        (
            "<a href=\"{{ unsubscribe_link() }}\">",
            "<a href=\"https://e.example/u?k=1&amp;s=2\">",
        ),
    ] {
        assert_eq!(render(source, &html()), text, "{source}");
    }
}

#[test]
fn what_a_template_reads_is_known_before_it_runs() {
    let template = compile("{% if customer.vip %}{{ customer.firstName }}{{ with.tone }}{{ unsubscribe_link() }}{% endif %}{{ customer.id }}", &place()).unwrap();
    assert_eq!(template.reads().iter().collect::<Vec<_>>(), ["firstName", "vip"]);
    assert!(template.unsubscribes() && !template.links());
}

#[test]
fn each_mistake_says_where_it_is_and_what_to_write() {
    for (source, mistake) in [
        (
            "\n{{ customer.fistName }}",
            "2: 'customer' has no 'fistName'; did you mean customer.firstName?",
        ),
        (
            "{{ customer.age }}",
            "1: 'customer' has no 'age'; add it to the attributes of the CustomerProfile",
        ),
        ("{{ with.tome }}", "1: 'with' has no 'tome'; did you mean with.tone?"),
        (
            "{{ firstName }}",
            "1: 'firstName' is not known here; write customer.firstName",
        ),
        (
            "{{ custmer.firstName }}",
            "1: 'custmer' is not known here; did you mean customer?",
        ),
        (
            "{{ event.id }}",
            "1: 'event' is not known here; known here: customer, with",
        ),
        (
            "{{ customer }}",
            "1: 'customer' as a whole cannot be used; name what is needed: customer.NAME",
        ),
        (
            "{{ with|tojson }}",
            "1: 'with' as a whole cannot be used; name what is needed: with.NAME",
        ),
        (
            "{% for a in customer|items %}{% endfor %}",
            "1: 'customer' as a whole cannot be used; name what is needed: customer.NAME",
        ),
        (
            "{% set c = customer %}",
            "1: 'customer' as a whole cannot be used; name what is needed: customer.NAME",
        ),
        (
            "{% set x = 'email' %}{{ customer[x] }}",
            "1: customer[...] would read what is not known before it runs; name it: customer.NAME",
        ),
        ("{% set customer = 1 %}", "1: 'customer' is taken; choose another name"),
        (
            "{{ customer.firstName|uper }}",
            "1: there is no filter 'uper'; did you mean upper?",
        ),
        (
            "{{ customer.firstName|safe }}",
            "1: there is no filter 'safe'; values are always escaped in html: write tags in the template itself",
        ),
        ("{{ 'firstName'|attr('x') }}", "1: there is no filter 'attr'; "),
        (
            "{{ lnk('https://a.example') }}",
            "1: there is no function 'lnk'; did you mean link()?",
        ),
        (
            "{{ debug() }}",
            "1: there is no function 'debug'; functions are link, unsubscribe_link, preferences_link, confirm_link, leave_link, join_link, range, dict, namespace",
        ),
        (
            "{{ link('shop.example') }}",
            "1: link() takes an address that begins with https:// or http://; write link('https://shop.example/cart')",
        ),
        (
            "{{ link() }}",
            "1: link() takes one address; write link('https://shop.example/cart')",
        ),
        ("{{ link }}", "1: 'link' is a function; call it: link(...)"),
        (
            "{{ customer.firstName.upper() }}",
            "1: values have no method 'upper'; write a filter: value|upper",
        ),
        (
            "{{ customer.firstName.last }}",
            "1: 'customer.firstName' has no 'last': it is one value; ",
        ),
        ("{% if customer.vip is foo %}{% endif %}", "1: there is no test 'foo'; "),
        ("{{ leave_link(1) }}", "1: leave_link() takes nothing; "),
        (
            "{{ join_link(with.tone) }}",
            "1: join_link() takes the name of a journey, in quotes; write join_link('weekly-tips')",
        ),
        (
            "{% autoescape false %}{% endautoescape %}",
            "1: autoescape cannot be changed: values are escaped in html, and only there; ",
        ),
        (
            "{{ x }}{% set x = 1 %}",
            "1: 'x' is not known here; known here: customer, with",
        ),
    ] {
        assert_eq!(mistakes(source), [mistake], "{source}");
    }
}

#[test]
fn what_cannot_be_read_or_is_made_of_other_files_is_refused() {
    for (source, part) in [
        ("{% extends 'base' %}", "a template is no part of another"),
        ("{% import 'x' as y %}", "a template is no part of another"),
        ("{% from 'x' import y %}", "a template is no part of another"),
        ("{% block x %}{% endblock %}", "a template is no part of another"),
        ("{{ customer.firstName", "unexpected end"),
        ("{% if customer.vip %}", "end of input"),
        ("{{ a b }}", "unexpected"),
    ] {
        let found = mistakes(source);
        assert!(found.len() == 1 && found[0].contains(part), "{source}: {found:?}");
    }
}

/// A place with texts to include.
fn blocks(texts: &[(&str, &str)]) -> Place {
    Place {
        includes: texts
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).into()))
            .collect(),
        ..place()
    }
}

#[test]
fn an_included_text_is_a_part_of_the_template() {
    let place = blocks(&[
        ("hello.txt", "Hello {{ customer.firstName }}{% include 'mark' %}"),
        ("mark", "{{ sign }} {{ link('https://shop.example/') }}"),
        ("content", "{% for i in range(3) %}{{ i }}{% endfor %}"),
    ]);
    let source = "{% set sign = '!' %}{% include 'hello.txt' %} {% include 'content' %}";
    assert_eq!(render(source, &place), "Hello Ada <3! https://e.example/l/21?s=a&b 012");
    let template = compile(source, &place).unwrap();
    assert_eq!(template.reads().iter().collect::<Vec<_>>(), ["firstName"]);
    assert!(template.links());
    let escaped = Place { html: true, ..place };
    assert!(render(source, &escaped).starts_with("Hello Ada &lt;3!"));
}

#[test]
fn an_include_is_known_before_it_runs_bounded_and_checked() {
    let chain: Vec<(String, String)> = (0..=limits::INCLUDE_DEPTH)
        .map(|n| (format!("c{n}"), format!("{{% include 'c{}' %}}", n + 1)))
        .chain([(format!("c{}", limits::INCLUDE_DEPTH + 1), "end".into())])
        .collect();
    let mut texts: Vec<(&str, &str)> = chain
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    // Doubles at each level: the number of includes is bounded, not only their depth.
    let bomb =
        ["b1", "b2", "b3", "b4", "b5", "b6"].map(|next| format!("{0}{0}{0}{0}", format!("{{% include '{next}' %}}")));
    for (n, text) in bomb.iter().enumerate() {
        texts.push((["b0", "b1", "b2", "b3", "b4", "b5"][n], text));
    }
    let large = "x\n".repeat(45_000);
    let many: Vec<String> = (0..7).map(|n| format!("large{n}")).collect();
    texts.extend(many.iter().map(|name| (name.as_str(), large.as_str())));
    let too_large: String = many.iter().map(|name| format!("{{% include '{name}' %}}")).collect();
    let huge = "x".repeat(limits::SOURCE + 1);
    texts.extend([
        ("b6", "x"),
        ("a", "1\n{% include 'b' %}"),
        ("b", "{% include 'a' %}"),
        ("typo", "{{ customer.fistName }}"),
        ("broken", "{% if %}"),
        ("huge", huge.as_str()),
    ]);
    let place = blocks(&texts);
    for (source, expected) in [
        (
            "{% include with.tone %}",
            "1: what is included must be known before it runs; write {% include 'NAME' %}",
        ),
        (
            "{% include ['a', 'b'] %}",
            "what is included must be known before it runs",
        ),
        ("{% include 7 %}", "an include names one text"),
        ("{% include 'typo' ignore missing %}", "'typo' must be there"),
        (
            "{% include 'tpyo' %}",
            "there is no text 'tpyo' to include; did you mean 'typo'?",
        ),
        (
            "{% include 'a' %}",
            "1: of 'b', which it includes: it would be included for ever: a, b, a",
        ),
        (
            "\n{% include 'typo' %}",
            "1: of 'typo', which it includes: 'customer' has no 'fistName'; did you mean customer.firstName?",
        ),
        ("{% include 'broken' %}", "1: of 'broken', which it includes: "),
        ("{% include 'huge' %}", "of 'huge', which it includes: 100001 bytes"),
        ("{% include 'c0' %}", "more than 8 texts include each other"),
        ("{% include 'b0' %}", "more than 100 includes"),
        (&too_large, "what it includes has more than 500000 bytes"),
    ] {
        let found = compile(source, &place).unwrap_err();
        let first = format!(
            "{}: {}; {}",
            found[0].line,
            found[0].message,
            found[0].help.clone().unwrap_or_default()
        );
        assert!(
            first.contains(expected) && found.len() <= limits::MISTAKES,
            "{source}: {first}"
        );
    }
    assert_eq!(render("{% include 'c2' %}", &place), "end", "as deep as is allowed");
    let endless = render_with(
        "{% for i in range(99999) %}{% include 'b5' %}{% endfor %}",
        &place,
        json!({}),
    );
    assert_eq!(endless, Err(RenderError::TooCostly { fuel: limits::FUEL }));
}

#[test]
fn a_template_without_end_ends_quickly() {
    for source in [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ ('x' * 1000000)|upper }}",
        "{{ range(9223372036854775807, -9223372036854775807, -1)|join }}",
        "{{ range(99999)|list|sort|join }}",
        "{% set ns = namespace(s='x') %}{% for i in range(1000) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{{ ('a\n' * 10000)|indent(10000) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ] {
        let result = match compile(source, &place()) {
            Ok(_) => render_with(source, &place(), json!({})).map(|text| text.len()),
            Err(mistakes) => panic!("{source}: {mistakes:?}"),
        };
        assert!(result.is_err(), "{source}: {result:?}");
    }
    assert_eq!(
        render_with("{% for i in range(10**9) %}x{% endfor %}", &place(), json!({})),
        Err(RenderError::TooCostly { fuel: limits::FUEL })
    );
}

#[test]
fn a_text_that_is_too_long_is_not_sent() {
    let source = "{% for i in range(300) %}{{ customer.firstName }}{% endfor %}";
    let long = json!({"firstName": "x".repeat(1000)});
    assert_eq!(
        render_with(source, &place(), long),
        Err(RenderError::TooLong { limit: limits::OUTPUT })
    );
}

#[test]
fn an_error_does_not_quote_what_is_known_of_the_customer() {
    let error = render_with("{{ customer.firstName + 1 }}", &place(), json!({"firstName": "Ada"})).unwrap_err();
    assert!(!error.to_string().contains("Ada"), "{error}");
}

/// On a thread with the small stack of a worker.
#[test]
fn a_hostile_source_overflows_nothing() {
    let many = |part: &str| part.repeat(limits::SOURCE / part.len());
    let sources = [
        format!("{{{{ {}1 }}}}", many("1+")),
        format!("{{{{ {}1 }}}}", many("(")),
        format!("{{{{ {}1 }}}}", many("not ")),
        format!("{{{{ {}1 }}}}", many("-")),
        format!("{{{{ {}1 }}}}", many("1 if ")),
        format!("{{{{ {} }}}}", many("[")),
        format!("{{{{ 1{} }}}}", many("|upper")),
        format!("{{{{ a{} }}}}", many(".a")),
        format!("{{{{ a{} }}}}", many("[0]")),
        format!("{{{{ link{} }}}}", many("()")),
        format!("{{{{ {} }}}}", many("{1:")),
        many("{% if 1 %}"),
        many("{% if 1 %}{% endif %}"),
        format!("{{% if 1 %}}{}{{% endif %}}", many("{% elif 1 %}")),
        many("{% for a in b %}"),
        many("{% set a %}"),
        many("{% filter upper %}"),
        many("{% macro a() %}"),
        many("{% with %}"),
        many("{{"),
        many("{#"),
        many("{{ 1 }}"),
        many("\n"),
        many("\n{{ 1 }}"),
        format!("{{{{ {}", many("a").split_at(limits::LINE - 10).0),
        format!("{}{{{{ \"", many("a").split_at(limits::LINE - 10).0),
        "x".repeat(limits::SOURCE + 1),
    ];
    std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            for source in &sources {
                if let Ok(template) = compile(&source[..source.len().min(limits::SOURCE + 1)], &place()) {
                    drop(template);
                }
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn a_template_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + fmt::Debug>(_: &T) {}
    shared(&compile("{{ customer.email }}", &place()).unwrap());
}
