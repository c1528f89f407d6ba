"""What this process holds at the moment: memory, threads, file handles."""

from __future__ import annotations

import os
import threading


def resident_mb() -> float:
    """Memory that this process holds now, where the system tells; else the most that it ever held."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        import resource
        import sys

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def give_back_free_memory() -> None:
    """Return to the system what was freed but lies between what is still used, where the C library can (glibc).

    Threads allocate in heaps of their own, and frames and models of many sizes leave holes there that count as
    resident memory.
    """
    import ctypes

    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another C library
        return


def thread_count() -> int:
    """Threads of this process, those of libraries too where the system lists them; else only Python's."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return threading.active_count()


def handle_count() -> int:
    """Files, sockets and pipes that are open; 0 where the system does not list them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder)) - 1  # the listing itself is one
        except OSError:
            continue
    return 0
