//! `journey dev` as a newcomer uses it: the example's files with shorter waits, an event by HTTP, a mail in a folder, a click, an
//! unsubscription, a changed file, a typo.

use serde_json::json;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Longest wait for something that happens within seconds; a test that passes never takes it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Dev {
    process: Child,
    folder: tempfile::TempDir,
    address: String,
    said: Arc<Mutex<String>>,
}

impl Dev {
    fn start() -> Self {
        // The other test of this process may have been first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        for entry in fs::read_dir("examples/abandoned-cart/base").unwrap() {
            let path = entry.unwrap().path();
            let text = fs::read_to_string(&path).unwrap();
            let quick = text
                .replace("for: 1h", "for: 1s")
                .replace(r#"{from: "21:00", to: "08:00""#, r#"{from: "00:00", to: "00:01""#)
                .replace("then: Delay", "then: Drop");
            fs::write(files.join(path.file_name().unwrap()), quick).unwrap();
        }
        let customers = folder.path().join("customers.csv");
        fs::write(
            &customers,
            "userId,email,firstName,consent.marketing,consent.marketing.at,consent.marketing.evidence\n\
             ada,ada@example.com,Ada,true,2026-01-01T00:00:00Z,form\n\
             bob,bob@example.com,Bob,,,\n",
        )
        .unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_journey"))
            .arg("dev")
            .arg(&files)
            .args(["--listen", "127.0.0.1:0", "--mail-to"])
            .arg(folder.path().join("mail"))
            .arg("--customers")
            .arg(&customers)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        listen(process.stdout.take().unwrap(), &said);
        listen(process.stderr.take().unwrap(), &said);
        let mut dev = Self {
            process,
            folder,
            address: String::new(),
            said,
        };
        let line = dev.hears("POST http://");
        dev.address = line
            .split("http://")
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        dev.hears("2 customers imported");
        dev
    }

    /// The first line with these words, once there is one.
    fn hears(&self, words: &str) -> String {
        wait_for(words, || {
            let said = self.said.lock().unwrap();
            said.lines().find(|line| line.contains(words)).map(str::to_owned)
        })
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    async fn track(&self, user: &str, cart: &str) {
        let event = json!({"userId": user, "event": "cart.updated", "messageId": format!("{user}-{cart}"),
            "properties": {"cartId": cart, "items": 2}});
        let answer = reqwest::Client::new()
            .post(self.url("/v1/track"))
            .basic_auth("dev-web", Some(""))
            .json(&event)
            .send();
        assert_eq!(answer.await.unwrap().status(), 200);
    }

    fn mails(&self) -> Vec<String> {
        let mut mails = Vec::new();
        for entry in fs::read_dir(self.folder.path().join("mail")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "eml") {
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            // Quoted-printable, far enough to read addresses.
            mails.push(text.replace("=\r\n", "").replace("=3D", "="));
        }
        mails
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn listen(from: impl std::io::Read + Send + 'static, said: &Arc<Mutex<String>>) {
    let said = said.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap();
            said.push_str(&line);
            said.push('\n');
        }
    });
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn link(mail: &str, kind: &str) -> String {
    let at = mail.find(&format!("/{kind}/")).unwrap();
    let start = mail[..at].rfind("http://").unwrap();
    mail[start..]
        .split(['>', '"', '\r', '\n', ' '])
        .next()
        .unwrap()
        .to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_becomes_a_mail_a_click_leads_on_and_an_unsubscription_holds() {
    let dev = Dev::start();
    dev.track("ada", "c1").await;
    dev.track("bob", "c1").await;
    let mail = wait_for("Ada's mail", || dev.mails().pop());
    assert!(
        mail.contains("To: ada@example.com") && mail.contains("Ada, your cart is waiting"),
        "{mail}"
    );
    dev.hears("NoConsent 1");

    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let clicked = client.get(link(&mail, "l")).send().await.unwrap();
    assert_eq!(
        (
            clicked.status().as_u16(),
            clicked.headers()["location"].to_str().unwrap()
        ),
        (302, "https://shop.example/cart")
    );

    let page = link(&mail, "u");
    let shown = client.get(&page).send().await.unwrap().text().await.unwrap();
    assert!(shown.contains("Nothing changes until you press it"), "{shown}");
    let done = client
        .post(&page)
        .body("List-Unsubscribe=One-Click")
        .send()
        .await
        .unwrap();
    assert_eq!(done.status(), 200);
    dev.track("ada", "c2").await;
    dev.hears("NoConsent 2");
    assert_eq!(dev.mails().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_file_is_taken_over_and_a_typo_leaves_running_what_ran() {
    let dev = Dev::start();
    let touchpoints = dev.files().join("touchpoints.yaml");
    let text = fs::read_to_string(&touchpoints).unwrap();
    write(
        &touchpoints,
        &text.replace("your cart is waiting", "your basket is waiting"),
    );
    dev.hears("reloaded: 1 journeys");
    // Who entered before the runner has loaded it walks the revision before.
    wait_for("the new revision", || {
        (dev.said.lock().unwrap().matches("programs loaded").count() == 2).then_some(())
    });
    dev.track("ada", "c1").await;
    let mail = wait_for("the changed mail", || dev.mails().pop());
    assert!(mail.contains("your basket is waiting"), "{mail}");

    write(&touchpoints, &text.replace("customer.firstName", "customer.firstNam"));
    let told = dev.hears("firstNam'");
    assert!(
        told.contains("Touchpoint cart-reminder: spec.outbound.content.") && told.contains("firstName"),
        "{told}"
    );
    dev.track("bob", "c1").await;
    dev.hears("NoConsent 1");

    write(&touchpoints, "kind: Touchpoint\non: true\n");
    dev.hears("what ran before runs on");
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
}
