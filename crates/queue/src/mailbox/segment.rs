//! A run of slots, chained to the next: the memory of a mailbox.
//!
//! One allocation: a header, then `capacity` slots. Whoever holds a pointer knows from the
//! mailbox's rules which slots are written and whose they are; a segment itself knows nothing of
//! that, and drops no item when it is freed.
#![expect(unsafe_code, reason = "how many slots there are is decided at run time")]

use std::alloc::{Layout, handle_alloc_error};
use std::mem::{MaybeUninit, offset_of};
use std::ptr;

use crate::sync::{UnsafeCell, alloc, dealloc};

/// What a mailbox of few messages holds on to, in bytes of items.
const SMALL_BYTES: usize = 512;
/// Where growth ends. A segment costs about 100 ns from the allocator when another thread frees
/// it; by 128 or more items that is below a nanosecond.
const LARGE_BYTES: usize = 4096;

type Slot<T> = UnsafeCell<MaybeUninit<T>>;

/// The header; the slots follow it.
#[repr(C)]
pub(super) struct Segment<T> {
    /// Written once, by the sender that fills the last slot's successor; read by the receiver
    /// once it knows of an item beyond this segment.
    pub(super) next: UnsafeCell<*mut Segment<T>>,
    capacity: u16,
    slots: [Slot<T>; 0],
}

impl<T> Segment<T> {
    /// Slots of the first segment of a mailbox.
    pub(super) const SMALL: u16 =
        Self::slots_in(SMALL_BYTES, if cfg!(floodway_loom) { 2 } else { 4 });
    const LARGE: u16 = Self::slots_in(LARGE_BYTES, 4);

    const fn slots_in(bytes: usize, least: usize) -> u16 {
        // Loom follows every slot by itself: few of them keep a model small.
        let most = if cfg!(floodway_loom) { 2 } else { 256 };
        let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
        let fit = bytes / size;
        (if fit < least {
            least
        } else if fit > most {
            most
        } else {
            fit
        }) as u16
    }

    /// How many slots the next segment should have if `queued` items stand before it: as many
    /// again, so that memory is in proportion to what is queued.
    pub(super) fn capacity_for(queued: u64) -> u16 {
        let queued = u16::try_from(queued).unwrap_or(u16::MAX);
        queued.checked_next_power_of_two().unwrap_or(Self::LARGE).clamp(Self::SMALL, Self::LARGE)
    }

    fn layout(capacity: u16) -> Layout {
        let slots = Layout::array::<Slot<T>>(usize::from(capacity));
        slots
            .and_then(|slots| Layout::new::<Self>().extend(slots))
            .map(|(whole, _)| whole.pad_to_align())
            .expect("four items, or 4 KiB of them, are far below the address space")
    }

    /// A segment with nothing in it and nothing after it.
    pub(super) fn new(capacity: u16) -> *mut Self {
        let layout = Self::layout(capacity);
        // SAFETY: the layout has the size of the header at least, which is not zero.
        let segment = unsafe { alloc(layout) }.cast::<Self>();
        if segment.is_null() {
            handle_alloc_error(layout);
        }
        let header = Self { next: UnsafeCell::new(ptr::null_mut()), capacity, slots: [] };
        // SAFETY: fresh memory of a layout that starts with a `Self`.
        unsafe { segment.write(header) };
        for at in 0..capacity {
            // SAFETY: `at` is below the capacity the memory was allocated for. Writes nothing but
            // what loom keeps beside an item.
            unsafe { Self::slot(segment, at).cast_mut().write(Slot::new(MaybeUninit::uninit())) };
        }
        segment
    }

    /// The slot `at`.
    ///
    /// # Safety
    ///
    /// `segment` came from [`Segment::new`], is not freed, and has more than `at` slots.
    #[inline(always)]
    pub(super) unsafe fn slot(segment: *mut Self, at: u16) -> *const Slot<T> {
        // SAFETY: by the contract the result is inside of the allocation; `layout` puts the slots
        // at the offset of `slots`, whose alignment is theirs. The pointer is derived from the
        // whole allocation's, not from a reference to the header.
        unsafe { segment.byte_add(offset_of!(Self, slots)).cast::<Slot<T>>().add(usize::from(at)) }
    }

    /// How many slots it has.
    ///
    /// # Safety
    ///
    /// `segment` came from [`Segment::new`] and is not freed.
    #[inline(always)]
    pub(super) unsafe fn capacity(segment: *mut Self) -> u16 {
        // SAFETY: by the contract; the field is never written after `new`.
        unsafe { (*segment).capacity }
    }

    /// Frees the memory, not the items. Does nothing with a null pointer.
    ///
    /// # Safety
    ///
    /// `segment` is null, or came from [`Segment::new`] and is used by nobody from now on.
    pub(super) unsafe fn free(segment: *mut Self) {
        if segment.is_null() {
            return;
        }
        // SAFETY: not null, so the contract's second half holds.
        let capacity = unsafe { Self::capacity(segment) };
        for at in 0..capacity {
            // SAFETY: as in `new`. An item inside is not dropped: it is a `MaybeUninit`.
            unsafe { ptr::drop_in_place(Self::slot(segment, at).cast_mut()) };
        }
        // SAFETY: allocated in `new` with the layout of the same capacity.
        unsafe { dealloc(segment.cast(), Self::layout(capacity)) };
    }
}
