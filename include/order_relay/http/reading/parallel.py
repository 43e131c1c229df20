"""Bounded concurrency for reads of many objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Iterator[R]:
    """Apply ``work`` to each item in ``parallel`` threads; yields the results in the order of the items.

    The first error ends the iteration. At most ``2 * parallel`` results are held in memory.
    """
    with ThreadPoolExecutor(parallel, thread_name_prefix="order-relay-http") as pool:
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= 2 * parallel:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
