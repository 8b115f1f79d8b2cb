//! The subcommands.

pub mod crds;
