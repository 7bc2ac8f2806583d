//! The border to C: checks pointers before anything is read or written through them.
//!
//! A pointer that is null, misaligned, or overlaps another argument is an error that the caller sees as
//! `SUNTAP_INVALID_ARGUMENT`. That other pointers point to memory of the right size is the promise of the caller.

#![allow(unsafe_code, reason = "C passes pointers; each block says why its pointer is valid")]

use core::ffi::{c_char, c_void};
use core::ptr::NonNull;
use core::slice;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::{Mark, Store};

/// The addresses of an argument.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    start: usize,
    end: usize,
}

impl Place {
    /// Returns the place of `count` values. The place of a null pointer is empty. Returns `None` if so much memory
    /// cannot exist.
    pub(crate) fn new<T>(pointer: *const T, count: usize) -> Option<Self> {
        let start = pointer.addr();
        let len = if pointer.is_null() { 0 } else { count.checked_mul(size_of::<T>())? };
        isize::try_from(len).ok()?;
        Some(Self { start, end: start.checked_add(len)? })
    }

    /// Returns `true` if both places contain a common byte.
    fn overlaps(self, other: Self) -> bool {
        self.start.max(other.start) < self.end.min(other.end)
    }

    /// Returns `true` if this place is apart from all others.
    pub(crate) fn is_apart(self, others: &[Option<Self>]) -> bool {
        others.iter().all(|other| other.is_some_and(|other| !self.overlaps(other)))
    }
}

/// Returns the pointer if it is neither null nor misaligned.
fn usable<T>(pointer: *mut T) -> Option<NonNull<T>> {
    NonNull::new(pointer).filter(|pointer| pointer.is_aligned())
}

/// Memory of the caller that receives a result.
pub(crate) struct Out<T>(NonNull<T>);

impl<T: Copy> Out<T> {
    /// Returns `None` if the pointer is null or misaligned.
    ///
    /// # Safety
    /// A pointer that is neither must be valid for writes of a `T` as long as the result exists, and nothing else may
    /// read or write this memory meanwhile.
    pub(crate) unsafe fn new(pointer: *mut T) -> Option<Self> {
        usable(pointer).map(Self)
    }

    /// Writes the result.
    pub(crate) fn write(&mut self, value: T) {
        // SAFETY: `new` requires that the pointer is valid, and checked that it is aligned. `T` is `Copy`, so no old
        // value needs a drop.
        unsafe { self.0.write(value) }
    }

    /// Overwrites the memory with zeros. The compiler does not remove this, even if nobody reads the memory again.
    pub(crate) fn wipe(&mut self) {
        let bytes = self.0.cast::<u8>();
        for offset in 0..size_of::<T>() {
            // SAFETY: `offset` is less than the size of `T`.
            let byte = unsafe { bytes.add(offset) };
            // SAFETY: the byte is part of a `T` that `new` requires to be valid.
            unsafe { byte.write_volatile(0) };
        }
        compiler_fence(Ordering::SeqCst);
    }

    /// Writes a value of another type to the beginning of the memory.
    pub(crate) fn write_as<U>(&mut self, value: U) {
        const { assert!(size_of::<U>() <= size_of::<T>() && align_of::<U>() <= align_of::<T>()) };
        // SAFETY: a `T` is valid for writes, and a `U` is neither larger nor more aligned than a `T`.
        unsafe { self.0.cast::<U>().write(value) }
    }
}

/// Returns the value, or `None` if the pointer is null or misaligned.
///
/// # Safety
/// A pointer that is neither must point to an initialized `T`.
pub(crate) unsafe fn read<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: `usable` checked that the pointer is not null and aligned; the caller promises the rest.
    usable(pointer.cast_mut()).map(|pointer| unsafe { pointer.read() })
}

/// Returns a reference to the value, or `None` if the pointer is null or misaligned.
///
/// # Safety
/// A pointer that is neither must point to an initialized `T` that nothing writes during `'a`.
pub(crate) unsafe fn borrow<'a, T>(pointer: *const T) -> Option<&'a T> {
    // SAFETY: `usable` checked that the pointer is not null and aligned; the caller promises the rest.
    usable(pointer.cast_mut()).map(|pointer| unsafe { pointer.as_ref() })
}

/// Returns a reference to the value at the beginning of a larger buffer, or `None` if the pointer is null or
/// misaligned, or if the buffer does not begin with `magic`.
///
/// # Safety
/// A pointer that is neither must point to a `B` that nothing writes during `'a`. If the buffer begins with `magic`, it
/// must contain an initialized `T`.
pub(crate) unsafe fn borrow_as<'a, T, B>(pointer: *const B, magic: u64) -> Option<&'a T> {
    const { assert!(size_of::<T>() <= size_of::<B>() && align_of::<T>() <= align_of::<B>()) };
    const { assert!(size_of::<u64>() <= size_of::<B>() && align_of::<u64>() <= align_of::<B>()) };
    let buffer = usable(pointer.cast_mut())?;
    // SAFETY: the buffer is not smaller or less aligned than a `u64`. The read is volatile, because the memory may
    // never have been written.
    let found = unsafe { buffer.cast::<u64>().read_volatile() };
    // SAFETY: the buffer begins with `magic`, so the caller promises an initialized `T`.
    (found == magic).then(|| unsafe { buffer.cast::<T>().as_ref() })
}

/// Returns the bytes, or `None` if the pointer is null or the length is impossible.
///
/// # Safety
/// Any other pointer must point to `len` bytes that nothing writes during `'a`.
pub(crate) unsafe fn bytes<'a>(pointer: *const c_char, len: usize) -> Option<&'a [u8]> {
    let pointer = usable(pointer.cast_mut())?;
    Place::new(pointer.as_ptr(), len)?;
    // SAFETY: the pointer is not null, a byte is always aligned, and the length fits into the address space.
    Some(unsafe { slice::from_raw_parts(pointer.as_ptr().cast(), len) })
}

/// Returns the text before the terminating null byte, or `None` if the pointer is null. Stops at `max` bytes, and then
/// returns `max` bytes.
///
/// # Safety
/// Any other pointer must point to a null-terminated string, or to at least `max` bytes, that nothing writes during
/// `'a`.
pub(crate) unsafe fn text<'a>(pointer: *const c_char, max: usize) -> Option<&'a [u8]> {
    usable(pointer.cast_mut())?;
    let mut len = 0;
    for offset in 0..max {
        // SAFETY: all bytes before this one were not null, so this byte is still part of the string.
        let byte = unsafe { pointer.add(offset) };
        // SAFETY: the same.
        if unsafe { byte.read() } == 0 {
            break;
        }
        len = offset.saturating_add(1);
    }
    // SAFETY: the loop read these bytes.
    unsafe { bytes(pointer, len) }
}

/// The counter store of the caller, which has a function.
pub(crate) struct Callback {
    ctx: *mut c_void,
    advance: unsafe extern "C" fn(*mut c_void, *const u8, u32, u64, *mut Mark) -> i32,
}

impl Callback {
    /// Returns `None` if the store has no function.
    ///
    /// # Safety
    /// The function must keep the contract of [`crate::AdvanceFn`] when it gets the `ctx` of this store.
    pub(crate) unsafe fn new(store: Store) -> Option<Self> {
        store.advance.map(|advance| Self { ctx: store.ctx, advance })
    }

    /// Calls the function. Returns its result and the mark that it wrote.
    pub(crate) fn call(&self, id: &[u8; 16], ctr: u32, at: u64) -> (i32, Mark) {
        let mut stored = Mark::default();
        // SAFETY: `new` requires that the function keeps its contract. It gets pointers to 16 bytes and to a mark,
        // which outlive the call.
        let result = unsafe { (self.advance)(self.ctx, id.as_ptr(), ctr, at, &raw mut stored) };
        (result, stored)
    }
}
