//! Connections: a bounded pool, TLS as the URL asks, time limits on everything, and what an error of the database means.

use crate::store::{Result, StoreError};
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use rustls::{
    ClientConfig, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use std::{path::Path, str::FromStr, sync::Arc, time::Duration};
use tokio::time::error::Elapsed;
use tokio_postgres::{Config, error::SqlState};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long anything may take that gateways and runners do; the database itself gives up a little earlier.
pub(super) const PATIENCE: Duration = Duration::from_secs(12);
/// How long the operator's deletions may take.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(900);
/// For each session. Statements are short and planned once: compiling them costs more than it gives, and a plan made while a table was empty
/// must not go on reading all of it when it has grown, so rows are always reached by index, from the batch to the table: where the planner is
/// free to begin at the table, or to follow an index for its order alone, a LATERAL subquery that it may not dissolve says so (OFFSET 0, LIMIT
/// 1, FOR UPDATE); reading a namespace's customers to find twenty of them took 97 % of the time before. What is asked for in an order has an index
/// in that order: sorting all that is due to find what is due first seemed cheaper to a planner whose statistics were old. A process that is
/// frozen within a transaction loses its locks sooner than a lease is over and than those who wait for them give up.
const SESSION: &str = "SET search_path = journey; SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '4s'; SET client_min_messages = warning; SET jit = off; \
     SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; \
     SET plan_cache_mode = force_generic_plan";
/// For the transactions of a deletion.
pub(super) const UNHURRIED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'";

pub(super) struct Connections {
    pool: Pool,
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Connections {
    /// `sslmode` of the URL: `disable`; `prefer` (default) and `require` encrypt, and verify the chain of the server's certificate when `ca` is
    /// given (as libpq does); `verify-ca` always verifies the chain, `verify-full` the host's name too, against `ca` or else the system's roots.
    pub(super) fn new(url: &str, ca: Option<&Path>, most: usize) -> Result<Self> {
        let (url, trust) = trust(url, ca)?;
        let mut config =
            Config::from_str(&url).map_err(|error| StoreError::Unavailable(format!("the database's URL: {error}")))?;
        config
            .connect_timeout(Duration::from_secs(3))
            .tcp_user_timeout(Duration::from_secs(8));
        config
            .keepalives_idle(Duration::from_secs(10))
            .application_name("journey");
        let tls = MakeRustlsConnect::new(tls(trust)?);
        let manager = Manager::from_config(
            config.clone(),
            tls.clone(),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let session = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move { client.batch_execute(SESSION).await.map_err(HookError::Backend) })
        });
        let pool = Pool::builder(manager)
            .max_size(most.max(1))
            .wait_timeout(Some(Duration::from_secs(5)))
            .create_timeout(Some(Duration::from_secs(5)))
            .recycle_timeout(Some(Duration::from_secs(3)))
            .runtime(Runtime::Tokio1)
            .post_create(session)
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(Self { pool, config, tls })
    }

    pub(super) async fn lend(&self) -> Result<Object> {
        self.pool.get().await.map_err(|error| unavailable(&error))
    }
}

/// Takes a connection back after use: one whose session may still be at work, or is gone, is given to nobody else.
pub(super) fn settle<T>(lent: Object, done: std::result::Result<Result<T>, Elapsed>, patience: Duration) -> Result<T> {
    if done.is_err() || lent.is_closed() {
        drop(Object::take(lent));
    }
    done.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(format!(
            "no answer within {} s",
            patience.as_secs()
        )))
    })
}

impl From<tokio_postgres::Error> for StoreError {
    /// Never with the error's detail: that may quote a row.
    fn from(error: tokio_postgres::Error) -> Self {
        let said = match error.as_db_error() {
            Some(db) if *db.code() == SqlState::UNDEFINED_TABLE || *db.code() == SqlState::INVALID_SCHEMA_NAME => {
                "its schema is not there yet: the operator makes it when it starts".to_owned()
            }
            Some(db) => format!("{} ({})", db.message(), db.code().code()),
            None => chain(&error),
        };
        Self::Unavailable(said)
    }
}

fn unavailable(error: &deadpool_postgres::PoolError) -> StoreError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
            StoreError::Unavailable(chain(error))
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

/// An error and why: tokio-postgres says "error connecting to server" and keeps the rest in its source.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        said = format!("{said}: {inner}");
        cause = inner.source();
    }
    said
}

/// What is believed of the server's certificate.
enum Trust {
    Anything,
    Chain(RootCertStore),
    ChainAndName(RootCertStore),
}

/// Takes out of the URL what tokio-postgres does not know.
fn trust(url: &str, ca: Option<&Path>) -> Result<(String, Trust)> {
    let asked = |mode: &str| url.contains(&format!("sslmode={mode}"));
    let roots = || ca.map_or_else(system_roots, roots_of);
    let trust = if asked("verify-full") {
        Trust::ChainAndName(roots()?)
    } else if asked("verify-ca") || (ca.is_some() && !asked("disable")) {
        Trust::Chain(roots()?)
    } else {
        Trust::Anything
    };
    let known = url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    Ok((known, trust))
}

fn roots_of(file: &Path) -> Result<RootCertStore> {
    let wrong = |what: String| StoreError::Unavailable(format!("the database's CA file {}: {what}", file.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() {
        Err(wrong("it holds no certificate in PEM".into()))
    } else {
        Ok(roots)
    }
}

fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(StoreError::Unavailable(
            "the system has no CA certificates: give --database-ca FILE".into(),
        ));
    }
    Ok(roots)
}

fn tls(trust: Trust) -> Result<ClientConfig> {
    let wrong = |error: &dyn std::fmt::Display| StoreError::Unavailable(format!("TLS to the database: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(&error))?;
    let loose = |roots| {
        let chain: Option<RootCertStore> = roots;
        let chain =
            chain.map(|roots| WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build());
        let chain = chain.transpose().map_err(|error| wrong(&error))?;
        Ok::<_, StoreError>(Arc::new(Loose {
            provider: provider.clone(),
            chain,
        }))
    };
    Ok(match trust {
        Trust::ChainAndName(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        Trust::Chain(roots) => builder
            .dangerous()
            .with_custom_certificate_verifier(loose(Some(roots))?)
            .with_no_client_auth(),
        Trust::Anything => builder
            .dangerous()
            .with_custom_certificate_verifier(loose(None)?)
            .with_no_client_auth(),
    })
}

/// Verifies less than the web does: the chain without the name, or only that the server has the key of its certificate.
#[derive(Debug)]
struct Loose {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Loose {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        use rustls::{
            CertificateError::{NotValidForName, NotValidForNameContext},
            Error::InvalidCertificate,
        };
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is looked at last, when the chain has been found good.
            Err(InvalidCertificate(NotValidForName | NotValidForNameContext { .. })) => {
                Ok(ServerCertVerified::assertion())
            }
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
