//! The one `unsafe` statement of user space: which types may be map keys and values.

/// A type of [`vnetpeer_common::abi`] as aya wants it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(transparent)]
pub(super) struct Abi<T>(pub(super) T);

// SAFETY: aya asks that the type is plain data that may be copied as bytes in both directions.
// `bytemuck::Pod` guarantees just that: no padding, no pointers, valid for any bytes.
unsafe impl<T: bytemuck::Pod> aya::Pod for Abi<T> {}
