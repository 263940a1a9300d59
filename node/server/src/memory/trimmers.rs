//! Other libraries of this process are kept from trimming the allocator.
//!
//! The Python runtime of protobuf calls `malloc_trim(0)` each time that it has freed ten
//! thousand blocks. The heap that it means is one of some MiB. The one that it meets is the
//! node's: the call looks at every free block of all entries' memory and gives back what
//! it finds page by page, with an arena locked, for tens of milliseconds a GiB. When memory
//! goes back is decided here ([`super`]), so for these libraries the call does nothing.

use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};

use plt_rs::{DynamicLibrary, LoadedLibrary};

/// Who is known to trim, by a part of the library's path.
const TRIMMERS: [&str; 1] = ["/google/_upb/"];
const TRIM: &str = "malloc_trim";
/// `PT_GNU_RELRO`: what the linker makes read-only once it has filled it in.
const READ_ONLY_ONCE_LINKED: u32 = 0x6474_e552;

/// Those that are loaded by now.
pub(super) fn keep_from_trimming() {
    let trimmers = plt_rs::collect_modules()
        .into_iter()
        .filter(|library| TRIMMERS.iter().any(|part| library.name().contains(part)));
    for library in trimmers.filter_map(|library| DynamicLibrary::initialize(library).ok()) {
        keep_one_from_trimming(&library);
    }
}

/// Where it cannot be, the library goes on trimming: a node that is slow now and then is
/// better than none.
fn keep_one_from_trimming(library: &DynamicLibrary<'_>) {
    let Some(import) = library.try_find_function(TRIM) else {
        return;
    };
    let Ok(offset) = usize::try_from(import.r_offset) else {
        return;
    };
    let guarded = is_read_only(library.library(), offset);
    let slot = library.base_addr() + offset;
    if guarded && !set_protection(slot, libc::PROT_READ | libc::PROT_WRITE) {
        return;
    }
    // SAFETY: the linker keeps the address of an imported function here, aligned, for as
    // long as the library is loaded, and the page can be written to. Who calls it meanwhile
    // finds the old address or the new one. What is put there has the same signature, and
    // stays loaded as long as the interpreter.
    unsafe { AtomicUsize::from_ptr(slot as *mut usize) }
        .store(nothing_to_trim as *const () as usize, Ordering::Release);
    if guarded {
        set_protection(slot, libc::PROT_READ);
    }
}

/// Of the page of a slot that the linker has filled in. Tells whether it was done.
fn set_protection(slot: usize, protection: c_int) -> bool {
    let page_bytes = page_bytes();
    let page = (slot - slot % page_bytes) as *mut libc::c_void;
    // SAFETY: the page belongs to a library that is never unloaded, a module of the
    // interpreter, and holds what the linker has put there. It stays readable, and nobody
    // but this module writes to it.
    unsafe { libc::mprotect(page, page_bytes, protection) == 0 }
}

/// `malloc_trim` where nothing could be given back.
extern "C" fn nothing_to_trim(_kept_bytes: usize) -> c_int {
    0
}

/// Whole pages of it are: a slot in the last, shared one can still be written to.
fn is_read_only(library: &LoadedLibrary<'_>, offset: usize) -> bool {
    library
        .program_headers()
        .filter(|header| header.header_type() == READ_ONLY_ONCE_LINKED)
        .any(|header| {
            let end = header.virtual_addr() + header.memory_size();
            (header.virtual_addr()..end - end % page_bytes()).contains(&offset)
        })
}

fn page_bytes() -> usize {
    // SAFETY: `sysconf` takes a number and touches no memory of ours.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}
