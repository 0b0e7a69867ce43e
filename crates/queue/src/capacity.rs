//! How large a ring can be.

use std::fmt;

/// The largest ring there is, in items.
pub const MAX_CAPACITY: u32 = 1 << 30;

/// Why a ring cannot be made. The set is complete on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityError {
    /// A ring of no entries holds nothing.
    Zero,
    /// More than [`MAX_CAPACITY`] entries, or more memory than there is.
    TooLarge,
}

impl fmt::Display for CapacityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "a ring needs a capacity of 1 at least",
            Self::TooLarge => "there is no memory for a ring of this capacity",
        })
    }
}

impl std::error::Error for CapacityError {}

/// A capacity that is asked for, if there can be such a ring.
pub(crate) fn checked(capacity: usize) -> Result<u32, CapacityError> {
    match u32::try_from(capacity) {
        Ok(0) => Err(CapacityError::Zero),
        Ok(capacity) if capacity <= MAX_CAPACITY => Ok(capacity),
        _ => Err(CapacityError::TooLarge),
    }
}

/// Memory for so many entries, each as `make` has it.
pub(crate) fn filled<E>(count: u32, make: impl FnMut(u32) -> E) -> Result<Box<[E]>, CapacityError> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(count as usize).map_err(|_| CapacityError::TooLarge)?;
    entries.extend((0..count).map(make));
    Ok(entries.into_boxed_slice())
}
