//! The binary as its users call it.

use std::process::{Command, Output};

pub fn journey(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_journey"))
        .args(arguments)
        .output()
        .unwrap()
}

/// What it wrote; it must have done what it was asked.
pub fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}
