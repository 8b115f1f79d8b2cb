//! Bodies in bounded time and space, plain or gzip.

use super::{limit::Limits, refusal::Refusal};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header::CONTENT_ENCODING},
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use std::{io::Read, time::Duration};

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// The whole body, unpacked; what is packed may be as large unpacked as a plain one.
pub async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Refusal> {
    let limit = limits.body;
    let too_large = Refusal::TooLarge { limit, what: "bytes" };
    let bytes = match tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await {
        Err(_) => return Err(Refusal::TooSlow),
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) if over_limit(&error) => return Err(too_large),
        Ok(Err(_)) => return Err(Refusal::Malformed("the body broke off".into())),
    };
    match headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap_or_default().trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => Ok(bytes),
        Some("gzip" | "x-gzip") => {
            let mut plain = Vec::new();
            let read = MultiGzDecoder::new(bytes.as_ref()).take(limit as u64 + 1).read_to_end(&mut plain);
            match read {
                Ok(_) if plain.len() > limit => Err(too_large),
                Ok(_) => Ok(plain.into()),
                Err(_) => Err(Refusal::Malformed("the body is not gzip, though Content-Encoding says so".into())),
            }
        }
        Some(_) => Err(Refusal::Unsupported("Content-Encoding is gzip or left out".into())),
    }
}

fn over_limit(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    async fn read_as(encoding: &str, body: Vec<u8>) -> Result<Bytes, Refusal> {
        let headers = [(CONTENT_ENCODING, encoding.parse().unwrap())].into_iter().collect();
        read(&headers, body.into(), &Limits { body: 1000, ..Limits::default() }).await
    }

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[tokio::test]
    async fn gzip_is_unpacked_within_the_limit_of_a_plain_body() {
        assert_eq!(read_as("gzip", gzip(&[b'a'; 1000])).await.unwrap().len(), 1000);
        let bomb = gzip(&[b'a'; 500_000]);
        assert!(bomb.len() < 1000);
        assert!(matches!(read_as("gzip", bomb).await, Err(Refusal::TooLarge { limit: 1000, .. })));
        assert!(matches!(read_as("identity", vec![b'a'; 1001]).await, Err(Refusal::TooLarge { .. })));
        assert!(matches!(read_as("gzip", b"plain".to_vec()).await, Err(Refusal::Malformed(_))));
        assert!(matches!(read_as("br", b"plain".to_vec()).await, Err(Refusal::Unsupported(_))));
    }
}
