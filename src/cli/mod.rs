//! The subcommands.

pub mod crds;
pub mod gateway;
pub mod import;
pub mod operator;
pub mod quarantine;
pub mod store_args;
