//! `journey explain`: what a code of `journey check` means.

use crate::compile::{self, Code};
use std::{io::Write as _, process::ExitCode};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Codes such as JNY020; left out: all of them, a line each
    pub codes: Vec<String>,
}

/// 0: explained; 2: there is no such code.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if args.codes.is_empty() {
        write!(out, "{}", compile::list())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut unknown = false;
    for (n, id) in args.codes.iter().enumerate() {
        match Code::of(id) {
            Some(code) => write!(out, "{}{}", if n > 0 { "\n" } else { "" }, compile::explain(code))?,
            None => {
                unknown = true;
                eprintln!("error: there is no code {id}; journey explain lists them all");
            }
        }
    }
    Ok(if unknown { ExitCode::from(2) } else { ExitCode::SUCCESS })
}
