//! The operator on a real API server with a real PostgreSQL: what is declared comes to be, mistakes are told with path and remedy and clear by
//! themselves, what is taken away comes back, and what is deleted leaves nothing behind.
//!
//! Needs a cluster (KUBECONFIG); asked for by JOURNEY_CLUSTER_TESTS=1, as `make test` does. The operator runs as a process of its own against
//! namespaces of its own, so nothing else in the cluster is looked at. Each story has a namespace to itself, and all are told at once.

mod kinds;
mod operator_stories;

use operator_stories::{Stage, stories};

#[test]
fn the_operator_keeps_the_cluster_and_the_store_as_declared() {
    if std::env::var("JOURNEY_CLUSTER_TESTS").as_deref() != Ok("1") {
        println!("skipped by request: JOURNEY_CLUSTER_TESTS is not 1");
        return;
    }
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stage = Stage::set().await;
        // A panic must leave nothing in the cluster: the stories gather what is wrong instead.
        let mut wrong = stories::all(&stage).await;
        wrong.extend(stories::outage(&mut stage).await.err());
        wrong.extend(stories::succession(&mut stage).await.err());
        if !wrong.is_empty() {
            wrong.push(stage.log());
        }
        stage.strike().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    });
}
