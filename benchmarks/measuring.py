"""CPU time and peak memory of this process and its finished children."""

from __future__ import annotations

import resource


def cpu_seconds() -> float:
    """User and system time of this process and its finished children, in seconds."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def peak_kib() -> int:
    """Peak resident memory of this process, in KiB (the unit on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
