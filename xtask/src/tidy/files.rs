//! Which files the rules are for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Folders that hold nothing written by hand.
const SKIPPED_FOLDERS: [&str; 2] = ["target", ".git"];

const EXTENSIONS: [&str; 7] = ["json", "md", "rs", "sh", "toml", "yaml", "yml"];

/// A text file of the work tree.
pub(super) struct File {
    /// Relative to the root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// Whether the file holds Rust.
    pub(super) fn is_rust(&self) -> bool {
        has_extension(Path::new(&self.path), &["rs"])
    }

    /// Whether the file is a crate's manifest.
    pub(super) fn is_manifest(&self) -> bool {
        Path::new(&self.path).file_name().is_some_and(|name| name == "Cargo.toml")
    }
}

/// Reads all files that the rules are for, in the order of their paths.
pub(super) fn read(root: &Path) -> Result<Vec<File>> {
    let mut folders = vec![root.to_owned()];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        list(&folder, &mut folders, &mut paths)
            .with_context(|| format!("list {}", folder.display()))?;
    }
    paths.sort();
    paths.into_iter().map(|path| read_one(root, &path)).collect()
}

fn list(folder: &Path, folders: &mut Vec<PathBuf>, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let skipped = SKIPPED_FOLDERS.iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !skipped {
            folders.push(path);
        } else if kind.is_file() && (has_extension(&path, &EXTENSIONS) || path.ends_with(".ci/run"))
        {
            paths.push(path);
        }
    }
    Ok(())
}

fn read_one(root: &Path, path: &Path) -> Result<File> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let relative = path.strip_prefix(root).unwrap_or(path);
    Ok(File { path: relative.to_string_lossy().into_owned(), text })
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}
