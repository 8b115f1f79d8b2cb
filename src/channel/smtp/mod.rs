//! Email by SMTP (RFC 5321), always encrypted, over a few kept connections.
//!
//! The commands are sent one by one, because only so it is known whether the server may have taken the mail: before the body's end it has
//! not, after it nobody can say until the answer comes. An attempt has the adapter's timeout: at most half of it for coming so far, so that
//! a server that is slow to answer then has the rest.

mod connection;

use super::{
    Channel, Message, Reply, Secrets,
    mail::{self, Unfit},
    trust,
};
use crate::api::channel_adapter::{CA_KEY, Security, Smtp as Spec};
use async_trait::async_trait;
use connection::{Encryption, NoConnection, Way};
use lettre::{
    Address,
    transport::smtp::{
        Error,
        client::AsyncSmtpConnection,
        commands::{Data, Mail, Rcpt, Rset},
        extension::{Extension, MailBodyParameter, MailParameter},
    },
};
use rustls::ClientConfig;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout, timeout_at};

/// Connections kept for the next message, at most.
const KEPT: usize = 16;
/// A connection that was idle this long is not used again: servers close them after five minutes (RFC 5321, 4.5.3.2.7), many much sooner.
const IDLE: Duration = Duration::from_secs(60);
/// Nor is one of this age, however busy: a login or a certificate authority that was taken back holds no longer than that.
const AGE: Duration = Duration::from_secs(300);
/// How long a goodbye may take; nobody waits for it.
const GOODBYE: Duration = Duration::from_secs(2);

pub struct Smtp {
    spec: Spec,
    secrets: Secrets,
    timeout: Duration,
    /// Without TLS and login: only `journey dev` sends so, to a mail catcher on the same machine.
    clear: bool,
    kept: Mutex<Vec<Kept>>,
    tls: Mutex<Option<Trust>>,
}

/// A TLS configuration, kept because reading the system's authorities takes longer than a handshake.
struct Trust {
    /// The CA file's bytes that it was made of.
    ca: Option<Vec<u8>>,
    config: Arc<ClientConfig>,
}

/// A connection between two messages.
struct Kept {
    connection: AsyncSmtpConnection,
    made: Instant,
    used: Instant,
}

impl Kept {
    fn is_fit(&self) -> bool {
        self.used.elapsed() < IDLE && self.made.elapsed() < AGE
    }

    /// Says goodbye (RFC 5321, 4.1.1.10) and closes, while others go on.
    fn part(mut self) {
        tokio::spawn(async move {
            let _gone = timeout(GOODBYE, self.connection.abort()).await;
        });
    }
}

impl Smtp {
    pub fn new(spec: Spec, secrets: Secrets, timeout: Duration) -> Self {
        Self {
            spec,
            secrets,
            timeout,
            clear: false,
            kept: Mutex::default(),
            tls: Mutex::default(),
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

    /// Comes to the point where only the body is missing: nothing has been taken yet, whatever goes wrong.
    async fn begin(&self, to: &Address, needs: &Needs) -> Result<Kept, Reply> {
        let from = mail::sender(&self.spec.from.0).map_err(|unfit| unfit.reply())?.email;
        while let Some(mut kept) = self.next() {
            let mail = Mail::new(Some(from.clone()), needs.of(&kept.connection)?);
            // A kept connection that does not answer any more, or has had enough of us, tells nothing of this message: a new one will.
            if kept.connection.command(mail).await.is_ok() {
                return self.offer(kept, to).await;
            }
        }
        let mut connection = self.connect().await.map_err(|error| later(&error.to_string()))?;
        let mail = Mail::new(Some(from), needs.of(&connection)?);
        // What a server has against the sender is the operator's to mend, not a property of this message.
        connection
            .command(mail)
            .await
            .map_err(|error| later(&format!("the sender was not taken ({})", short(&error))))?;
        let now = Instant::now();
        let kept = Kept {
            connection,
            made: now,
            used: now,
        };
        self.offer(kept, to).await
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, NoConnection> {
        let security = match (self.clear, self.spec.security) {
            (true, _) => Encryption::None,
            (false, Security::Tls) => Encryption::FromTheStart(self.config()?),
            (false, Security::StartTls) => Encryption::StartTls(self.config()?),
        };
        let login = self.spec.credentials.as_ref();
        let way = Way {
            host: self.spec.host.clone(),
            port: u16::try_from(self.spec.port).unwrap_or_default(),
            security,
            login: login.map(|login| self.secrets.login(login)).transpose()?,
        };
        way.go().await
    }

    fn config(&self) -> Result<Arc<ClientConfig>, NoConnection> {
        let read = |ca| self.secrets.bytes(ca, CA_KEY);
        let ca = self.spec.ca.as_ref().map(read).transpose()?;
        let mut known = self.tls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.ca == ca) {
            return Ok(Arc::clone(&known.config));
        }
        let config = Arc::new(trust::tls(ca.as_deref())?);
        *known = Some(Trust {
            ca,
            config: Arc::clone(&config),
        });
        Ok(config)
    }

    async fn offer(&self, mut kept: Kept, to: &Address) -> Result<Kept, Reply> {
        let mut begun = kept.connection.command(Rcpt::new(to.clone(), vec![])).await;
        if begun.is_ok() {
            begun = kept.connection.command(Data).await;
        }
        let Err(error) = begun else { return Ok(kept) };
        // The next message can have the connection, if the server still talks.
        if is_open(&error) && kept.connection.command(Rset).await.is_ok() {
            self.keep(kept);
        }
        Err(not_taken(&error))
    }

    async fn finish(&self, mut kept: Kept, body: &[u8], deadline: Instant) -> Reply {
        match timeout_at(deadline, kept.connection.message(body)).await {
            Ok(Ok(_)) => {
                self.keep(kept);
                Reply::Sent
            }
            Ok(Err(error)) if error.status().is_some() => {
                if is_open(&error) {
                    self.keep(kept);
                }
                not_taken(&error)
            }
            Ok(Err(_)) => Reply::Unknown("the connection broke after the mail was handed over".into()),
            Err(_) => Reply::Unknown("no answer in time after the mail was handed over".into()),
        }
    }

    fn next(&self) -> Option<Kept> {
        loop {
            let kept = self.kept().pop()?;
            if kept.is_fit() {
                return Some(kept);
            }
            kept.part();
        }
    }

    fn keep(&self, mut kept: Kept) {
        kept.used = Instant::now();
        let mut all = self.kept();
        if all.len() < KEPT {
            all.push(kept);
        } else {
            drop(all);
            kept.part();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a mail needs of a server.
struct Needs {
    /// An address that is not ASCII (RFC 6531).
    utf8: bool,
    /// A body that is not ASCII (RFC 6152).
    eight_bits: bool,
}

impl Needs {
    /// As parameters of MAIL.
    fn of(&self, connection: &AsyncSmtpConnection) -> Result<Vec<MailParameter>, Reply> {
        let server = connection.server_info();
        let mut parameters = vec![];
        if self.utf8 {
            if !server.supports_feature(Extension::SmtpUtfEight) {
                return Err(Reply::Refused("NoSmtpUtf8".into()));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if self.eight_bits && server.supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }
}

/// What an answer means while the server has not taken the mail. Only the code is told: a server's text may name the address.
fn not_taken(error: &Error) -> Reply {
    match error.status() {
        // Not for want of a login that a server with a better one would take.
        Some(code) if error.is_permanent() && code.to_string() != "530" => Reply::Refused(format!("Smtp{code}")),
        Some(_) | None => later(&short(error)),
    }
}

fn short(error: &Error) -> String {
    match error.status() {
        Some(code) => format!("smtp {code}"),
        None => "the connection broke before the mail was handed over".into(),
    }
}

/// After 421 the server closes (RFC 5321, 3.8).
fn is_open(error: &Error) -> bool {
    error.status().is_some_and(|code| code.to_string() != "421")
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
        let email = match mail::build(message, &self.spec.from.0) {
            Ok(email) => email,
            Err(unfit) => return unfit.reply(),
        };
        let Some(to) = email.envelope().to().first().cloned() else {
            return Unfit::NoAddress.reply();
        };
        let body = email.formatted();
        let utf8 = !AsRef::<str>::as_ref(&to).is_ascii();
        let needs = Needs {
            utf8,
            eight_bits: !body.is_ascii(),
        };
        let deadline = Instant::now() + self.timeout;
        match timeout(self.timeout / 2, self.begin(&to, &needs)).await {
            Ok(Ok(kept)) => self.finish(kept, &body, deadline).await,
            Ok(Err(reply)) => reply,
            Err(_) => later("the server was too slow, and the mail was not handed over"),
        }
    }

    fn deduplicates(&self) -> bool {
        false
    }

    fn needs_address(&self) -> bool {
        true
    }
}
