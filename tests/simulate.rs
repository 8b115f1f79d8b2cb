//! `journey simulate` and `journey dev --clock virtual` as their users run them.

#[path = "support/command.rs"]
mod command;

use command::{journey, said};
use serde_json::{Value, json};
use std::{fs, path::Path};

const EXAMPLE: &str = "examples/abandoned-cart/base";

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let run = |threads: &str, seed: &str| {
        let arguments = [
            "simulate",
            EXAMPLE,
            "--customers",
            "1300",
            "--days",
            "20",
            "--format",
            "json",
        ];
        said(&journey(
            &[&arguments[..], &["--threads", threads, "--seed", seed]].concat(),
        ))
    };
    let one = run("1", "7");
    assert_eq!(one, run("3", "7"));
    assert_ne!(one, run("1", "8"));
    let figures: Value = serde_json::from_str(&one).unwrap();
    let counts = &figures["journeys"]["abandoned-cart"]["counts"];
    let count = |name: &str| counts[name].as_i64().unwrap_or_default();
    assert_eq!(figures["customers"], 1300);
    assert!(count("entered") > 1000, "{counts}");
    // The books balance: whatever was asked for came to something, or is on its way.
    let of = |prefix: &str| {
        let all = counts
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.starts_with(prefix));
        all.map(|(_, n)| n.as_i64().unwrap()).sum::<i64>()
    };
    assert!(of("requested:") >= of("sent:") + of("skipped:") + of("failed:"));
    assert!(of("sent:") > 500 && of("skipped:") > 100, "{counts}");
}

#[test]
fn a_change_is_told_by_what_it_does_to_the_same_customers() {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(EXAMPLE).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(
            folder.path().join(path.file_name().unwrap()),
            text.replace(
                "atMost: 3, per: 7d",
                "atMost: 3, per: 7d}\n  - {channels: [Service], atMost: 1, per: 30d",
            ),
        )
        .unwrap();
    }
    let new = folder.path().to_str().unwrap();
    let same = said(&journey(&[
        "simulate",
        "--compare",
        EXAMPLE,
        EXAMPLE,
        "--customers",
        "300",
    ]));
    assert!(same.contains("0 customers fare differently (0%)"), "{same}");
    let behaviour = folder.path().join("many.behaviour.yaml");
    fs::write(
        &behaviour,
        "events:\n- {event: cart.updated, times: 6, per: 30d}\n- {event: complaint.filed, after: cart.updated, chance: 50%, delay: 3h}\n",
    )
    .unwrap();
    let told = said(&journey(&[
        "simulate",
        "--compare",
        EXAMPLE,
        new,
        "--customers",
        "300",
        "--behaviour",
        behaviour.to_str().unwrap(),
    ]));
    assert!(
        told.contains("skipped: Capped") && told.contains("messages: Service") && told.contains("for example"),
        "{told}"
    );
    assert!(
        told.contains("0 get more messages"),
        "a stricter policy never sends more: {told}"
    );
    assert!(!told.contains("\n0 customers fare differently"), "{told}");
}

#[test]
fn a_behaviour_that_does_not_fit_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.behaviour.yaml");
    for (text, says) in [
        (
            "events: [{event: cart.updatd}]\n",
            "events[0].event: no inbound Touchpoint has event 'cart.updatd'",
        ),
        (
            "customers: {attributes: {size: 7}}\n",
            "customers.attributes.size: the CustomerProfile has no attribute 'size'",
        ),
        (
            "customers: {consent: {marketing: most}}\n",
            "customers.consent.marketing: 'most' is no percentage",
        ),
        (
            "messages: {letter: {}}\n",
            "messages.letter: there is no outbound touchpoint 'letter'",
        ),
        (
            "messages: {cart-reminder: {becomes: {clickd: {chance: 10%}}}}\n",
            "messages.cart-reminder.becomes.clickd: no message becomes clickd",
        ),
        ("evnts: []\n", "unknown field `evnts`"),
        (
            "customers: {attributes: {lapsed: true}}\n",
            "customers.attributes.lapsed: 'lapsed' follows from other attributes: give those",
        ),
    ] {
        fs::write(&file, text).unwrap();
        let of = if text.contains("lapsed") {
            "examples/shop"
        } else {
            EXAMPLE
        };
        let output = journey(&[
            "simulate",
            of,
            "--customers",
            "1",
            "--behaviour",
            file.to_str().unwrap(),
        ]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(says), "{says} is not in {told}");
    }
}

#[test]
fn the_report_is_one_file_that_needs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    said(&journey(&[
        "simulate",
        EXAMPLE,
        "--customers",
        "200",
        "--report",
        file.to_str().unwrap(),
    ]));
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.contains("class=\"flow\"") && page.contains("class=\"calendar\"") && page.contains("class=\"bars\""));
    for outside in ["<script", "<link", "src=", "url(", "@import", "http://", "https://"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

/// Events of some customers over some days, and who is known before.
fn recording(folder: &Path) -> (String, String) {
    let customers = folder.join("customers.csv");
    let mut rows =
        "userId,email,firstName,timezone,tier,consent.marketing,consent.marketing.at,consent.marketing.evidence\n"
            .to_owned();
    let mut events = Vec::new();
    let mut event = |at: i64, n: i64, kind: &str, adapter: &str, data: Value| {
        let at = jiff::Timestamp::from_second(1_767_600_000 + at).unwrap();
        events.push((
            at,
            json!({"specversion": "1.0", "id": format!("{n}-{at}-{kind}"), "source": "recording", "type": kind, "time": at.to_string(),
                "adapter": adapter, "data": data}),
        ));
    };
    for n in 0..40_i64 {
        let user = format!("u{n}");
        let zone = ["Europe/Vienna", "America/New_York", "Asia/Tokyo"][usize::try_from(n % 3).unwrap()];
        let tier = if n % 4 == 0 { "gold" } else { "none" };
        let consent = if n % 5 == 0 {
            ",,".to_owned()
        } else {
            "true,2025-12-01T00:00:00Z,form".to_owned()
        };
        rows.push_str(&format!("{user},{user}@example.com,Ada,{zone},{tier},{consent}\n"));
        let begin = n * 5_417;
        event(
            begin,
            n,
            "cart.updated",
            "web",
            json!({"userId": user, "cartId": format!("c{n}"), "items": n % 3 + 1}),
        );
        if n % 3 == 0 {
            event(
                begin + 1_800,
                n,
                "cart.updated",
                "web",
                json!({"userId": user, "cartId": format!("c{n}"), "items": n % 4}),
            );
        }
        if n % 7 == 0 {
            event(
                begin + 2_000,
                n,
                "order.placed",
                "backend",
                json!({"userId": user, "cartId": format!("c{n}"), "total": 9.5}),
            );
        }
        if n % 4 == 1 {
            event(
                begin + 30_000,
                n,
                "complaint.filed",
                "web",
                json!({"userId": user, "text": "It does not fit"}),
            );
        }
        if n % 6 == 2 {
            event(
                begin + 200_000,
                n,
                "account.changed",
                "backend",
                json!({"userId": user, "newsletter": false}),
            );
            event(
                begin + 300_000,
                n,
                "cart.updated",
                "web",
                json!({"userId": user, "cartId": format!("d{n}"), "items": 1}),
            );
        }
    }
    events.sort_by_key(|(at, _)| *at);
    let file = folder.join("events.jsonl");
    let lines: String = events.into_iter().map(|(_, event)| format!("{event}\n")).collect();
    fs::write(&file, lines).unwrap();
    fs::write(&customers, rows).unwrap();
    (
        file.to_str().unwrap().to_owned(),
        customers.to_str().unwrap().to_owned(),
    )
}

#[test]
fn the_simulator_and_dev_in_virtual_time_send_the_same_messages_to_the_same_customers_at_the_same_instants() {
    let folder = tempfile::tempdir().unwrap();
    let (events, customers) = recording(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // The service desk is a log: nothing leaves this machine.
    let files = folder.path().join("files");
    fs::create_dir(&files).unwrap();
    for entry in fs::read_dir(EXAMPLE).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let text = match text.split_once("  webhook:\n") {
            Some((before, after)) => format!(
                "{before}  log: {{}}\n---{}",
                after.split_once("\n---").map_or("", |(_, rest)| rest)
            ),
            None => text,
        };
        fs::write(files.join(path.file_name().unwrap()), text).unwrap();
    }
    let files = files.to_str().unwrap();
    let (simulated, lived) = (path("simulated.jsonl"), path("lived.jsonl"));
    said(&journey(&[
        "simulate",
        files,
        "--events",
        &events,
        "--import",
        &customers,
        "--days",
        "14",
        "--messages",
        &simulated,
    ]));
    said(&journey(&[
        "dev",
        files,
        "--listen",
        "127.0.0.1:0",
        "--mail-to",
        &path("mail"),
        "--clock",
        "virtual",
        "--events",
        &events,
        "--customers",
        &customers,
        "--days",
        "14",
        "--messages",
        &lived,
    ]));
    let (simulated, lived) = (
        fs::read_to_string(simulated).unwrap(),
        fs::read_to_string(lived).unwrap(),
    );
    assert!(
        simulated.lines().filter(|line| line.contains("\"Sent\"")).count() > 20,
        "{simulated}"
    );
    assert!(
        simulated.contains("NoConsent") && simulated.contains("service-desk"),
        "{simulated}"
    );
    assert_eq!(simulated, lived);
    assert_eq!(
        fs::read_dir(path("mail")).unwrap().count(),
        simulated
            .lines()
            .filter(|line| line.contains("\"cart-reminder\"") && line.contains("\"Sent\""))
            .count(),
        "each is a mail in the folder"
    );
}
