//! Email by SMTP (RFC 5321), always encrypted, over a few kept connections.
//!
//! The commands are sent one by one, because only so it is known whether the server may have taken the mail: before the body's end it has
//! not, after it nobody can say until the answer comes.

use super::{Channel, Message, Reply, Secrets, mail};
use crate::api::channel_adapter::{CA_KEY, Security, Smtp as Spec};
use async_trait::async_trait;
use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
    },
};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Connections kept for the next message, at most.
const KEPT: usize = 16;
/// A connection that was idle this long is asked whether it still lives.
const FRESH: Duration = Duration::from_secs(5);
/// A connection that was idle this long is not used again: servers close them after five minutes (RFC 5321, 4.5.3.2.7).
const STALE: Duration = Duration::from_secs(60);

pub struct Smtp {
    spec: Spec,
    secrets: Secrets,
    timeout: Duration,
    /// Without TLS and login: only `journey dev` sends so, to a mail catcher on the same machine.
    clear: bool,
    kept: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl Smtp {
    pub fn new(spec: Spec, secrets: Secrets, timeout: Duration) -> Self {
        Self {
            spec,
            secrets,
            timeout,
            clear: false,
            kept: Mutex::default(),
        }
    }

    /// In the clear and without login, to `host`:`port`: a mail catcher beside `journey dev`.
    pub fn in_the_clear(spec: Spec, host: &str, port: u16) -> Self {
        let spec = Spec {
            host: host.to_owned(),
            port: port.into(),
            credentials: None,
            ca: None,
            ..spec
        };
        Self {
            clear: true,
            ..Self::new(spec, Secrets::new(""), Duration::from_secs(10))
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<(AsyncSmtpConnection, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self) -> Option<(AsyncSmtpConnection, Instant)> {
        self.kept().pop()
    }

    async fn connection(&self) -> Result<AsyncSmtpConnection, Reply> {
        while let Some((mut connection, since)) = self.idle() {
            if since.elapsed() < FRESH || (since.elapsed() < STALE && connection.test_connected().await) {
                return Ok(connection);
            }
            connection.abort().await;
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Reply> {
        let hello = ClientId::default();
        let server = format!("{}:{}", self.spec.host, self.spec.port);
        if self.clear {
            return AsyncSmtpConnection::connect_tokio1(server.as_str(), Some(self.timeout), &hello, None, None)
                .await
                .map_err(|error| not_taken(&error));
        }
        let tls = self.tls()?;
        let wrapped = match self.spec.security {
            Security::Tls => Some(tls.clone()),
            Security::StartTls => None,
        };
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server.as_str(), Some(self.timeout), &hello, wrapped, None)
                .await
                .map_err(|error| not_taken(&error))?;
        if self.spec.security == Security::StartTls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(later(
                    "the server offers no STARTTLS, and mail is not sent in the clear",
                ));
            }
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| not_taken(&error))?;
        }
        if let Some(credentials) = &self.spec.credentials {
            let (user, password) = self
                .secrets
                .login(credentials)
                .map_err(|error| later(&error.to_string()))?;
            let login = Credentials::new(user, password);
            // A refused login is the operator's to mend, not a property of this message: it is tried again.
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &login)
                .await
                .map_err(|error| later(&format!("the login was refused ({})", code(&error))))?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, Reply> {
        let mut builder = TlsParameters::builder(self.spec.host.clone());
        if let Some(ca) = &self.spec.ca {
            let pem = self
                .secrets
                .bytes(ca, CA_KEY)
                .map_err(|error| later(&error.to_string()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|_| later("the adapter's ca is not PEM"))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder
            .build_rustls()
            .map_err(|error| later(&format!("TLS cannot be set up: {error}")))
    }

    async fn send(&self, message: &Message) -> Reply {
        let email = match mail::build(message, &self.spec.from.0) {
            Ok(email) => email,
            Err(reason) => return Reply::Refused(reason),
        };
        let envelope = email.envelope();
        let (from, to): (Option<Address>, Vec<Address>) = (envelope.from().cloned(), envelope.to().to_vec());
        let body = email.formatted();
        let mut connection = match self.connection().await {
            Ok(connection) => connection,
            Err(reply) => return reply,
        };
        let mut begun = connection.command(Mail::new(from, vec![])).await.map(drop);
        for address in to {
            if begun.is_ok() {
                begun = connection.command(Rcpt::new(address, vec![])).await.map(drop);
            }
        }
        if begun.is_ok() {
            begun = connection.command(Data).await.map(drop);
        }
        if let Err(error) = begun {
            connection.abort().await;
            return not_taken(&error);
        }
        match connection.message(&body).await {
            Ok(_) => {
                let mut kept = self.kept();
                if kept.len() < KEPT {
                    kept.push((connection, Instant::now()));
                }
                Reply::Sent
            }
            Err(error) => {
                connection.abort().await;
                if error.is_permanent() || error.is_transient() {
                    not_taken(&error)
                } else {
                    Reply::Unknown("no answer after the mail was handed over".into())
                }
            }
        }
    }
}

/// What an error means while the server has not taken the mail. Only the reply code is told: a server's text may name the address.
fn not_taken(error: &Error) -> Reply {
    if error.is_permanent() {
        Reply::Refused(format!("Smtp{}", code(error)))
    } else {
        later(&format!("smtp {}", code(error)))
    }
}

fn code(error: &Error) -> String {
    match error.status() {
        Some(code) => code.to_string(),
        None if error.is_timeout() => "timeout".into(),
        None if error.is_tls() => "TLS failed".into(),
        None => "connection failed".into(),
    }
}

fn later(reason: &str) -> Reply {
    Reply::TryLater {
        reason: reason.to_owned(),
        after: None,
    }
}

#[async_trait]
impl Channel for Smtp {
    async fn hand_over(&self, message: &Message) -> Reply {
        // A server that never answers keeps a message for at most four time-outs: greeting, TLS, login, commands; then its fate is unknown.
        match tokio::time::timeout(self.timeout * 4, self.send(message)).await {
            Ok(reply) => reply,
            Err(_) => Reply::Unknown("timeout".into()),
        }
    }

    fn deduplicates(&self) -> bool {
        false
    }

    fn needs_address(&self) -> bool {
        true
    }
}
