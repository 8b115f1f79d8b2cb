//! `journey crds`: the CustomResourceDefinitions as YAML, for `kubectl apply`, for crds/ and for the chart.

use crate::api::crd_files;
use anyhow::Context;
use std::{
    fs,
    io::{self, Write},
    path::Path,
};

/// Prints the five CRDs as one stream of YAML documents, or writes a file for each into the folder `output`, which is
/// made when it is missing.
///
/// # Errors
/// When the folder or a file cannot be written.
pub fn run(output: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = output else {
        return print(&mut io::stdout().lock());
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, yaml) in crd_files() {
        let file = folder.join(name);
        fs::write(&file, yaml).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// A reader that has seen enough (`journey crds | head`) is no failure.
fn print(out: &mut impl Write) -> anyhow::Result<()> {
    for (_, yaml) in crd_files() {
        match out.write_all(format!("---\n{yaml}").as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot print the CRDs")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_printed_stream_holds_the_five_kinds_and_the_folder_a_file_for_each() {
        let mut printed = vec![];
        print(&mut printed).unwrap();
        let documents: Vec<serde_json::Value> =
            serde_saphyr::from_multiple(std::str::from_utf8(&printed).unwrap()).unwrap();
        let kinds: Vec<_> = documents
            .iter()
            .map(|d| d["spec"]["names"]["kind"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            [
                "Journey",
                "Touchpoint",
                "ChannelAdapter",
                "CustomerProfile",
                "PrivacyPolicy"
            ]
        );

        let folder = tempfile::tempdir().unwrap();
        run(Some(&folder.path().join("made"))).unwrap();
        let written = fs::read_dir(folder.path().join("made")).unwrap().count();
        assert_eq!(written, 5);
    }
}
