//! A web server that answers by a script and keeps every request as it came.

use rustls::ServerConfig;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone)]
pub enum Say {
    /// Status line and headers, without the length; an empty body.
    Head(&'static str),
    /// A 200 with this body.
    Body(String),
    /// A 200 that promises more than it gives.
    Half,
    Silence,
    Cut,
}

#[derive(Debug, Clone, Default)]
pub struct Request {
    pub line: String,
    /// By name in small letters; of two with one name, both.
    pub headers: BTreeMap<String, Vec<String>>,
    pub body: String,
}

impl Request {
    /// The only header of that name.
    pub fn header(&self, name: &str) -> &str {
        match self.headers.get(name).map(Vec::as_slice) {
            Some([only]) => only,
            other => panic!("{name}: {other:?}"),
        }
    }
}

pub struct Peer {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    /// Answers the requests one after the other by `script`, and those after its end with 204.
    pub async fn start(tls: Option<Arc<ServerConfig>>, script: Vec<Say>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (Arc::clone(&peer.requests), Arc::clone(&peer.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (requests, script, tls) = (Arc::clone(&requests), script.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(BufReader::new(stream), &requests, &script).await,
                        Some(config) => {
                            if let Ok(stream) = TlsAcceptor::from(config).accept(stream).await {
                                serve(BufReader::new(stream), &requests, &script).await;
                            }
                        }
                    }
                });
            }
        });
        peer
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    requests: &Mutex<Vec<Request>>,
    script: &[Say],
) {
    while let Some(request) = read(&mut stream).await {
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            requests.len()
        };
        match script.get(number - 1).cloned().unwrap_or(Say::Head("204 No Content")) {
            Say::Head(head) => {
                let length = if head.starts_with("204") {
                    ""
                } else {
                    "content-length: 0\r\n"
                };
                let answer = format!("HTTP/1.1 {head}\r\n{length}\r\n");
                let _gone = stream.write_all(answer.as_bytes()).await;
                let _gone = stream.flush().await;
            }
            Say::Body(body) => {
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                let _gone = stream.write_all(answer.as_bytes()).await;
                let _gone = stream.flush().await;
            }
            Say::Half => {
                let _gone = stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"ticket\":")
                    .await;
                let _gone = stream.flush().await;
                return;
            }
            Say::Silence => std::future::pending().await,
            Say::Cut => return,
        }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut request = Request {
        line: lines.remove(0),
        ..Request::default()
    };
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let values = request.headers.entry(name.to_ascii_lowercase()).or_default();
        values.push(value.trim().to_owned());
    }
    let length = request.headers.get("content-length")?.first()?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).ok()?;
    Some(request)
}
