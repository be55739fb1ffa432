"""The C library's memory allocator: memory that was freed is kept, not given back to the system."""

from __future__ import annotations

import ctypes
import os
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
"""Parameters of ``mallopt`` (malloc.h of the GNU C library)."""
TOP_PAD_BYTES = 64 << 20
SETTINGS = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_")
"""Variables with which a user says the same; they are left alone."""


def keep_freed_memory() -> bool:
    """Have this process keep what it frees; returns whether it does.

    By default the GNU C library maps every block above 32 MB anew, and gives the top of the heap back: each large
    tensor then costs a page fault for every 4 KiB. A tensor of 64 MB took twice as long to make. Elsewhere, or where
    the environment has settings of its own, nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in SETTINGS):
        return False
    library = ctypes.CDLL(None)
    asked = ((MMAP_MAX, 0), (TRIM_THRESHOLD, -1), (TOP_PAD, TOP_PAD_BYTES))
    return all([bool(library.mallopt(parameter, value)) for parameter, value in asked])
