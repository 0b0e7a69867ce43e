//! A pair of fences of which one side is free: for a flag that is looked at often and set rarely.
//!
//! One thread publishes something and then looks whether anybody waits; the other says that it
//! waits and then looks whether something was published. For one of them at least to see the
//! other, both need a full fence in between, and a fence costs as much as all the rest of a push
//! (7 ns of 10). Linux can put the whole price on the rare side: `membarrier` makes every running
//! thread of this process pass a full fence, so the frequent side only has to keep the compiler
//! from exchanging its two steps. Where there is no such call, both sides fence.

#[cfg(floodway_loom)]
pub(crate) use loom::sync::Arc;
#[cfg(not(floodway_loom))]
pub(crate) use std::sync::Arc;

use crate::sync::{Ordering, fence};

/// Decides once, when it is made, who pays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Barrier {
    /// The system does it for the frequent side.
    expedited: bool,
}

impl Barrier {
    pub(crate) fn new() -> Self {
        Self { expedited: system::is_ready() }
    }

    /// Whether [`Barrier::frequent_if_free`] will do for the frequent side.
    pub(crate) fn is_free(self) -> bool {
        self.expedited
    }

    /// [`Barrier::frequent`] where it [is free](Barrier::is_free), for those who keep that in a
    /// word they look at anyway.
    #[inline(always)]
    pub(crate) fn frequent_if_free() {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }

    /// Between publishing and looking who waits. Pairs with [`Barrier::rare`].
    #[inline(always)]
    pub(crate) fn frequent(self) {
        if self.expedited {
            Self::frequent_if_free();
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// Between saying that one waits and looking again. Takes a microsecond or two.
    #[cold]
    pub(crate) fn rare(self) {
        fence(Ordering::SeqCst);
        if self.expedited {
            system::fence_everywhere();
        }
    }
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(any(floodway_loom, miri))
))]
mod system {
    #![expect(unsafe_code, reason = "std has no name for this system call")]

    use std::ffi::{c_int, c_long, c_uint};
    use std::sync::OnceLock;

    #[cfg(target_arch = "x86_64")]
    const MEMBARRIER: c_long = 324;
    #[cfg(target_arch = "aarch64")]
    const MEMBARRIER: c_long = 283;
    /// A fence on every CPU that runs a thread of this process.
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    /// Has to be said once per process before the other.
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    unsafe extern "C" {
        fn syscall(number: c_long, ...) -> c_long;
    }

    fn membarrier(command: c_int) -> bool {
        let (flags, cpu): (c_uint, c_int) = (0, 0);
        // SAFETY: `syscall` is the C library's, which std links anyway. This call takes a command,
        // flags and a CPU, reads and writes no memory of ours, and fails with -1 where it is
        // unknown or not allowed.
        unsafe { syscall(MEMBARRIER, command, flags, cpu) == 0 }
    }

    /// Kernels from 4.14 on, unless a sandbox forbids it.
    pub(super) fn is_ready() -> bool {
        static READY: OnceLock<bool> = OnceLock::new();
        *READY
            .get_or_init(|| membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED))
    }

    pub(super) fn fence_everywhere() {
        // It worked before. A sandbox that is put up later could forbid it, and then a wake-up
        // could be lost: that must not pass in silence.
        assert!(membarrier(PRIVATE_EXPEDITED), "the system took membarrier away from this process");
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(any(floodway_loom, miri))
)))]
mod system {
    pub(super) fn is_ready() -> bool {
        false
    }

    pub(super) fn fence_everywhere() {}
}
