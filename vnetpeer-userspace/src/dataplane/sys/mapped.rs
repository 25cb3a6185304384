//! Arrays of the kernel that this process has mapped: read without a system call while programs write.

use std::{
    ffi::c_void,
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::AtomicU64,
};

use aya::maps::{MapData, MapError, MapType};
use bytemuck::Pod;

/// An array of `V` that was made with `BPF_F_MMAPABLE`, mapped for reading and writing.
pub(in crate::dataplane) struct Mapped<V> {
    at: NonNull<V>,
    len: usize,
    value: PhantomData<V>,
}

// SAFETY: the memory belongs to the process and not to a thread, and is changed by atomic words
// alone.
unsafe impl<V: Pod + Send> Send for Mapped<V> {}
// SAFETY: see above; nothing that borrows it writes but by atomic words.
unsafe impl<V: Pod + Sync> Sync for Mapped<V> {}

impl<V: Pod> Mapped<V> {
    /// Maps an array whose kind and sizes are those of an array of `V`; another is an error.
    pub(in crate::dataplane) fn new(map: &MapData) -> Result<Self, MapError> {
        let info = map.info()?;
        let fits = info.map_type()? == MapType::Array
            && usize::try_from(info.value_size()) == Ok(size_of::<V>())
            && size_of::<V>().is_multiple_of(size_of::<u64>());
        let len = usize::try_from(info.max_entries()).unwrap_or(0);
        if !fits || len == 0 {
            return Err(MapError::IoError(io::ErrorKind::InvalidInput.into()));
        }
        let (bytes, fd) = (len.saturating_mul(size_of::<V>()), map.fd().as_fd().as_raw_fd());
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps no other memory. The array has that many
        // bytes: values of a multiple of eight bytes lie side by side. The kernel refuses one that cannot be mapped.
        let at = unsafe { libc::mmap(ptr::null_mut(), bytes, access, libc::MAP_SHARED, fd, 0) };
        if ptr::eq(at, libc::MAP_FAILED) {
            return Err(MapError::IoError(io::Error::last_os_error()));
        }
        let at = NonNull::new(at.cast::<V>());
        let at = at.ok_or_else(|| MapError::IoError(io::ErrorKind::AddrNotAvailable.into()))?;
        Ok(Self { at, len, value: PhantomData })
    }

    /// How many entries there are.
    pub(in crate::dataplane) fn len(&self) -> usize {
        self.len
    }

    /// An entry as it is now. What a program writes meanwhile may be in it by halves, so that the caller asks only for
    /// what no program writes.
    pub(in crate::dataplane) fn get(&self, index: usize) -> Option<V> {
        // SAFETY: the entry lies in the mapping, which is as long as this value lives; the address is aligned as that of
        // a page and of multiples of the size; any bytes are a valid `V`.
        (index < self.len).then(|| unsafe { self.at.add(index).read_volatile() })
    }

    /// A word of an entry, by its number in the entry.
    pub(in crate::dataplane) fn word(&self, index: usize, word: usize) -> Option<&AtomicU64> {
        if index >= self.len || word >= size_of::<V>() / size_of::<u64>() {
            return None;
        }
        // SAFETY: as above, and both sides use the word as a whole.
        Some(unsafe { AtomicU64::from_ptr(self.at.add(index).cast::<u64>().add(word).as_ptr()) })
    }
}

impl<V> Drop for Mapped<V> {
    fn drop(&mut self) {
        let bytes = self.len.saturating_mul(size_of::<V>());
        // SAFETY: the mapping is this value's own, and nothing refers to it any more. It cannot fail for a range that was
        // mapped.
        unsafe { libc::munmap(self.at.as_ptr().cast::<c_void>(), bytes) };
    }
}
