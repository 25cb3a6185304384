//! The last reading of meters that another version of the agent left: its maps have another layout, so
//! this version made its own, in another directory.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use vnetpeer_metering::{
    ledger::Ledger,
    reading::{Reading, Source},
    record::Cut,
};

use super::{MeterError, counts, now};
use crate::dataplane::counters::Meters;

/// Reads the meters of `source` into the ledger and removes the version that has them. If they are gone,
/// the ledger tells so when it is next written.
pub(super) fn read(ledger: &mut Ledger, source: Source, pin_dir: &Path) -> Result<(), MeterError> {
    let Some((folder, meters)) = find(source.map, pin_dir)? else { return Ok(()) };
    let links = folder.join("links");
    if fs::read_dir(&links).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(MeterError::StillAttached { path: links });
    }
    let meters = meters.read(&ledger.numbers())?;
    let counts: BTreeMap<_, _> = meters.iter().map(|(number, it)| (*number, counts(it))).collect();
    let installed = BTreeSet::new();
    let reading = Reading { moment: now()?, source, counts: &counts, installed: &installed };
    let report = ledger.finish(&reading, Cut::Epoch)?;
    tracing::info!(
        links = report.ended,
        path = %folder.display(),
        "read the meters of another version for the last time"
    );
    if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::warn!(path = %folder.display(), %error, "cannot remove the other version's maps");
    }
    Ok(())
}

/// The version whose meters are the map of this number.
fn find(map: u32, pin_dir: &Path) -> Result<Option<(PathBuf, Meters)>, MeterError> {
    let failed = |source: io::Error| MeterError::Io { what: "the pin directory", source };
    for entry in fs::read_dir(pin_dir).map_err(failed)? {
        let folder = entry.map_err(failed)?.path();
        if let Some(meters) = Meters::at(&folder.join("maps"))?
            && meters.id() == map
        {
            return Ok(Some((folder, meters)));
        }
    }
    Ok(None)
}
