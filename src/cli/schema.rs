//! `journey schema`: JSON Schemas for editors, for schemas/ and for wherever people write journeys.

use crate::api::{schema, schema_files};
use anyhow::Context as _;
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// Prints one schema of all kinds, or writes `all.json` and one file a kind into the folder `output`, which is made when it is missing.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn run(output: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = output else {
        // A reader that has seen enough is no failure.
        return match io::stdout().lock().write_all(schema().as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.context("cannot print the schema"),
        };
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, text) in schema_files() {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
