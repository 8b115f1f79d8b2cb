//! ChannelAdapter: how messages leave, or how events come in. Credentials are never inline: it names Secrets.

use super::{
    residency::Processor,
    status::Status,
    text::{Line, SecretKey, SecretName, Span, Template, Url},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;

#[skip_serializing_none]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "journey.dev", version = "v1alpha1", kind = "ChannelAdapter", plural = "channeladapters", namespaced,
    status = "Status", shortname = "chan", category = "journey-all", derive = "PartialEq", derive = "Default", cel,
    doc = "How messages leave, or how events come in.",
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".spec['smtp','webhook','http']['host','url','publicUrl']"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("an adapter's name is a DNS label of at most 63 characters: touchpoints refer to it"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.smtp), has(self.webhook), has(self.inApp), has(self.log), has(self.http)].exists_one(x, x)")
    .message("an adapter has exactly one of smtp, webhook, inApp, log (out), http (in)"))]
#[x_kube(validation = Rule::new("!(has(self.http) || has(self.inApp)) || !(has(self.timeout) || has(self.retry) || has(self.unknownOutcome))")
    .message("timeout, retry and unknownOutcome belong to adapters that send"))]
#[x_kube(validation = Rule::new("!has(self.inApp) || !has(self.limits)")
    .message("inApp has no limits: the gateway shows its messages, nothing is handed over").field_path(".limits"))]
#[x_kube(validation = Rule::new("!has(self.processor) || has(self.smtp) || has(self.webhook)")
    .message("processor belongs to smtp and webhook: by other adapters nothing is handed over").field_path(".processor"))]
pub struct ChannelAdapterSpec {
    /// Out: email by SMTP.
    pub smtp: Option<Smtp>,
    /// Out: an HTTP request for each message.
    pub webhook: Option<Webhook>,
    /// Out: cards and banners that the gateway hosts: site and app ask it what is in a slot for a customer.
    pub in_app: Option<InApp>,
    /// Out: nowhere but a log line without personal data.
    pub log: Option<Log>,
    /// In: CloudEvents and track calls over HTTP, and the pages behind links.
    pub http: Option<Http>,
    /// How long one attempt may take; left out: 10s.
    pub timeout: Option<Span>,
    /// How fast and how much at once; left out: as fast as the other side answers.
    pub limits: Option<Limits>,
    /// What happens after a failure that may pass; left out: 60 attempts with pauses from 1s to 30m, which go on for 12 to 25
    /// hours (a touchpoint's timeToLive may end them sooner).
    pub retry: Option<Retry>,
    /// When the provider may or may not have accepted. Drop: counted as OutcomeUnknown. Retry: it may go out twice. Left
    /// out: Drop for smtp, Retry for webhook, whose receivers know a message by its idempotency key.
    // Not a default of the server: it would appear on http, where it is refused.
    pub unknown_outcome: Option<UnknownOutcome>,
    /// Who processes what this adapter hands over, and where. Journeys under a policy with residency send by adapters only whose processor
    /// is named and in its regions.
    pub processor: Option<Processor>,
}

/// Messages that the gateway shows in slots.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct InApp {}

/// Messages become log lines.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Log {}

/// Email by SMTP (RFC 5321), always encrypted.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Smtp {
    /// Host name or address of the server.
    #[schemars(length(min = 1, max = 253))]
    pub host: String,
    /// TCP port.
    #[serde(default = "submission")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// StartTls: refuse to go on in the clear. Tls: from the first byte.
    #[serde(default)]
    pub security: Security,
    /// The sender: Shop <hello@shop.example>
    pub from: Line,
    /// A Secret with the keys username and password; left out: no login.
    pub credentials: Option<Credentials>,
    /// Certificate authorities to trust besides the public ones, as PEM; left out: the public ones only.
    pub ca: Option<SecretValue>,
}

fn submission() -> i32 {
    587
}

/// How a connection is encrypted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    #[default]
    StartTls,
    Tls,
}

/// A login kept in a Secret of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The Secret, with the keys username and password.
    pub secret_ref: SecretRef,
}

/// A Secret of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: SecretName,
}

/// One value kept in a Secret of the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SecretValue {
    /// The Secret and the key in it.
    pub secret_ref: SecretKeyRef,
}

/// A key in a Secret of the same namespace.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    pub name: SecretName,
    /// Key in the Secret; left out: key for http.auth, token for a bearer, signing-key for a signature, ca.crt for a ca.
    pub key: Option<SecretKey>,
}

/// The key that senders show is kept under this name when no other is given.
pub const HTTP_KEY: &str = "key";
/// The token of `auth.bearer` is kept under this name when no other is given.
pub const BEARER_KEY: &str = "token";
/// The key of `signature` is kept under this name when no other is given.
pub const SIGNATURE_KEY: &str = "signing-key";
/// Certificate authorities are kept under this name when no other is given.
pub const CA_KEY: &str = "ca.crt";
/// A login has its name here.
pub const USERNAME_KEY: &str = "username";
/// A login has its password here.
pub const PASSWORD_KEY: &str = "password";

impl SecretKeyRef {
    /// The key; `left_out` is its name when none is written.
    pub fn key_or<'a>(&'a self, left_out: &'a str) -> &'a str {
        self.key.as_ref().map_or(left_out, SecretKey::as_str)
    }

    /// Where the value is below the folder that Secrets are mounted in: `NAME/KEY`. `left_out` is the key when none is
    /// written.
    pub fn file(&self, left_out: &str) -> String {
        format!("{}/{}", self.name, self.key_or(left_out))
    }
}

/// An HTTP request for each message.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Webhook {
    /// Where the request goes; http or https, without credentials in it.
    pub url: Url,
    /// HTTP method.
    #[serde(default)]
    pub method: Method,
    /// Headers of the request; those that carry credentials are refused.
    #[schemars(extend("maxProperties" = 32))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(k, !k.lowerAscii().matches('authorization|cookie|api-?key|token|secret|password'))").message("credentials belong in a Secret: use auth"))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^[A-Za-z0-9-]{1,64}$'))").message("a header's name is letters, digits and -"))]
    pub headers: Option<BTreeMap<String, Line>>,
    /// How the request is authenticated; left out: not at all.
    pub auth: Option<Auth>,
    /// The key that signs the request, as Standard Webhooks say; left out: it is not signed.
    pub signature: Option<SecretValue>,
    /// Jinja over customer.id, to, content and with: the request's body; left out: a CloudEvent.
    pub body: Option<Template>,
    /// The request made when a message stays no longer (its `lasts`, its journey or consent is over), at least once and under a key
    /// of its own; left out: none. With it every message stays, for its `lasts` or until the journey ends.
    pub end: Option<WebhookEnd>,
    /// Certificate authorities to trust besides the public ones, as PEM; left out: the public ones only.
    pub ca: Option<SecretValue>,
}

/// The request that ends what a message began; headers, login, signature and body are the webhook's.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WebhookEnd {
    /// HTTP method.
    pub method: EndMethod,
    /// Where the request goes; left out: the webhook's url.
    pub url: Option<Url>,
}

/// HTTP methods that end what a message began.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndMethod {
    Post,
    Put,
    Patch,
    Delete,
}

/// HTTP methods that carry a message.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    #[default]
    Post,
    Put,
    Patch,
}

/// How a request is authenticated.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.bearer) != has(self.basic)").message("auth has exactly one of bearer, basic"))]
pub struct Auth {
    /// A token, sent as Authorization: Bearer (RFC 6750).
    pub bearer: Option<SecretValue>,
    /// A Secret with the keys username and password, sent as Authorization: Basic (RFC 7617).
    pub basic: Option<Credentials>,
}

/// Events over HTTP.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Http {
    /// The key that senders show.
    pub auth: SecretValue,
    /// Where customers reach the gateway: what tracked links and unsubscribe pages are made with.
    pub public_url: Option<Url>,
    /// Web sites whose browsers may call (CORS).
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub origins: Option<Vec<Url>>,
    /// true: the key is known to everyone; it may join anonymous ids only.
    #[serde(default)]
    pub public: bool,
}

/// How fast and how much at once.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Messages or events a second.
    #[schemars(range(min = 1))]
    pub per_second: Option<i32>,
    /// How many at once after a pause; left out: as many as perSecond.
    #[schemars(range(min = 1))]
    pub burst: Option<i32>,
    /// Requests under way at a time, for each replica.
    #[schemars(range(min = 1))]
    pub concurrency: Option<i32>,
}

/// What happens after a failure that may pass.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Retry {
    /// Attempts in all; then Failed: GaveUp. With pauses from 1s to 30m: 5 go on for 15 seconds at most, 13 for an hour, 60 for
    /// a day.
    #[schemars(range(min = 1, max = 100))]
    pub attempts: i32,
    /// Pause before the second attempt; doubled after each, and by chance between half of it and all of it. A longer Retry-After
    /// of a webhook's answer is kept. Left out: 1s.
    pub initial: Option<Span>,
    /// The longest pause; left out: 30m.
    pub max: Option<Span>,
}

/// What to do when the provider may or may not have accepted a message.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnknownOutcome {
    Drop,
    Retry,
}
