"""Repositories: the parts of a ledger. A method that ``reads`` or ``writes`` is one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from order_relay.ledger.store.database import Database, Transaction

P = ParamSpec("P")
R = TypeVar("R", bound="Repository")
T = TypeVar("T")


class Repository:
    """One part of a ledger. Safe to use from several threads.

    All methods raise ``TransientError`` if the database is locked, full or unreachable, ``ConfigurationError`` if it
    cannot be written or has no tables, and ``ConcurrentUpdateError`` if another process changed the same rows between
    reading and writing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


def reads(work: Callable[Concatenate[R, Transaction, P], T]) -> Callable[Concatenate[R, P], T]:
    """Run the method in one read-only snapshot (``Database.read``), which it gets as its first argument.

    Iterators among the arguments become lists first, so that the method may read them more than once.
    """

    @wraps(work)
    def method(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        args, kwargs = _repeatable(args, kwargs)
        return self._database.read(lambda tx: work(self, tx, *args, **kwargs))

    return method


def writes(work: Callable[Concatenate[R, Transaction, P], T]) -> Callable[Concatenate[R, P], T]:
    """Run the method in one durable transaction (``Database.write``), which it gets as its first argument.

    The transaction may run more than once, so iterators among the arguments become lists first. The failpoint of its
    commit is ``ledger CLASS.METHOD``, without the underscore of a private method: that is the part of a public method
    that writes.
    """
    name = _failpoint_name(work)

    @wraps(work)
    def method(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        args, kwargs = _repeatable(args, kwargs)
        with _timed(self._database):
            return self._database.write(lambda tx: work(self, tx, *args, **kwargs), name)

    return method


def inserts(work: Callable[Concatenate[R, Transaction, P], T]) -> Callable[Concatenate[R, P], T]:
    """As ``writes``, and once more if another process inserted the same row at the same time."""
    name = _failpoint_name(work)

    @wraps(work)
    def method(self: R, /, *args: P.args, **kwargs: P.kwargs) -> T:
        args, kwargs = _repeatable(args, kwargs)
        with _timed(self._database):
            return self._database.write_with_insert_retry(lambda tx: work(self, tx, *args, **kwargs), name)

    return method


@contextmanager
def _timed(database: Database) -> Iterator[None]:
    started = time.perf_counter()
    yield
    database.write_times.append(time.perf_counter() - started)


def _failpoint_name(work: Callable[..., object]) -> str:
    return work.__qualname__.replace("._", ".")


def _repeatable(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    def kept(value: Any) -> Any:
        return list(value) if isinstance(value, Iterator) else value

    return tuple(map(kept, args)), {name: kept(value) for name, value in kwargs.items()}
