//! journey-operator: customer journeys as Kubernetes resources, run over one store.
//!
//! The rooms, in reading order. Data flows down this list: manifests are compiled to programs, events come in by the gateway,
//! runners move customers and speak through channels, the operator keeps the cluster as declared.

pub mod address;
pub mod api;
pub mod bench;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod compile;
pub mod consent;
pub mod engine;
pub mod expression;
pub mod gateway;
pub mod graph;
pub mod keys;
pub mod kpi;
pub mod link;
pub mod locale;
pub mod markup;
pub mod operator;
pub mod panics;
pub mod personal;
pub mod policy;
pub mod runner;
pub mod simulate;
pub mod status_server;
pub mod store;
pub mod survey;
pub mod template;
pub mod words;
