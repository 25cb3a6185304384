//! Folders on disk. A folder appears whole or not at all.

use std::{
    fs::{self, File as Handle},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use super::{
    ExportError,
    manifest::{File, FileEntry, Manifest},
};

/// The manifest of a folder.
const MANIFEST: &str = "manifest.json";

/// Holds the lock of an export folder as long as it lives.
pub(super) struct Lock {
    _file: Handle,
}

/// Makes the folder; nobody else exports into it meanwhile.
pub(super) fn lock(folder: &Path) -> Result<Lock, ExportError> {
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let path = folder.join(".lock");
    let file = Handle::create(&path).map_err(failed(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(fs::TryLockError::WouldBlock) => Err(ExportError::Busy { path: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(failed(&path)(error)),
    }
}

/// An error about a path.
pub(super) fn failed(path: &Path) -> impl Fn(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io { path: path.clone(), source }
}

/// A folder that was written before, as its manifest says.
pub(super) struct Written {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
}

/// The folder, if there is one; every file must be what the manifest says.
pub(super) fn open(path: &Path) -> Result<Option<Written>, ExportError> {
    recover(path)?;
    if !path.exists() {
        return Ok(None);
    }
    let manifest = path.join(MANIFEST);
    let text = fs::read(&manifest).map_err(failed(&manifest))?;
    let read: Manifest = serde_json::from_slice(&text)
        .map_err(|source| ExportError::Manifest { path: manifest.clone(), source })?;
    if read.schema_version != super::SCHEMA_VERSION {
        return Err(ExportError::Version { path: manifest, version: read.schema_version });
    }
    let written = Written { path: path.to_owned(), manifest: read };
    for entry in &written.manifest.files {
        let contents = written.contents(&entry.name)?;
        if FileEntry::of(&entry.name, &contents) != *entry {
            return Err(ExportError::Altered { path: path.join(&entry.name) });
        }
    }
    Ok(Some(written))
}

impl Written {
    /// A file's contents.
    pub(super) fn contents(&self, name: &str) -> Result<Vec<u8>, ExportError> {
        let path = self.path.join(name);
        fs::read(&path).map_err(failed(&path))
    }

    /// A file's text.
    pub(super) fn text(&self, name: &str) -> Result<String, ExportError> {
        String::from_utf8(self.contents(name)?)
            .map_err(|_| ExportError::Altered { path: self.path.join(name) })
    }
}

/// Puts a folder in its place, instead of what was there.
pub(super) fn put(path: &Path, files: &[File], manifest: &Manifest) -> Result<(), ExportError> {
    let (new, old) = (beside(path, "new"), beside(path, "old"));
    remove(&new)?;
    fs::create_dir_all(&new).map_err(failed(&new))?;
    let mut text = serde_json::to_vec_pretty(manifest)
        .map_err(|source| ExportError::Manifest { path: path.to_owned(), source })?;
    text.push(b'\n');
    for (name, contents) in
        files.iter().map(|it| (it.name, &it.contents)).chain([(MANIFEST, &text)])
    {
        let file = new.join(name);
        let mut handle = Handle::create(&file).map_err(failed(&file))?;
        handle.write_all(contents).and_then(|()| handle.sync_all()).map_err(failed(&file))?;
    }
    if path.exists() {
        remove(&old)?;
        fs::rename(path, &old).map_err(failed(path))?;
    }
    fs::rename(&new, path).map_err(failed(path))?;
    remove(&old)
}

/// What a run left that was killed between two renames.
fn recover(path: &Path) -> Result<(), ExportError> {
    let old = beside(path, "old");
    if old.exists() && !path.exists() {
        fs::rename(&old, path).map_err(failed(&old))?;
    }
    remove(&old)?;
    remove(&beside(path, "new"))
}

/// A hidden neighbour.
fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{what}"))
}

fn remove(path: &Path) -> Result<(), ExportError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// Names of the folders in a folder that are not hidden, in order; none if there is no such folder.
pub(super) fn folders(path: &Path) -> Result<Vec<String>, ExportError> {
    let mut names = Vec::new();
    if path.exists() {
        for entry in fs::read_dir(path).map_err(failed(path))? {
            let entry = entry.map_err(failed(path))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() && !name.starts_with('.') {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}
