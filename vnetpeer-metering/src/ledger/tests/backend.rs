//! A ledger's file in memory, which can stop taking writes as if the process were killed.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition};

use crate::ledger::{Ledger, store::Store};

const KEEP_DAYS: u32 = 90;

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Writes until the process is killed.
    left: Option<usize>,
    /// Which life of the process may write.
    life: u32,
}

/// The file. What was written before a kill stays.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
    life: u32,
}

impl Memory {
    /// The ledger as a new process opens it.
    pub(super) fn open(&self) -> Ledger {
        let life = {
            let mut state = self.state.lock().unwrap();
            state.left = None;
            state.life += 1;
            state.life
        };
        let backend = Self { state: Arc::clone(&self.state), life };
        let database = Database::builder().create_with_backend(backend).unwrap();
        let store = Store::of(database, Path::new("memory"), KEEP_DAYS).unwrap();
        Ledger::of(store, "host-a").unwrap()
    }

    /// Kills the process after so many more writes.
    pub(super) fn kill_after(&self, writes: usize) {
        self.state.lock().unwrap().left = Some(writes);
    }

    /// What a process finds in a table of links that have ended, by when they did.
    pub(super) fn table(&self, name: &str) -> Vec<((i64, u128), serde_json::Value)> {
        let life = {
            let mut state = self.state.lock().unwrap();
            state.life += 1;
            state.life
        };
        let backend = Self { state: Arc::clone(&self.state), life };
        let database = Database::builder().create_with_backend(backend).unwrap();
        let transaction = database.begin_read().unwrap();
        let table = TableDefinition::<(i64, u128), &str>::new(name);
        let entries = transaction.open_table(table).unwrap();
        let entries = entries.iter().unwrap().map(Result::unwrap);
        let read = |text: &str| serde_json::from_str(text).unwrap();
        entries.map(|(key, value)| (key.value(), read(value.value()))).collect()
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state.lock().unwrap();
        if state.left == Some(0) || state.life != self.life {
            return Err(io::Error::other("killed"));
        }
        Ok(state)
    }
}

impl StorageBackend for Memory {
    fn len(&self) -> io::Result<u64> {
        Ok(self.alive()?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.alive()?.bytes[offset..offset + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.alive()?.bytes.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.alive().map(|_| ())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.alive()?;
        state.left = state.left.map(|left| left - 1);
        let offset = usize::try_from(offset).unwrap();
        state.bytes[offset..offset + data.len()].copy_from_slice(data);
        Ok(())
    }
}
