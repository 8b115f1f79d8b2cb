//! A mail server that follows a script: what it answers to which command, and when it hangs up or falls silent.

use rustls::ServerConfig;
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// The end of a body, as a script names it.
pub const END: &str = ".";
/// The moment of connecting, as a script names it.
pub const GREETING: &str = "";

#[derive(Debug, Clone, Copy)]
pub enum Say {
    Line(&'static str),
    /// Says it, and hangs up.
    LineAndCut(&'static str),
    Cut,
    Silence,
}

#[derive(Clone)]
pub enum Encryption {
    FromTheStart(Arc<ServerConfig>),
    StartTls(Arc<ServerConfig>),
    /// STARTTLS, and what somebody on the way puts behind the server's consent to it.
    StartTlsAnd(Arc<ServerConfig>, &'static str),
    None,
}

/// The how many-th connection (from 1; 0: each), how the command begins (`2 MAIL`: the second one of the connection), and its answer.
pub type Script = Vec<(usize, &'static str, Say)>;

/// A running server; it ends with the test's runtime.
pub struct Peer {
    pub address: SocketAddr,
    /// What was said in the clear and encrypted, bodies too, line by line, with the number of the connection.
    heard: Arc<Mutex<Vec<(usize, bool, String)>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    pub async fn start(encryption: Encryption, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
            connections: Arc::default(),
        };
        let (heard, connections) = (Arc::clone(&peer.heard), Arc::clone(&peer.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let session = Session {
                    number: connections.fetch_add(1, Ordering::SeqCst) + 1,
                    script: script.clone(),
                    heard: Arc::clone(&heard),
                };
                tokio::spawn(session.serve(stream, encryption.clone()));
            }
        });
        peer
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Everything that was said to it.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().map(|(_, _, line)| line.clone()).collect()
    }

    /// What was said to it in the clear.
    pub fn heard_in_the_clear(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let clear = heard.iter().filter(|(_, encrypted, _)| !encrypted);
        clear.map(|(_, _, line)| line.clone()).collect()
    }

    pub fn bodies(&self) -> usize {
        self.heard().iter().filter(|line| *line == END).count()
    }
}

struct Session {
    number: usize,
    script: Script,
    heard: Arc<Mutex<Vec<(usize, bool, String)>>>,
}

enum Next {
    GoOn,
    Encrypt,
    End,
}

impl Session {
    async fn serve(self, stream: TcpStream, encryption: Encryption) {
        match encryption {
            Encryption::None => {
                self.talk(&mut BufReader::new(stream), false, true, None).await;
            }
            Encryption::FromTheStart(config) => {
                if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                    self.talk(&mut BufReader::new(stream), true, true, None).await;
                }
            }
            Encryption::StartTls(config) => self.start_tls(stream, config, "").await,
            Encryption::StartTlsAnd(config, behind) => self.start_tls(stream, config, behind).await,
        }
    }

    async fn start_tls(self, stream: TcpStream, config: Arc<ServerConfig>, behind: &str) {
        let mut plain = BufReader::new(stream);
        if !self.talk(&mut plain, false, true, Some(behind)).await {
            return;
        }
        if let Ok(stream) = TlsAcceptor::from(config).accept(plain.into_inner()).await {
            self.talk(&mut BufReader::new(stream), true, false, None).await;
        }
    }

    /// Until the client or the script ends it; true: the client wants encryption.
    async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        encrypted: bool,
        greet: bool,
        start_tls: Option<&str>,
    ) -> bool {
        if greet && !matches!(self.answer(stream, GREETING, start_tls).await, Next::GoOn) {
            return false;
        }
        let (mut line, mut body) = (String::new(), false);
        loop {
            line.clear();
            if !matches!(stream.read_line(&mut line).await, Ok(1..)) {
                return false;
            }
            let said = line.trim_end_matches(['\r', '\n']).to_owned();
            self.heard.lock().unwrap().push((self.number, encrypted, said.clone()));
            if body && said != END {
                continue;
            }
            match self.answer(stream, &said, start_tls).await {
                Next::GoOn => body = said == "DATA" && !self.is_scripted("DATA"),
                Next::Encrypt => return true,
                Next::End => return false,
            }
        }
    }

    fn is_scripted(&self, command: &str) -> bool {
        self.scripted(command).is_some()
    }

    fn scripted(&self, command: &str) -> Option<Say> {
        let word = command.split([' ', ':']).next().unwrap_or_default();
        let heard = self.heard.lock().unwrap();
        let same = heard
            .iter()
            .filter(|(number, _, line)| *number == self.number && line.starts_with(word));
        let counted = format!("{} {command}", same.count());
        let fits = |(connection, begins, _): &&(usize, &str, Say)| {
            let is_this = if begins.is_empty() {
                command.is_empty()
            } else {
                command.starts_with(begins) || counted.starts_with(begins)
            };
            [0, self.number].contains(connection) && is_this
        };
        self.script.iter().find(fits).map(|(_, _, say)| *say)
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        command: &str,
        start_tls: Option<&str>,
    ) -> Next {
        let usual = || {
            let word = command.split([' ', ':']).next().unwrap_or_default();
            match word {
                GREETING => "220 peer ready".to_owned(),
                "EHLO" if start_tls.is_some() => "250-peer\r\n250-8BITMIME\r\n250 STARTTLS".into(),
                "EHLO" => "250-peer\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN".into(),
                "STARTTLS" => format!("220 go ahead\r\n{}", start_tls.unwrap_or_default())
                    .trim_end()
                    .to_owned(),
                "AUTH" => "235 welcome".into(),
                "DATA" => "354 go ahead".into(),
                "QUIT" => "221 bye".into(),
                END => "250 taken".into(),
                _ => "250 ok".into(),
            }
        };
        let say = async |stream: &mut BufReader<S>, line: &str| {
            let _gone = stream.write_all(format!("{line}\r\n").as_bytes()).await;
            let _gone = stream.flush().await;
        };
        match self.scripted(command) {
            Some(Say::Line(line)) => say(stream, line).await,
            Some(Say::LineAndCut(line)) => {
                say(stream, line).await;
                return Next::End;
            }
            Some(Say::Cut) => return Next::End,
            Some(Say::Silence) => std::future::pending().await,
            None => say(stream, &usual()).await,
        }
        match command {
            "STARTTLS" if start_tls.is_some() => Next::Encrypt,
            "QUIT" => Next::End,
            _ => Next::GoOn,
        }
    }
}
