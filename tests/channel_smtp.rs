//! Mail over real connections: to a real mail server with STARTTLS and a login, and to one that does what mail servers do on bad days.

mod channel_support;
#[path = "support/mail_server.rs"]
mod mail_server;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/process.rs"]
mod process;

use channel_support::{
    Mounted, Pki, hand_over, later, message, open,
    smtp::{END, Encryption, GREETING, Peer, Say, Script},
    unknown,
};
use journey::{
    channel::{Channel, Reply},
    compile::{self, Manifests},
    keys::{self, Keys},
    personal::Personal,
    store::{JourneyRow, Store, postgres::Postgres},
};
use mail_server::MailServer;
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

const LOGIN: [(&str, &[u8]); 2] = [("login/username", b"shop"), ("login/password", b"right-password\n")];

/// A mail server with that login, and the folder that it lives in.
async fn mail_server() -> (MailServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let server = MailServer::start(folder.path(), "shop", "right-password").await;
    (server, folder)
}

fn adapter(port: u16, more: Value) -> Value {
    let mut smtp = json!({"host": "localhost", "port": port, "from": "Shop <hello@shop.example>", "ca": {"secretRef": {"name": "ca"}}});
    for (name, value) in more.as_object().unwrap() {
        smtp[name] = value.clone();
    }
    json!({"smtp": smtp, "timeout": "2s"})
}

fn with_login(port: u16) -> Value {
    adapter(port, json!({"credentials": {"secretRef": {"name": "login"}}}))
}

/// A scripted server that speaks TLS from the first byte, and the channel to it.
async fn scripted(script: Script) -> (Peer, Arc<dyn Channel>, Mounted) {
    let pki = Pki::shared();
    let peer = Peer::start(Encryption::FromTheStart(pki.server("right")), script).await;
    let mounted = Mounted::new(&[("ca/ca.crt", &pki.ca())]);
    let channel = open(adapter(peer.address.port(), json!({"security": "Tls"})), &mounted);
    (peer, channel, mounted)
}

fn head(mail: &str) -> String {
    mail.split("\n\n").next().unwrap().replace("\n ", " ")
}

#[tokio::test]
async fn a_mail_arrives_whole_with_the_headers_of_one_click_unsubscription() {
    let (server, folder) = mail_server().await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", server.ca().as_bytes())]);
    let channel = open(with_login(server.port), &mounted);
    let mut message = message(7);
    let page = message.unsubscribe.clone().unwrap();
    let smuggled = "Dear Ada,\n.\nMAIL FROM:<eve@example.org>\r\n.\r\nRCPT TO:<bob@example.org>\n..two dots\r\nend";
    message.content.insert(
        "subject".into(),
        Personal::new("Für dich\r\nBcc: bob@example.org".into()),
    );
    message.content.insert("text".into(), Personal::new(smuggled.into()));
    message.content.insert(
        "html".into(),
        Personal::new(format!("<p>Grüße</p>{}", "x".repeat(3000))),
    );
    assert_eq!(hand_over(&*channel, &message).await, Reply::Sent);

    let mails = server.texts();
    assert_eq!(mails.len(), 1, "what is in a body is no command");
    let head = head(&mails[0]);
    let has = |line: &str| assert!(head.lines().any(|known| known == line), "{line}\n{head}");
    has("List-Unsubscribe-Post: List-Unsubscribe=One-Click");
    has(&format!("List-Unsubscribe: <{}>", page.expose()));
    has("From: Shop <hello@shop.example>");
    has("To: ada@example.com");
    has(&format!("Message-ID: <{}@shop.example>", message.key));
    has("X-RcptTo: ada@example.com");
    assert!(head.contains("\nDate: ") && !head.contains("\nBcc:"), "{head}");

    let parsed = Command::new("python3")
        .args(["-c", "import email,email.policy,sys\nm=email.message_from_file(sys.stdin,policy=email.policy.default)\nprint(m['subject'])\nfor k in ('plain','html'): print(m.get_body((k,)).get_content())"])
        .stdin(std::fs::File::open(only_file(&folder.path().join("mail/new"))).unwrap())
        .output()
        .unwrap();
    let parsed = String::from_utf8(parsed.stdout).unwrap().replace("\r\n", "\n");
    assert!(parsed.starts_with("Für dich  Bcc: bob@example.org\n"), "{parsed}");
    assert!(parsed.contains(&smuggled.replace("\r\n", "\n")), "{parsed}");
    assert!(
        parsed.contains(&format!("<p>Grüße</p>{}", "x".repeat(3000))),
        "{parsed}"
    );
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_to_mend_and_the_mail_goes_out_then() {
    let (server, _folder) = mail_server().await;
    let mounted = Mounted::new(&[
        LOGIN[0],
        ("login/password", b"wrong"),
        ("ca/ca.crt", server.ca().as_bytes()),
    ]);
    let channel = open(with_login(server.port), &mounted);
    for _ in 0..2 {
        assert_eq!(
            later(hand_over(&*channel, &message(1)).await),
            "the login was refused (smtp 535)"
        );
    }
    std::fs::remove_file(mounted.0.path().join("login/password")).unwrap();
    let reason = later(hand_over(&*channel, &message(1)).await);
    assert!(
        reason.starts_with("login/password of the mounted Secrets cannot be read"),
        "{reason}"
    );
    assert!(server.texts().is_empty());

    mounted.put("login/password", b"right-password");
    assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Sent);
    assert_eq!(server.texts().len(), 1);
}

#[tokio::test]
async fn a_server_whose_certificate_nobody_vouches_for_gets_nothing() {
    let pki = Pki::shared();
    let of_others = Pki::new();
    for security in ["StartTls", "Tls"] {
        for (name, ca, says) in [
            ("right", None, "UnknownIssuer"),
            ("right", Some(of_others.ca()), "invalid peer certificate"),
            ("wrong", Some(pki.ca()), "not valid for name"),
            ("right", Some(b"no PEM".to_vec()), "holds no certificate in PEM"),
        ] {
            let config = pki.server(name);
            let encryption = if security == "Tls" {
                Encryption::FromTheStart(config)
            } else {
                Encryption::StartTls(config)
            };
            let peer = Peer::start(encryption, vec![]).await;
            let mounted = Mounted::new(&LOGIN);
            let mut spec = with_login(peer.address.port());
            spec["smtp"]["security"] = json!(security);
            match &ca {
                Some(ca) => mounted.put("ca/ca.crt", ca),
                None => drop(spec["smtp"].as_object_mut().unwrap().remove("ca")),
            }
            let reason = later(hand_over(&*open(spec, &mounted), &message(1)).await);
            assert!(reason.contains(says), "{security} {name}: {reason}");
            let heard = peer.heard();
            assert!(
                heard.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"),
                "{heard:?}"
            );
        }
    }
}

#[tokio::test]
async fn to_a_server_without_starttls_nothing_is_sent_in_the_clear() {
    for offers in ["250-peer\r\n250 AUTH PLAIN LOGIN", "250 peer", "502 no"] {
        let peer = Peer::start(Encryption::None, vec![(0, "EHLO", Say::Line(offers))]).await;
        let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", &Pki::shared().ca())]);
        let reason = later(hand_over(&*open(with_login(peer.address.port()), &mounted), &message(1)).await);
        assert!(reason.contains("STARTTLS") || reason.contains("smtp 502"), "{reason}");
        assert!(
            peer.heard().iter().all(|line| line.starts_with("EHLO")),
            "{:?}",
            peer.heard()
        );
    }
    let refuses = vec![(0, "STARTTLS", Say::Line("454 TLS not available"))];
    let peer = Peer::start(Encryption::StartTls(Pki::shared().server("right")), refuses).await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", &Pki::shared().ca())]);
    let reason = later(hand_over(&*open(with_login(peer.address.port()), &mounted), &message(1)).await);
    assert!(reason.contains("454"), "{reason}");
    assert_eq!(peer.heard().last().unwrap(), "STARTTLS");
}

#[tokio::test]
async fn answers_that_somebody_slips_in_before_the_handshake_are_not_believed() {
    let pki = Pki::shared();
    let slipped = "250 peer\r\n250 ok\r\n250 ok\r\n354 go ahead\r\n250 taken";
    let peer = Peer::start(Encryption::StartTlsAnd(pki.server("right"), slipped), vec![]).await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", &pki.ca())]);
    let reason = later(hand_over(&*open(with_login(peer.address.port()), &mounted), &message(1)).await);
    assert!(reason.contains("somebody may be on the way"), "{reason}");
    assert_eq!(peer.bodies(), 0);
}

#[tokio::test]
async fn over_starttls_only_the_way_there_is_spoken_in_the_clear() {
    let pki = Pki::shared();
    let peer = Peer::start(Encryption::StartTls(pki.server("right")), vec![]).await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", &pki.ca())]);
    let channel = open(with_login(peer.address.port()), &mounted);
    assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Sent);
    let clear = peer.heard_in_the_clear();
    assert!(
        clear.len() == 2 && clear[0].starts_with("EHLO") && clear[1] == "STARTTLS",
        "{clear:?}"
    );
    assert!(peer.heard().iter().any(|line| line.starts_with("AUTH PLAIN")));
    assert_eq!(peer.bodies(), 1);
}

#[tokio::test]
async fn what_a_server_has_against_the_recipient_is_final_and_told_without_the_address() {
    let (peer, channel, _mounted) = scripted(vec![
        (
            0,
            "RCPT TO:<nobody@",
            Say::Line("550-5.1.1 <ada@example.com>\r\n550 user unknown"),
        ),
        (
            0,
            "RCPT TO:<full@",
            Say::Line("452 4.2.2 <ada@example.com> is over quota"),
        ),
    ])
    .await;
    let mut to_nobody = message(1);
    to_nobody.to = Some(Personal::new("nobody@example.com".into()));
    assert_eq!(hand_over(&*channel, &to_nobody).await, Reply::Refused("Smtp550".into()));
    let mut to_full = message(2);
    to_full.to = Some(Personal::new("full@example.com".into()));
    assert_eq!(later(hand_over(&*channel, &to_full).await), "smtp 452");
    assert_eq!(hand_over(&*channel, &message(3)).await, Reply::Sent);
    assert_eq!(
        (peer.connections(), peer.bodies()),
        (1, 1),
        "the others go on by the same connection"
    );
    assert_eq!(peer.heard().iter().filter(|line| *line == "RSET").count(), 2);
}

#[tokio::test]
async fn an_answer_to_the_mail_itself_is_final_or_not_by_its_code() {
    for (says, expected) in [
        (
            "554 5.7.1 ada@example.com does not want this",
            Reply::Refused("Smtp554".into()),
        ),
        ("451 4.7.1 come back later", later_of("smtp 451")),
        ("530 5.7.0 must authenticate", later_of("smtp 530")),
    ] {
        let (peer, channel, _mounted) = scripted(vec![(0, END, Say::Line(says))]).await;
        assert_eq!(hand_over(&*channel, &message(1)).await, expected);
        assert_eq!(peer.bodies(), 1);
    }
}

fn later_of(reason: &str) -> Reply {
    Reply::TryLater {
        reason: reason.into(),
        after: None,
    }
}

#[tokio::test]
async fn what_a_server_has_against_us_is_not_held_against_the_message() {
    for (command, says, reason) in [
        (
            GREETING,
            "554 5.7.1 no service for you",
            "the server refuses the connection (smtp 554)",
        ),
        (GREETING, "HTTP/1.1 400 Bad Request", "the server speaks no SMTP"),
        (
            "EHLO",
            "550 5.7.1 who are you",
            "the server refuses the connection (smtp 550)",
        ),
        (
            "MAIL",
            "553 5.7.1 not your address",
            "the sender was not taken (smtp 553)",
        ),
        ("MAIL", "421 too busy", "the sender was not taken (smtp 421)"),
        ("RCPT", "451 4.7.1 greylisted", "smtp 451"),
        ("DATA", "452 no space", "smtp 452"),
    ] {
        let (peer, channel, _mounted) = scripted(vec![(0, command, Say::Line(says))]).await;
        assert_eq!(later(hand_over(&*channel, &message(1)).await), reason);
        assert_eq!(peer.bodies(), 0);
    }
}

#[tokio::test]
async fn before_the_body_a_broken_or_silent_connection_is_no_loss_and_after_it_nobody_knows() {
    let begun = Instant::now();
    for (command, say) in [
        (GREETING, Say::Cut),
        (GREETING, Say::Silence),
        ("EHLO", Say::Cut),
        ("MAIL", Say::Silence),
        ("RCPT", Say::Cut),
        ("DATA", Say::Cut),
        ("DATA", Say::Silence),
    ] {
        let (peer, channel, _mounted) = scripted(vec![(0, command, say)]).await;
        later(hand_over(&*channel, &message(1)).await);
        assert_eq!(peer.bodies(), 0);
    }
    for (say, reason) in [
        (Say::Cut, "the connection broke after the mail was handed over"),
        (
            Say::Line("what?"),
            "the connection broke after the mail was handed over",
        ),
        (Say::Silence, "no answer in time after the mail was handed over"),
    ] {
        let (peer, channel, _mounted) = scripted(vec![(0, END, say)]).await;
        assert_eq!(unknown(hand_over(&*channel, &message(1)).await), reason);
        assert_eq!(peer.bodies(), 1, "it is not sent a second time");
    }
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "each is bounded by the adapter's timeout"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_later() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mounted = Mounted::new(&[("ca/ca.crt", &Pki::shared().ca())]);
    let reason = later(hand_over(&*open(adapter(gone, json!({})), &mounted), &message(1)).await);
    assert!(reason.starts_with("cannot connect"), "{reason}");
    let nowhere = adapter(gone, json!({"host": "mail.invalid"}));
    let reason = later(hand_over(&*open(nowhere, &mounted), &message(1)).await);
    assert!(reason.starts_with("cannot connect"), "{reason}");
}

#[tokio::test]
async fn mails_share_connections_and_those_at_once_have_one_each() {
    let (peer, channel, _mounted) = scripted(vec![]).await;
    for number in 0..3 {
        assert_eq!(hand_over(&*channel, &message(number)).await, Reply::Sent);
    }
    assert_eq!(peer.connections(), 1);
    let at_once = (3..23).map(|number| {
        let channel = Arc::clone(&channel);
        async move { hand_over(&*channel, &message(number)).await }
    });
    let replies = futures::future::join_all(at_once).await;
    assert!(replies.iter().all(|reply| *reply == Reply::Sent), "{replies:?}");
    assert_eq!(peer.bodies(), 23);
    let before = peer.connections();
    hand_over(&*channel, &message(23)).await;
    assert_eq!(peer.connections(), before);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_costs_no_mail() {
    for farewell in [
        Say::Cut,
        Say::LineAndCut("421 4.4.2 idle for too long"),
        Say::Line("451 4.3.0 too many mails by one connection"),
    ] {
        let (peer, channel, _mounted) = scripted(vec![(1, "2 MAIL", farewell)]).await;
        assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Sent);
        assert_eq!(hand_over(&*channel, &message(2)).await, Reply::Sent);
        assert_eq!((peer.connections(), peer.bodies()), (2, 2));
    }
    let (peer, channel, _mounted) = scripted(vec![(1, END, Say::LineAndCut("250 taken"))]).await;
    assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Sent);
    assert_eq!(hand_over(&*channel, &message(2)).await, Reply::Sent);
    assert_eq!((peer.connections(), peer.bodies()), (2, 2));
}

#[tokio::test]
async fn an_address_beyond_ascii_goes_only_to_a_server_that_takes_it() {
    let mut abroad = message(1);
    abroad.to = Some(Personal::new("d\u{f6}rte@example.com".into()));
    let (peer, channel, _mounted) = scripted(vec![]).await;
    assert_eq!(hand_over(&*channel, &abroad).await, Reply::Refused("NoSmtpUtf8".into()));
    assert_eq!(peer.bodies(), 0);
    let offers = vec![(0, "EHLO", Say::Line("250-peer\r\n250-8BITMIME\r\n250 SMTPUTF8"))];
    let (peer, channel, _mounted) = scripted(offers).await;
    assert_eq!(hand_over(&*channel, &abroad).await, Reply::Sent);
    let heard = peer.heard();
    assert!(
        heard
            .iter()
            .any(|line| line.starts_with("MAIL FROM:<hello@shop.example> SMTPUTF8 BODY=8BITMIME")),
        "{heard:?}"
    );
    assert!(
        heard.contains(&"RCPT TO:<d\u{f6}rte@example.com>".to_owned()),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_login_that_the_server_cannot_take_is_told() {
    let pki = Pki::shared();
    let offers = vec![(0, "EHLO", Say::Line("250-peer\r\n250 AUTH XOAUTH2"))];
    let peer = Peer::start(Encryption::FromTheStart(pki.server("right")), offers).await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", &pki.ca())]);
    let mut spec = with_login(peer.address.port());
    spec["smtp"]["security"] = json!("Tls");
    let reason = later(hand_over(&*open(spec, &mounted), &message(1)).await);
    assert_eq!(reason, "the server offers no login by PLAIN or LOGIN");
    assert!(peer.heard().iter().all(|line| !line.starts_with("AUTH")));
}

const SHOP: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec: {attributes: {email: {type: string, personal: true}, firstName: {type: string, default: friend}}}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec: {purposes: [{name: marketing, basis: Consent, attributes: [email, firstName]}]}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-key}}, publicUrl: https://events.shop.example, public: true}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: mail}
spec:
  smtp: {host: localhost, port: 587, from: Shop <hello@shop.example>, credentials: {secretRef: {name: login}}, ca: {secretRef: {name: ca}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: signed-up}
spec:
  channel: Web
  inbound: {event: signed.up, customer: event.userId, schema: {type: object, properties: {userId: {type: string}}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: hello}
spec:
  channel: Email
  outbound:
    adapter: mail
    to: ${customer.email}
    purpose: marketing
    content:
      subject: Hello {{ customer.firstName }}
      text: "{{ with.reason }} {{ link('https://shop.example/cart') }} {{ unsubscribe_link() }}"
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: welcome}
spec:
  description: Greets whoever has signed up.
  entry: {triggers: [{event: signed-up}]}
  steps:
  - {name: greet, send: {touchpoint: hello, with: {reason: because}}}
"#;

#[tokio::test]
async fn a_test_mail_goes_out_by_the_real_adapter_and_is_counted_nowhere() {
    let (mail_server, _folder) = mail_server().await;
    let mounted = Mounted::new(&[LOGIN[0], LOGIN[1], ("ca/ca.crt", mail_server.ca().as_bytes())]);
    let keys = Mounted::new(&[]);
    for key in ["seal", "mac"] {
        keys.put(key, keys::encode(&keys::random_key()).as_bytes());
    }
    let database = postgres::Server::shared();
    let url = database.url(&database.database().await);
    let store = Postgres::connect(&url, None, 2, Keys::read(keys.0.path()).unwrap()).unwrap();
    store.migrate().await.unwrap();
    let mut manifests = Manifests {
        namespace: "shop".into(),
        ..Manifests::default()
    };
    let here = SHOP.replace("587", &mail_server.port.to_string());
    manifests.read(&here, "shop.yaml").unwrap();
    let program = compile::journey(&manifests, "welcome").unwrap().program;
    let row = JourneyRow {
        journey: "welcome".into(),
        revision: program.revision,
        suspended: false,
        listens: program.listens,
        body: serde_json::to_value(compile::pinned(&manifests, "welcome")).unwrap(),
    };
    let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
    store.put_settings("shop", &settings).await.unwrap();
    store.put_journey("shop", &row).await.unwrap();

    let send_test = |more: &[&str]| {
        let said = Command::new(env!("CARGO_BIN_EXE_journey"))
            .args(["send-test", "hello", "--namespace", "shop", "--to", "ada@example.com"])
            .args(["--database", &url, "--keys"])
            .arg(keys.0.path())
            .arg("--secrets")
            .arg(mounted.0.path())
            .args(more)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (said.status.success(), text(said.stdout), text(said.stderr))
    };
    let (sent, told, wrong) = send_test(&["--attribute", "firstName=Ada", "--with", "reason=just because"]);
    assert!(sent && told.starts_with("sent by adapter mail"), "{told} {wrong}");
    let [mail] = &mail_server.texts()[..] else {
        panic!("one mail")
    };
    let head = head(mail);
    assert!(
        head.contains("\nSubject: Hello Ada\n") && head.contains("\nTo: ada@example.com\n"),
        "{head}"
    );
    assert!(
        head.contains("\nList-Unsubscribe: <https://events.shop.example/u/"),
        "{head}"
    );
    let body = mail.replace("=\n", "");
    assert!(
        body.contains("just because https://shop.example/cart https://events.shop.example/u/"),
        "{mail}"
    );

    mounted.put("login/password", b"wrong");
    let (sent, _, told) = send_test(&[]);
    assert!(!sent && told.contains("the login was refused (smtp 535)"), "{told}");
    assert_eq!(mail_server.texts().len(), 1);
    assert!(store.counts("shop", "welcome").await.unwrap().0.is_empty());
    assert!(store.intake_counts("shop").await.unwrap().0.is_empty());
}
