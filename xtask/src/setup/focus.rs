//! The judge of FOCUS exports: the `FinOps` foundation's focus-validator, in a virtual environment of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{shell, workspace};

/// The validator and all that it needs, with their versions. Later pyarrow does not go with its numpy.
const REQUIREMENTS: &str = include_str!("focus.txt");

/// The Python that it runs on: earlier ones get a version that knows no FOCUS 1.2, later ones no numpy.
const PYTHON: &str = "python3.12";

/// Where the validator is; none without its Python.
pub(super) fn ensure() -> Result<Option<PathBuf>> {
    let folder = workspace::root().join("target/focus-validator");
    let program = folder.join("bin/focus-validator");
    // Written last: what a killed installation left has none.
    let stamp = folder.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(Some(program));
    }
    let Some(python) = python() else { return Ok(None) };
    shell::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let list = folder.join("requirements.new");
    fs::write(&list, REQUIREMENTS).with_context(|| format!("write {}", list.display()))?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--requirement"]);
    shell::run(pip.arg(&list))?;
    fs::rename(&list, &stamp).with_context(|| format!("write {}", stamp.display()))?;
    Ok(Some(program))
}

/// From `PATH` or from pyenv, whose programs in `PATH` work only where they were chosen.
fn python() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let versions = fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let of_pyenv = versions.map(|entry| entry.path().join("bin").join(PYTHON));
    let mut candidates = shell::find(PYTHON).into_iter().chain(of_pyenv);
    candidates.find(|python| runs(python))
}

fn runs(python: &Path) -> bool {
    python.is_file() && shell::capture(Command::new(python).args(["-m", "venv", "--help"])).is_ok()
}
