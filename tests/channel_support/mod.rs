//! What a channel meets: certificates of an authority that nobody knows, a folder of Secrets, a message, and peers that do as they are told.
#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod http;
pub mod smtp;

use journey::{
    api::ChannelAdapterSpec,
    channel::{self, Channel, Message, Reads, Reply, Secrets},
    keys::MessageKey,
    personal::Personal,
};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

pub const ADDRESS: &str = "ada@example.com";

/// Certificates `right` (for localhost) and `wrong` (for another name), signed by the folder's own authority `ca`.
pub struct Pki(pub tempfile::TempDir);

impl Pki {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, host) in [("right", "DNS:localhost"), ("wrong", "DNS:elsewhere.example")] {
            let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cluster/certificate"))
                .arg(folder.path())
                .args([name, &format!("/CN={name}"), host])
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert!(made.success(), "openssl is there");
        }
        Self(folder)
    }

    /// One for all tests of a binary: keys take time.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Pki> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    pub fn ca(&self) -> Vec<u8> {
        std::fs::read(self.0.path().join("ca.crt")).unwrap()
    }

    /// What a server with the certificate of that name speaks TLS by.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        let file = |kind: &str| self.0.path().join(format!("{name}.{kind}"));
        let chain = CertificateDer::pem_file_iter(file("crt")).unwrap();
        let key = PrivateKeyDer::from_pem_file(file("key")).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        Arc::new(config)
    }
}

/// Secrets as a pod has them mounted.
pub struct Mounted(pub tempfile::TempDir);

impl Mounted {
    pub fn new(files: &[(&str, &[u8])]) -> Self {
        let mounted = Self(tempfile::tempdir().unwrap());
        for (file, content) in files {
            mounted.put(file, content);
        }
        mounted
    }

    pub fn put(&self, file: &str, content: &[u8]) {
        put(&self.0.path().join(file), content);
    }
}

pub fn put(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// The channel of an adapter with this spec, as a runner opens it.
pub fn open(spec: Value, mounted: &Mounted) -> Arc<dyn Channel> {
    try_open(spec, mounted).unwrap()
}

pub fn try_open(spec: Value, mounted: &Mounted) -> Result<Arc<dyn Channel>, channel::OpenError> {
    let spec: ChannelAdapterSpec = serde_json::from_value(spec).unwrap();
    let reads = Reads {
        content: ["subject", "text", "html"].map(str::to_owned).into(),
        with: ["cart".to_owned()].into(),
    };
    channel::open(&spec, &Secrets::new(mounted.0.path()), reads)
}

pub fn message(number: u8) -> Message {
    let text = |text: &str| Personal::new(text.to_owned());
    Message {
        key: MessageKey([number; 16]),
        namespace: "shop".into(),
        journey: "abandoned-cart".into(),
        touchpoint: "cart-reminder".into(),
        purpose: "marketing".into(),
        customer_id: text("u1"),
        to: Some(text(ADDRESS)),
        with: Personal::new([("cart".to_owned(), "c 9".into())].into_iter().collect()),
        content: [
            ("subject", text("Your cart")),
            ("text", text("It waits.")),
            ("html", text("<p>It waits.</p>")),
        ]
        .map(|(field, value)| (field.to_owned(), value))
        .into(),
        wants_answer: false,
        ends: None,
        unsubscribe: Some(text(&format!("https://events.shop.example/u/{}", "aZ09-_".repeat(20)))),
    }
}

/// Hands over, within what every attempt is bounded by, and holds what is told of it free of the customer's address.
pub async fn hand_over(channel: &dyn Channel, message: &Message) -> Reply {
    let reply = tokio::time::timeout(Duration::from_secs(20), channel.hand_over(message)).await;
    let reply = reply.expect("an attempt is over when its time is");
    let told = format!("{reply:?}");
    assert!(!told.contains("ada@") && !told.contains("@example.com"), "{told}");
    reply
}

/// The reason of a reply that says: not now.
pub fn later(reply: Reply) -> String {
    match reply {
        Reply::TryLater { reason, .. } => reason,
        other => panic!("not to be tried later: {other:?}"),
    }
}

pub fn unknown(reply: Reply) -> String {
    match reply {
        Reply::Unknown(reason) => reason,
        other => panic!("not unknown: {other:?}"),
    }
}
