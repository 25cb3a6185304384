//! Exports: a folder for each format and billing month, with a manifest. The same records give the same
//! bytes. The folder of an open month is replaced when more is known; that of a closed month never changes,
//! and what is known later is written beside it as a correction.

mod directory;
mod focus;
mod manifest;
#[cfg(feature = "parquet")]
mod parquet;
mod partition;
#[cfg(test)]
mod tests;
mod usage;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::manifest::{FileEntry, Manifest, PeriodState, SCHEMA_VERSION};
use self::partition::Partition;
use crate::{
    merge::MergeError,
    price::{PriceBook, Problems, exact::TooLarge},
    rating::{Month, RatingError},
    record::Record,
};

/// What rows are and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A record each, CSV.
    Csv,
    /// A record each, Parquet.
    Parquet,
    /// A charge each, CSV with the columns of FOCUS 1.2.
    Focus,
}

impl Format {
    /// The name of its folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Focus => "focus",
        }
    }
}

/// What to export.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The folder of all exports.
    pub folder: &'r Path,
    /// The format.
    pub format: Format,
    /// Prices; formats with costs need them.
    pub prices: Option<&'r PriceBook>,
    /// The first month.
    pub from: Option<Month>,
    /// The last month.
    pub to: Option<Month>,
    /// Now, in seconds since 1970 (UTC): what tells open months from closed ones.
    pub now: i64,
    /// A month is closed so many seconds after its end.
    pub grace: i64,
}

/// What became of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The month.
    pub month: Month,
    /// What was done.
    pub action: Action,
    /// The folder.
    pub folder: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
}

/// What was done for a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Action {
    /// Its folder was written.
    Written,
    /// It was closed and got a correction.
    Corrected,
    /// Everything was exported already.
    Unchanged,
}

/// An export that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file that cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another export runs.
    #[error("another export into {} is running; try again when it is done", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A manifest that is none.
    #[error("{} is no manifest of an export: {source}; move its folder away", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A manifest of another version.
    #[error(
        "{} has schema version {version}, and this program writes {SCHEMA_VERSION}; export into \
         another folder", path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: String,
    },
    /// A file that is not what its manifest says.
    #[error(
        "{} was changed after it was exported; put the original back, or move its folder away to \
         export it anew", path.display()
    )]
    Altered {
        /// The file.
        path: PathBuf,
    },
    /// Costs without prices.
    #[error("format {0} has costs; give the prices with --prices FILE")]
    NoPrices(&'static str),
    /// A format that is left out of this program.
    #[error("this program was built without format {0}; build it with feature `{0}`")]
    NoFormat(&'static str),
    /// A time that no calendar has.
    #[error("second {0} since 1970 is in no month")]
    NoMonth(i64),
    /// Usage that cannot be billed.
    #[error(transparent)]
    Rating(#[from] RatingError),
    /// Numbers that are too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Exported records that cannot be read again.
    #[error(transparent)]
    Records(#[from] MergeError),
    /// Exported prices that cannot be read again.
    #[error(transparent)]
    Prices(#[from] Problems),
    /// Rows that cannot be written.
    #[error("write CSV: {0}")]
    Csv(#[from] csv::Error),
    /// Rows that cannot be written.
    #[cfg(feature = "parquet")]
    #[error("write Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
}

/// Exports all months of the records, and those that were exported before. Records that were exported once
/// need not be given again.
pub fn export(records: &[Record], request: &Request<'_>) -> Result<Vec<Outcome>, ExportError> {
    if request.format == Format::Focus && request.prices.is_none() {
        return Err(ExportError::NoPrices(request.format.name()));
    }
    let mut months: BTreeMap<Month, Vec<Record>> = BTreeMap::new();
    for record in records {
        let month = Month::of(record.start).ok_or(ExportError::NoMonth(record.start))?;
        months.entry(month).or_default().push(record.clone());
    }
    let folder = request.folder.join(request.format.name());
    let _lock = directory::lock(&folder)?;
    for name in directory::folders(&folder)? {
        if let Ok(month) = name.parse() {
            months.entry(month).or_default();
        }
    }
    let is_asked = |month: Month| {
        request.from.is_none_or(|from| from <= month) && request.to.is_none_or(|to| month <= to)
    };
    months.retain(|month, _| is_asked(*month));
    let export = |(month, records)| Partition::open(&folder, month, request)?.export(records);
    months.into_iter().map(export).collect()
}
