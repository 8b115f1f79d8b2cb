//! The command line: argv to the rooms. The one place that knows clap and anyhow.

pub mod check;
