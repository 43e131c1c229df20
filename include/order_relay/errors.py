"""Every error of the package, grouped by what must happen next.

The group is what a caller chooses by; the message is for a person. A message says what was wrong, where, and what to
do. It never carries a customer's data, a credential, or text that a vendor sent inside an order.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


class OrderRelayError(Exception):
    """Base of all errors that the package raises on purpose."""


class TransientError(OrderRelayError):
    """A passing trouble: nothing was done, and the same step may be tried again after a while."""


class ThrottledError(TransientError):
    """The far side asked us to slow down.

    ``wait_s`` is the number of seconds it named (``Retry-After``), or ``None`` where it named none.
    """

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class ConfigurationError(OrderRelayError):
    """The set-up is wrong (setting, credential, address, ledger): trying again can not help, a person must mend it."""


class SourceAuthError(ConfigurationError):
    """The source refused our credentials. The pipeline rests until the connection has changed (accounts get locked)."""


class MalformedResponseError(TransientError):
    """A source answered with something that is not what its documentation says; nothing of that answer was taken."""


class OutcomeUnknownError(OrderRelayError):
    """A write was sent and nobody knows whether it took effect: look it up, never repeat it blindly."""


class ConcurrentUpdateError(OrderRelayError):
    """Somebody else moved this row since it was read; read it again and decide anew."""


class IllegalTransitionError(OrderRelayError):
    """A move that the state table does not allow: a defect of the caller, or a decision made on an outdated view."""


class RunFailedError(OrderRelayError):
    """Raised by the report when a task of the run failed or the counting law is broken, so that the run is red."""


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One reason why a record was refused.

    ``code`` is stable (snake_case, for filters and statistics), ``pointer`` a JSON pointer into the record (RFC 6901),
    ``message`` plain words without any value of the record.
    """

    code: str
    pointer: str
    message: str


class RecordRejectedError(OrderRelayError):
    """One record can not be processed: it is quarantined with every ``ValidationIssue``, and the run goes on."""

    def __init__(self, issues: list[ValidationIssue]) -> None:
        super().__init__("; ".join(f"{r.code} at {r.pointer or '/'}" for r in issues))
        self.issues = issues


class HoldForPerson(OrderRelayError):
    """One record needs a person's decision; ``reason`` is a stable code, ``until`` an optional reminder time (UTC)."""

    def __init__(self, reason: str, until: datetime | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.until = until


def redacted_trace(error: BaseException) -> str:
    """Which kinds of error, and where in the code, causes last; for logs.

    Their words are left out: those of an error that nobody raised on purpose may quote the order that it failed on.
    """
    return ", caused by ".join(f"{type(one).__name__} at {_code_locations(one)}" for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _code_locations(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames) or "an unknown place"
