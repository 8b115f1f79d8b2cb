//! journey-operator: customer journeys as Kubernetes resources, run over one store.
//!
//! The rooms, in reading order. Data flows down this list: manifests are compiled to programs, events come in by the gateway,
//! runners move customers and speak through channels, the operator keeps the cluster as declared.

pub mod api;
pub mod clock;
pub mod personal;
pub mod keys;
pub mod link;
pub mod status_server;
pub mod expression;
pub mod template;
pub mod engine;
pub mod policy;
pub mod kpi;
pub mod compile;
pub mod store;
pub mod channel;
pub mod gateway;
pub mod runner;
pub mod operator;
pub mod cli;
