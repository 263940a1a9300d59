//! What the allocator of the C library keeps for itself, and how it gives it back.
//!
//! Other allocators return what is free by themselves, in their own time: there nothing
//! is done here.

/// Buffers from this size on are mapped one by one, and unmapped when they are dropped.
///
/// Without this the library raises the size each time that such a buffer is dropped, up
/// to 32 MiB, and messages of that size then leave gaps among the entries' memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_FROM_BYTES: libc::c_int = 256 << 10;

/// So much may stay free at the end of a heap. With the library's 128 KiB the buffer of
/// every large answer goes back to the system when it was sent, and is asked for, page
/// by page, for the next.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT_BYTES: libc::c_int = 4 << 20;

pub(super) fn return_large_buffers_at_once() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (option, bytes) in [
        (libc::M_MMAP_THRESHOLD, MAPPED_FROM_BYTES),
        (libc::M_TRIM_THRESHOLD, KEPT_BYTES),
    ] {
        // SAFETY: `mallopt` takes two numbers, and may be called at any time from any
        // thread; what is allocated already stays as it is.
        let _ = unsafe { libc::mallopt(option, bytes) };
    }
}

/// Give pages on which nothing stands back to the system.
pub(super) fn return_what_is_free() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `malloc_trim` takes a number, and the allocator's own locks.
        let _ = unsafe { libc::malloc_trim(0) };
    }
}
