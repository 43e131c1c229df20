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


def tree_cpu_seconds(pid: int) -> float:
    """User and system time of another process and its children, finished or not: a database server's."""
    import psutil  # noqa: PLC0415 - not in the environment of the tools in ``rivals``

    parent = psutil.Process(pid)
    total = 0.0
    for process in (parent, *parent.children(recursive=True)):
        try:
            used = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += used.user + used.system + used.children_user + used.children_system
    return total
