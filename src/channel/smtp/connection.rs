//! A connection to a mail server: encrypted and logged in, or none at all. Whatever goes wrong here, no message has been spoken of yet.
//!
//! STARTTLS (RFC 3207) is spoken here, not by the mail library: whatever came in the clear must be forgotten before the handshake, also the
//! bytes that somebody on the way puts behind the server's consent. The library keeps them, and would take them for answers of the
//! encrypted server: a mail could be "sent" that no server ever saw.

use super::super::{SecretError, trust::TrustError};
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, Mechanism},
    client::{AsyncSmtpConnection, AsyncTokioStream},
    extension::ClientId,
};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Bytes of a line of an answer (RFC 5321, 4.5.3.1.5 says 512), and lines of one.
const LINE: u64 = 2048;
const LINES: usize = 128;

/// Why there is no connection. Only codes of answers are told: their text may name an address.
#[derive(Debug, thiserror::Error)]
pub enum NoConnection {
    #[error("cannot connect: {0}")]
    Unreachable(io::Error),
    #[error("the connection broke before a mail was spoken of: {0}")]
    Broken(io::ErrorKind),
    #[error("the server refuses the connection (smtp {0})")]
    Refused(String),
    #[error("the server speaks no SMTP")]
    NotSmtp,
    #[error("the server offers no STARTTLS, and mail is not sent in the clear")]
    NoStartTls,
    #[error(
        "something was said between the server's consent to STARTTLS and the handshake: somebody may be on the way"
    )]
    SlippedIn,
    #[error("the adapter's host is no name that a certificate can have")]
    BadHost,
    #[error("TLS failed: {0}")]
    Tls(String),
    #[error("the server offers no login by PLAIN or LOGIN")]
    NoLogin,
    #[error("the login was refused (smtp {0})")]
    LoginRefused(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// How to come to a server.
#[derive(Debug, Clone)]
pub struct Way {
    pub host: String,
    pub port: u16,
    pub security: Encryption,
    /// Name and password.
    pub login: Option<(String, String)>,
}

#[derive(Debug, Clone)]
pub enum Encryption {
    /// From the first byte (RFC 8314).
    FromTheStart(Arc<ClientConfig>),
    StartTls(Arc<ClientConfig>),
    /// Only to a mail catcher on the same machine.
    None,
}

impl Way {
    /// A connection on which mail can be offered.
    pub async fn go(self) -> Result<AsyncSmtpConnection, NoConnection> {
        let Self {
            host,
            port,
            security,
            login,
        } = self;
        let hello = ClientId::default();
        let mut tcp = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(NoConnection::Unreachable)?;
        tcp.set_nodelay(true).map_err(NoConnection::Unreachable)?;
        let stream: Box<dyn AsyncTokioStream> = match security {
            Encryption::FromTheStart(config) => Box::new(encrypt(tcp, &host, config, b"").await?),
            Encryption::StartTls(config) => {
                start_tls(&mut tcp, &hello).await?;
                Box::new(encrypt(tcp, &host, config, b"220 encrypted\r\n").await?)
            }
            Encryption::None => Box::new(tcp),
        };
        let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello)
            .await
            .map_err(|error| not_greeted(&error))?;
        if let Some((user, password)) = login {
            let login = Credentials::new(user, password);
            connection
                .auth(&[Mechanism::Plain, Mechanism::Login], &login)
                .await
                .map_err(|error| not_let_in(&error))?;
        }
        Ok(connection)
    }
}

fn not_greeted(error: &Error) -> NoConnection {
    match error.status() {
        Some(code) => NoConnection::Refused(code.to_string()),
        None if error.is_response() => NoConnection::NotSmtp,
        None => NoConnection::Broken(kind(error)),
    }
}

fn not_let_in(error: &Error) -> NoConnection {
    match error.status() {
        Some(code) => NoConnection::LoginRefused(code.to_string()),
        None if error.is_client() => NoConnection::NoLogin,
        None if error.is_response() => NoConnection::NotSmtp,
        None => NoConnection::Broken(kind(error)),
    }
}

fn kind(error: &Error) -> io::ErrorKind {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .map_or(io::ErrorKind::Other, io::Error::kind)
}

/// Greeting, EHLO, STARTTLS; in the clear nothing else is said, and nothing of it is kept.
async fn start_tls(tcp: &mut TcpStream, hello: &ClientId) -> Result<(), NoConnection> {
    let mut plain = BufReader::new(tcp);
    answer(&mut plain).await?;
    say(&mut plain, &format!("EHLO {hello}\r\n")).await?;
    let offers = answer(&mut plain).await?;
    if !offers.iter().any(|offer| offer.trim().eq_ignore_ascii_case("STARTTLS")) {
        return Err(NoConnection::NoStartTls);
    }
    say(&mut plain, "STARTTLS\r\n").await?;
    answer(&mut plain).await?;
    if plain.buffer().is_empty() {
        Ok(())
    } else {
        Err(NoConnection::SlippedIn)
    }
}

async fn say(plain: &mut BufReader<&mut TcpStream>, line: &str) -> Result<(), NoConnection> {
    plain
        .write_all(line.as_bytes())
        .await
        .map_err(|error| NoConnection::Broken(error.kind()))
}

/// The lines of an answer that says yes (RFC 5321, 4.2.1).
async fn answer(plain: &mut BufReader<&mut TcpStream>) -> Result<Vec<String>, NoConnection> {
    let mut lines = Vec::new();
    while lines.len() < LINES {
        let mut line = Vec::new();
        let read = plain.take(LINE).read_until(b'\n', &mut line).await;
        if read.map_err(|error| NoConnection::Broken(error.kind()))? == 0 {
            return Err(NoConnection::Broken(io::ErrorKind::UnexpectedEof));
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        let whole = line.ends_with('\n');
        let (Some(code), rest) = (line.get(..3), line.get(3..).unwrap_or_default()) else {
            return Err(NoConnection::NotSmtp);
        };
        if !whole || !code.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(NoConnection::NotSmtp);
        }
        if !code.starts_with('2') {
            return Err(NoConnection::Refused(code.to_owned()));
        }
        let last = !rest.starts_with('-');
        lines.push(rest.get(1..).unwrap_or_default().to_owned());
        if last {
            return Ok(lines);
        }
    }
    Err(NoConnection::NotSmtp)
}

async fn encrypt(
    tcp: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
    greeting: &'static [u8],
) -> Result<Encrypted, NoConnection> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NoConnection::BadHost)?;
    let stream = TlsConnector::from(config).connect(name, tcp).await;
    // What rustls says of a certificate is about the server, and what the operator needs.
    let stream = stream.map_err(|error| NoConnection::Tls(error.to_string()))?;
    Ok(Encrypted { greeting, stream })
}

/// An encrypted connection. After STARTTLS a server says nothing until it is spoken to, but the library waits for a greeting: it gets ours.
#[derive(Debug)]
struct Encrypted {
    greeting: &'static [u8],
    stream: TlsStream<TcpStream>,
}

impl AsyncRead for Encrypted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.greeting.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.greeting = later;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A server that has gone does not say goodbye.
        let _gone = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
        Poll::Ready(Ok(()))
    }
}

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.get_ref().0.peer_addr()
    }
}
