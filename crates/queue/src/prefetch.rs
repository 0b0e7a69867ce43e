//! Memory that is to be written soon.

/// Asks for the line of a cache that `at` lies in, to write to it later: what another CPU wrote
/// last is on its way here meanwhile.
///
/// It is a hint, for any address: nothing is read, and nothing happens where there is no such
/// instruction.
#[inline(always)]
pub fn prefetch_to_write<T>(at: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, floodway_loom))))]
    #[expect(unsafe_code, reason = "the intrinsic asks to read, and the line comes shared")]
    // SAFETY: the instruction changes no register and no memory, and never faults. Where it is not
    // known, it does nothing: it is among those that Intel has reserved for that since the first
    // with 64 bits.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) at, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, floodway_loom)))))]
    let _ = at;
}
