//! Giving freed memory back to the operating system.
//!
//! An allocator keeps what was freed in the middle of its heap: after a burst of 200 MiB that has
//! long been delivered or dropped, the process would still hold 200 MiB. glibc gives it back when
//! asked.

/// Asks the allocator to give free memory back to the system; true if it did.
///
/// # Blocking
///
/// Takes some milliseconds for each hundred MiB, during which other threads wait to allocate: call
/// it when a burst has passed, not often.
pub fn give_memory_back() -> bool {
    trim()
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim has no safe binding")]
fn trim() -> bool {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    // SAFETY: glibc declares `int malloc_trim(size_t pad)`, which is what stands above. It may be
    // called at any time from any thread (MT-Safe in its manual) and frees only what is free.
    unsafe { malloc_trim(0) == 1 }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn trim() -> bool {
    // Other allocators return large blocks by themselves, or have no way to be asked.
    false
}
