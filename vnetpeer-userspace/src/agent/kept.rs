//! Files in the state directory that an agent can do without: what it knew last.

use std::{fs, io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

/// Reads a file; what is missing or cannot be read is the default.
pub(super) fn read<T: Default + DeserializeOwned>(path: &Path) -> T {
    let read = match fs::read(path) {
        Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(T::default()),
        Err(error) => Err(error),
    };
    read.unwrap_or_else(|error| {
        tracing::warn!(path = %path.display(), %error, "starts without what was known last");
        T::default()
    })
}

/// Writes a file so that a reader sees the old content or the new one.
pub(super) fn write<T: Serialize>(path: &Path, content: &T) {
    let new = path.with_extension("json.new");
    let json = serde_json::to_vec(content).map_err(io::Error::from);
    let written = json.and_then(|it| fs::write(&new, it)).and_then(|()| fs::rename(&new, path));
    if let Err(error) = written {
        tracing::warn!(path = %path.display(), %error, "cannot keep on disk what is known");
    }
}
