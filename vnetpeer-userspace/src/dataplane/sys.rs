//! The one place of user space with `unsafe`: which types may be map keys and values, and the calls of
//! bpf(2) that aya has no function for.

mod mapped;

pub(super) use self::mapped::Mapped;

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    maps::{HashMap, IterableMap as _, MapData, MapError, MapType},
    util::nr_cpus,
};
use bytemuck::{Pod, Zeroable};

/// A type of [`vnetpeer_common::abi`] as aya wants it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub(super) struct Abi<T>(pub(super) T);

// SAFETY: aya asks that the type is plain data that may be copied as bytes in both directions.
// `bytemuck::Pod` guarantees just that: no padding, no pointers, valid for any bytes.
unsafe impl<T: Pod> aya::Pod for Abi<T> {}

/// A hash map of plain keys and values; aya has compared their sizes with the kernel's.
pub(super) type HashedMap<K, V> = HashMap<MapData, Abi<K>, Abi<V>>;

/// `BPF_MAP_UPDATE_ELEM` of linux/bpf.h.
const UPDATE: libc::c_int = 2;
/// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
const LOOKUP_AND_DELETE: libc::c_int = 21;
/// `BPF_MAP_LOOKUP_BATCH`.
const LOOKUP_BATCH: libc::c_int = 24;
/// `BPF_NOEXIST`: only if the key is not there.
const NO_EXIST: u64 = 1;

/// `bpf_attr` of the commands for one element.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Element {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// `bpf_attr` of the commands for many elements.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Batch {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    element_flags: u64,
    flags: u64,
}

/// Calls bpf(2).
///
/// # Safety
///
/// `A` must be laid out as the command's `bpf_attr`, and the addresses in it must be those of memory
/// that the command may read or write, as long as it says.
unsafe fn bpf<A>(command: libc::c_int, attr: &mut A) -> io::Result<()> {
    let attr: *mut A = attr;
    // SAFETY: the kernel reads and writes `size_of::<A>()` bytes at `attr`, which is a valid
    // reference; the caller vouches for what it points at.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attr, size_of::<A>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn fd<K: Pod, V: Pod>(map: &HashedMap<K, V>) -> u32 {
    // A file descriptor is never negative.
    map.map().fd().as_fd().as_raw_fd().unsigned_abs()
}

/// Address of a value that the kernel reads.
fn address<T>(value: &T) -> u64 {
    std::ptr::from_ref(value).expose_provenance() as u64
}

/// Address of a value that the kernel writes.
fn address_mut<T: ?Sized>(value: &mut T) -> u64 {
    std::ptr::from_mut(value).cast::<u8>().expose_provenance() as u64
}

/// Where a read of a hash map in batches stands.
pub(super) type Cursor = Option<u64>;

/// Reads the next entries of a hash map into the two slices. Returns how many there are, and whether
/// there may be more. The map's buckets are read whole: `ENOSPC` if the next one does not fit, and
/// the cursor stays where it was.
pub(super) fn lookup_batch<K: Pod, V: Pod>(
    map: &HashedMap<K, V>,
    cursor: &mut Cursor,
    keys: &mut [K],
    values: &mut [V],
) -> io::Result<(usize, bool)> {
    let mut next = 0_u64;
    let room = keys.len().min(values.len());
    let mut attr = Batch {
        from: cursor.as_ref().map_or(0, address),
        next: address_mut(&mut next),
        keys: address_mut(keys),
        values: address_mut(values),
        count: u32::try_from(room).unwrap_or(u32::MAX),
        map_fd: fd(map),
        ..Batch::default()
    };
    // SAFETY: `Batch` is that `bpf_attr`. The kernel writes at most `count` keys and values of sizes
    // that aya has compared with `K` and `V`, both `Pod`, into slices of at least that length, and a
    // bucket number of four bytes into `next`; the cursor that it reads is such a number.
    let result = unsafe { bpf(LOOKUP_BATCH, &mut attr) };
    let count = usize::try_from(attr.count).unwrap_or(room).min(room);
    match result {
        Ok(()) => {
            *cursor = Some(next);
            Ok((count, true))
        }
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok((count, false)),
        Err(error) => Err(error),
    }
}

/// Removes a key and returns the value that it had, or `None` if it is not there.
pub(super) fn take<K: Pod, V: Pod + Zeroable>(
    map: &HashedMap<K, V>,
    key: &K,
) -> io::Result<Option<V>> {
    let mut value = V::zeroed();
    let (key, at) = (address(key), address_mut(&mut value));
    let mut attr = Element { map_fd: fd(map), key, value: at, ..Element::default() };
    // SAFETY: `Element` is that `bpf_attr`. The kernel reads one key and writes one value, of sizes
    // that aya has compared with `K` and `V`, and any bytes are a valid `V`.
    match unsafe { bpf(LOOKUP_AND_DELETE, &mut attr) } {
        Ok(()) => Ok(Some(value)),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Inserts a key that is not there. Returns whether it was inserted: `false` if it is there, or if
/// the map is full.
pub(super) fn insert_new<K: Pod, V: Pod>(
    map: &HashedMap<K, V>,
    key: &K,
    value: &V,
) -> io::Result<bool> {
    let (key, value) = (address(key), address(value));
    let mut attr = Element { map_fd: fd(map), key, value, flags: NO_EXIST, ..Element::default() };
    // SAFETY: `Element` is that `bpf_attr`. The kernel reads one key and one value, of sizes that aya
    // has compared with `K` and `V`.
    match unsafe { bpf(UPDATE, &mut attr) } {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EEXIST | libc::E2BIG)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads entries of an array of `V` from `first` on into a slice. Returns how many there were.
pub(super) fn read_array<V: Pod>(
    map: &MapData,
    first: u32,
    values: &mut [V],
) -> Result<usize, MapError> {
    let info = map.info()?;
    let fits = info.map_type()? == MapType::Array
        && usize::try_from(info.key_size()) == Ok(size_of::<u32>())
        && usize::try_from(info.value_size()) == Ok(size_of::<V>());
    if !fits {
        return Err(MapError::IoError(io::ErrorKind::InvalidInput.into()));
    }
    let before = first.checked_sub(1);
    let (mut next, mut keys) = (0_u32, vec![0_u32; values.len()]);
    let mut attr = Batch {
        from: before.as_ref().map_or(0, address),
        next: address_mut(&mut next),
        keys: address_mut(keys.as_mut_slice()),
        values: address_mut(values),
        count: u32::try_from(keys.len()).unwrap_or(u32::MAX),
        map_fd: map.fd().as_fd().as_raw_fd().unsigned_abs(),
        ..Batch::default()
    };
    // SAFETY: `Batch` is that `bpf_attr`. The map is an array with keys of four bytes and values of
    // `size_of::<V>()`, so the kernel writes at most `count` keys and values, any bytes of which are a valid
    // `V`, and a key of four bytes into `next`; it reads such a key at `from`. There is room for all of it.
    match unsafe { bpf(LOOKUP_BATCH, &mut attr) } {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(MapError::IoError(error)),
        _ => Ok(usize::try_from(attr.count).unwrap_or(0).min(values.len())),
    }
}

/// A per-CPU array that is read in batches.
pub(super) struct PerCpuReader<V> {
    map: MapData,
    /// Values that the kernel keeps of every entry.
    cpus: usize,
    len: u32,
    value: PhantomData<V>,
}

impl<V: Pod> PerCpuReader<V> {
    /// Takes a map whose kind and sizes are those of a per-CPU array of `V`; `None` if they are not.
    pub(super) fn new(map: MapData) -> Result<Option<Self>, MapError> {
        let info = map.info()?;
        let fits = info.map_type()? == MapType::PerCpuArray
            && usize::try_from(info.key_size()) == Ok(size_of::<u32>())
            && usize::try_from(info.value_size()) == Ok(size_of::<V>())
            && size_of::<V>().is_multiple_of(size_of::<u64>());
        let cpus = nr_cpus().map_err(|(_, error)| MapError::IoError(error))?;
        Ok(fits.then_some(Self { map, cpus, len: info.max_entries(), value: PhantomData }))
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Reads entries from `first` on, `count` at most; those that there are, each with its values by CPU.
    pub(super) fn read(
        &self,
        first: u32,
        count: u32,
        mut see: impl FnMut(u32, &[V]),
    ) -> io::Result<()> {
        let before = first.checked_sub(1);
        let room = usize::try_from(count.min(self.len.saturating_sub(first))).unwrap_or(0);
        if room == 0 {
            return Ok(());
        }
        let (mut next, mut keys) = (0_u32, vec![0_u32; room]);
        let mut values = vec![V::zeroed(); room.saturating_mul(self.cpus)];
        let mut attr = Batch {
            from: before.as_ref().map_or(0, address),
            next: address_mut(&mut next),
            keys: address_mut(keys.as_mut_slice()),
            values: address_mut(values.as_mut_slice()),
            count: u32::try_from(room).unwrap_or(u32::MAX),
            map_fd: self.map.fd().as_fd().as_raw_fd().unsigned_abs(),
            ..Batch::default()
        };
        // SAFETY: `Batch` is that `bpf_attr`. The map is a per-CPU array with keys of four bytes and values
        // of `size_of::<V>()`, a multiple of eight, so the kernel writes at most `count` keys, `count`
        // times `cpus` values, any bytes of which are a valid `V`, and a key of four bytes into `next`;
        // it reads such a key at `from`. There is room for all of it.
        let result = unsafe { bpf(LOOKUP_BATCH, &mut attr) };
        match result {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => return Err(error),
            _ => {}
        }
        let read = usize::try_from(attr.count).unwrap_or(room).min(room);
        for (key, values) in keys.iter().zip(values.chunks_exact(self.cpus.max(1))).take(read) {
            see(*key, values);
        }
        Ok(())
    }
}

/// Whether the kernel's wall clock is synchronized, and by how many microseconds it is off at most.
pub(super) fn clock_state() -> io::Result<(bool, u64)> {
    // SAFETY: the struct consists of integers, for which zeros are valid.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: `state` is valid for reading and writing; no mode is set, so nothing is changed.
    if unsafe { libc::adjtimex(&raw mut state) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let is_synchronized = state.status & libc::STA_UNSYNC == 0;
    Ok((is_synchronized, u64::try_from(state.maxerror).unwrap_or(0)))
}
