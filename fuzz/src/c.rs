//! What a C program has: memory, pointers to it that may be wrong, and a counter store that may be wrong.

#![allow(clippy::not_unsafe_ptr_arg_deref, reason = "a target passes only pointers to memory of the right size")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ops::Range;
use std::ptr;

use arbitrary::{Arbitrary, Unstructured};
use suntap_c::api::{suntap_admit, suntap_mark_advance};
use suntap_c::{Mark, SUNTAP_ADVANCED, SUNTAP_FAILED, Store, Tap, VerifierBuffer};

/// What memory contains before a call.
pub const FILL: u8 = 0xA5;
/// The number of places in the shared memory.
const PLACES: usize = 4096;
/// Any argument fits after the last place.
const SHARED: Layout = layout(PLACES + 4096, 16);

const fn layout(size: usize, align: usize) -> Layout {
    match Layout::from_size_align(size, align) {
        Ok(layout) => layout,
        Err(_) => panic!(),
    }
}

/// Memory of its own, so that AddressSanitizer detects each access outside of it.
pub struct Memory {
    start: *mut u8,
    layout: Layout,
}

impl Memory {
    /// Allocates memory. If it has no bytes, it still has an address that is not null.
    pub fn filled(layout: Layout, byte: u8) -> Self {
        if layout.size() == 0 {
            return Self { start: ptr::without_provenance_mut(layout.align()), layout };
        }
        // SAFETY: the size is not 0.
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        let memory = Self { start, layout };
        memory.fill(byte);
        memory
    }

    pub fn for_type<T>(byte: u8) -> Self {
        Self::filled(Layout::new::<T>(), byte)
    }

    pub fn fill(&self, byte: u8) {
        // SAFETY: the memory has this size.
        unsafe { self.start.write_bytes(byte, self.layout.size()) }
    }

    pub fn at<T>(&self) -> *mut T {
        self.start.cast()
    }

    pub fn bytes(&self) -> Vec<u8> {
        bytes(self.start, self.layout.size())
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: `alloc` returned this memory for this layout.
            unsafe { dealloc(self.start, self.layout) }
        }
    }
}

fn bytes(start: *const u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    // SAFETY: all callers have memory of this length.
    unsafe { ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), len) };
    bytes
}

/// What the pointer of an argument points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// Memory of its own.
    #[default]
    Own,
    Null,
    /// A place in memory that other arguments use, too. The argument may be misaligned, or overlap another one.
    Shared(u16),
}

impl<'a> Arbitrary<'a> for At {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u8::arbitrary(bytes)? {
            0..=215 => Self::Own,
            216..=223 => Self::Null,
            _ => Self::Shared(u16::arbitrary(bytes)?),
        })
    }
}

/// The arguments of one call.
pub struct Call {
    shared: Memory,
    own: Vec<Memory>,
    inputs: Vec<Range<usize>>,
    outputs: Vec<Range<usize>>,
    /// An input of an impossible length overlaps everything.
    is_impossible: bool,
    before: (Vec<u8>, Vec<Vec<u8>>),
}

impl Call {
    #[must_use]
    pub fn new() -> Self {
        let shared = Memory::filled(SHARED, FILL);
        let (own, inputs, outputs) = (Vec::new(), Vec::new(), Vec::new());
        Self { shared, own, inputs, outputs, is_impossible: false, before: Default::default() }
    }

    fn place(&mut self, at: At, layout: Layout) -> *mut u8 {
        match at {
            At::Null => ptr::null_mut(),
            At::Shared(place) => self.shared.start.wrapping_add(usize::from(place) % PLACES),
            At::Own => {
                let memory = Memory::filled(layout, FILL);
                let start = memory.start;
                self.own.push(memory);
                start
            }
        }
    }

    /// Returns a pointer to memory for a result.
    pub fn output<T>(&mut self, at: At) -> *mut T {
        let pointer = self.place(at, Layout::new::<T>()).cast();
        self.external_output(pointer);
        pointer
    }

    /// Adds a result whose memory is not of this call.
    pub fn external_output<T>(&mut self, pointer: *mut T) {
        self.outputs.push(range(pointer, size_of::<T>()));
    }

    /// Returns a pointer to these bytes, which are not an argument yet.
    pub fn put(&mut self, at: At, bytes: &[u8]) -> *const u8 {
        let pointer = self.place(at, layout(bytes.len(), 1));
        if !pointer.is_null() {
            // SAFETY: the memory is not smaller, and is not that of `bytes`.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), pointer, bytes.len()) };
        }
        pointer
    }

    /// Returns a pointer to an argument of these bytes.
    pub fn input(&mut self, at: At, bytes: &[u8]) -> *const u8 {
        let pointer = self.put(at, bytes);
        self.external_input(pointer, bytes.len());
        pointer
    }

    /// Returns a pointer to an argument.
    pub fn value<T: Copy>(&mut self, at: At, value: T) -> *const T {
        let pointer: *mut T = self.place(at, Layout::new::<T>()).cast();
        if !pointer.is_null() {
            // SAFETY: the memory is not smaller. It may be misaligned.
            unsafe { pointer.write_unaligned(value) };
        }
        self.external_input(pointer, size_of::<T>());
        pointer
    }

    /// Adds an argument that was not put here, or of which only a part is read.
    pub fn external_input<T>(&mut self, pointer: *const T, len: usize) {
        self.inputs.push(range(pointer, len));
    }

    /// Adds an argument that claims to have more bytes than an address space.
    pub fn impossible_input<T>(&mut self, pointer: *const T) {
        self.is_impossible |= !pointer.is_null();
    }

    /// Remembers the memory, before the call.
    pub fn begin(&mut self) {
        self.before = (self.shared.bytes(), self.outputs.iter().map(contents).collect());
    }

    /// Returns `true` if a result overlaps another argument.
    pub fn overlaps(&self) -> bool {
        let overlap = |a: &Range<usize>, b: &Range<usize>| a.start.max(b.start) < a.end.min(b.end);
        let mut others = self.outputs.iter().enumerate();
        self.is_impossible
            || self.outputs.iter().any(|output| self.inputs.iter().any(|input| overlap(output, input)))
            || others.any(|(index, output)| self.outputs[..index].iter().any(|other| overlap(output, other)))
    }

    /// Asserts that the call wrote to no result.
    pub fn assert_unchanged(&self) {
        assert_eq!(self.outputs.iter().map(contents).collect::<Vec<_>>(), self.before.1);
        assert_eq!(self.shared.bytes(), self.before.0);
    }

    /// Asserts that the call wrote only to its results.
    pub fn assert_rest_unchanged(&self) {
        let first = self.shared.start.addr();
        let is_result = |at: usize| self.outputs.iter().any(|output| output.contains(&(first + at)));
        for (at, (before, after)) in self.before.0.iter().zip(self.shared.bytes()).enumerate() {
            assert!(*before == after || is_result(at), "byte {at} of the shared memory");
        }
    }
}

impl Default for Call {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns the addresses of an argument. A null pointer has none.
fn range<T>(pointer: *const T, len: usize) -> Range<usize> {
    let start = pointer.expose_provenance();
    if pointer.is_null() { 0..0 } else { start..start + len }
}

fn contents(range: &Range<usize>) -> Vec<u8> {
    bytes(ptr::with_exposed_provenance(range.start), range.len())
}

/// Returns a value behind a pointer that may be misaligned, or `None` for null.
pub fn read<T: Copy>(pointer: *const T) -> Option<T> {
    // SAFETY: all pointers of the target point to memory of the right size.
    (!pointer.is_null()).then(|| unsafe { pointer.read_unaligned() })
}

/// How the function of a store behaves.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Behaviour {
    /// Keeps the contract.
    Honest,
    /// Keeps the contract, except that the next call fails: after it advances the counter if `moved`, otherwise before.
    Fails { moved: bool },
    /// Verifies the same tap, with itself as the store, and then keeps the contract.
    Nested,
    /// Returns any number and any mark.
    Answers { result: i32, likely: u8, at: u64, ctr: u32, taps: u32 },
}

/// What a store was called with, and what it answered.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub id: [u8; 16],
    pub ctr: u32,
    pub at: u64,
    pub result: i32,
    pub stored: Mark,
}

/// A counter store. Its function gets a pointer to it.
pub struct Counters {
    pub behaviour: Behaviour,
    pub marks: BTreeMap<[u8; 16], Mark>,
    /// The calls by the function that is tested now.
    pub seen: Vec<Seen>,
    /// The verifier and the URL that a nested call verifies.
    pub nested: Option<(*const VerifierBuffer, *const u8, usize)>,
    /// The greatest accepted counter of each tag.
    pub accepted: BTreeMap<[u8; 16], u32>,
}

impl Default for Counters {
    fn default() -> Self {
        let (marks, accepted) = (BTreeMap::new(), BTreeMap::new());
        Self { behaviour: Behaviour::Honest, marks, seen: Vec::new(), nested: None, accepted }
    }
}

impl Counters {
    /// Records an accepted tap.
    pub fn accept(&mut self, tap: &Tap) {
        let before = self.accepted.insert(tap.counter_id, tap.ctr);
        assert!(before.is_none_or(|before| before < tap.ctr), "accepted twice: {tap:?}");
    }

    fn advanced(&mut self, id: [u8; 16], ctr: u32, at: u64, stored: &mut Mark) -> i32 {
        let mark = self.marks.entry(id).or_default();
        // SAFETY: both pointers come from references.
        let result = unsafe { suntap_mark_advance(mark, ctr, at, stored) };
        if *mark == Mark::default() {
            self.marks.remove(&id);
        }
        result
    }
}

/// Returns the results that a store can return by mistake, and the right ones.
fn answer(result: i32, likely: u8) -> i32 {
    match likely % 8 {
        0 => SUNTAP_ADVANCED,
        1 => SUNTAP_ADVANCED + 1,
        2 => SUNTAP_FAILED,
        likely @ 3..=5 => i32::from(likely) - 4,
        _ => result,
    }
}

/// The function of a store.
///
/// # Safety
/// `ctx` is null or a `Counters` that nothing else uses, and the other pointers are as documented.
pub unsafe extern "C" fn advance(ctx: *mut c_void, id: *const u8, ctr: u32, at: u64, stored: *mut Mark) -> i32 {
    let counters: *mut Counters = ctx.cast();
    if counters.is_null() {
        return SUNTAP_ADVANCED;
    }
    // SAFETY: the binding passes 16 bytes.
    let id: [u8; 16] = unsafe { id.cast::<[u8; 16]>().read() };
    // SAFETY: no reference to the counters exists while a function of the binding runs.
    let behaviour = unsafe { (*counters).behaviour };
    if let Behaviour::Nested = behaviour {
        // SAFETY: the same. The nested call ends before the counters are used again.
        unsafe { nested(counters) };
    }
    // SAFETY: the same.
    let counters = unsafe { &mut *counters };
    let mut before = Mark::default();
    let result = match behaviour {
        Behaviour::Honest | Behaviour::Nested => counters.advanced(id, ctr, at, &mut before),
        Behaviour::Fails { moved } => {
            counters.behaviour = Behaviour::Honest;
            if moved {
                counters.advanced(id, ctr, at, &mut before);
            }
            SUNTAP_FAILED
        }
        Behaviour::Answers { result, likely, at, ctr, taps } => {
            // Mostly marks that a store of suntap can have.
            let mask = if likely < 128 { 0x00FF_FFFF } else { u32::MAX };
            before = Mark { at, ctr: ctr & mask, taps };
            answer(result, likely)
        }
    };
    counters.seen.push(Seen { id, ctr, at, result, stored: before });
    // SAFETY: the binding passes a mark.
    unsafe { stored.write(before) };
    result
}

/// Verifies the tap again, while the store is called for it.
///
/// # Safety
/// No reference to the counters exists.
unsafe fn nested(counters: *mut Counters) {
    // SAFETY: the caller promises it.
    let target = unsafe {
        (*counters).behaviour = Behaviour::Honest;
        (*counters).nested
    };
    let Some((verifier, url, len)) = target else { return };
    let store = Store { ctx: counters.cast(), advance: Some(advance) };
    let tap = Memory::for_type::<Tap>(FILL);
    // SAFETY: the outer call got the same verifier and URL, and only reads them.
    let code = unsafe { suntap_admit(verifier, url.cast(), len, &raw const store, 0, tap.at(), ptr::null_mut()) };
    let tap: Tap = read(tap.at()).unwrap();
    // SAFETY: the call has ended.
    let counters = unsafe { &mut *counters };
    if code == 0 {
        counters.accept(&tap);
    }
    // The outer call is checked by itself.
    counters.seen.clear();
}
