//! Which files are read.

use anyhow::Context as _;
use std::{
    collections::BTreeSet,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Levels of folders that are looked into.
const DEPTH: usize = 16;
/// Bytes of one file that are read: one more than the compiler takes, which then says so.
const LONGEST: u64 = (16 << 20) + 1;

/// Name and text of each file.
pub fn texts(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = vec![];
    for path in paths {
        if path.as_os_str() == "-" {
            let text = read(std::io::stdin().lock()).context("cannot read standard input")?;
            all.push(("-".to_owned(), text));
            continue;
        }
        for file in yaml_files(std::slice::from_ref(path))? {
            let text = File::open(&file).and_then(read);
            let text = text.with_context(|| format!("cannot read {}", file.display()))?;
            all.push((file.display().to_string(), text));
        }
    }
    Ok(all)
}

fn read(from: impl Read) -> std::io::Result<String> {
    let mut bytes = vec![];
    from.take(LONGEST).read_to_end(&mut bytes)?;
    // A character that is cut in two is in a file that is too large anyway.
    if bytes.len() as u64 == LONGEST {
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
}

/// The files of these paths in order: files as they are, folders by their .yaml and .yml files at any depth. Kustomizations, and the
/// patches that they name, are no objects.
pub fn yaml_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    files(paths, &|path| {
        !is_kustomization(path) && !is_story(path, &[".scenario", ".behaviour"])
    })
}

/// Files of scenarios: those that are named, and of folders those called *.scenario.yaml at any depth.
pub fn scenario_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    files(paths, &|path| is_story(path, &[".scenario"]))
}

/// Scenarios and behaviours are for `journey test` and `journey simulate`: they are no objects.
fn is_story(path: &Path, kinds: &[&str]) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    stem.is_some_and(|stem| kinds.iter().any(|kind| stem.ends_with(kind)))
}

fn files(paths: &[PathBuf], wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if path.is_dir() {
            look_into(path, DEPTH, wanted, &mut files)?
        } else {
            files.push(path.clone())
        }
    }
    Ok(files)
}

fn look_into(
    folder: &Path,
    depth: usize,
    wanted: &dyn Fn(&Path) -> bool,
    files: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let patches: BTreeSet<PathBuf> = paths
        .iter()
        .filter(|path| is_kustomization(path))
        .flat_map(|path| patches(folder, path))
        .collect();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if path.is_dir() && !hidden && depth > 0 {
            look_into(&path, depth - 1, wanted, files)?;
        } else if wanted(&path) && !hidden && yaml && !patches.contains(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_kustomization(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name == "kustomization")
        && path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

/// Files that a kustomization lays over others: parts of objects, not objects. One that cannot be read names none.
fn patches(folder: &Path, kustomization: &Path) -> Vec<PathBuf> {
    let text = File::open(kustomization).and_then(read).unwrap_or_default();
    let Ok(read) = serde_saphyr::from_str::<serde_json::Value>(&text) else {
        return vec![];
    };
    let lists = ["patches", "patchesStrategicMerge", "patchesJson6902"];
    let items = lists.iter().filter_map(|list| read[*list].as_array()).flatten();
    items
        .filter_map(|item| item.as_str().or_else(|| item["path"].as_str()))
        .map(|path| folder.join(path))
        .collect()
}
