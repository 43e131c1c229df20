"""The errors of the package, grouped by what the caller must do.

::

    OrderRelayError
    ├── TransientError                retry later: nothing was done
    │   ├── ThrottledError            wait, then retry
    │   └── MalformedResponseError    retry later: nothing of the response was used
    ├── ConcurrentUpdateError         read the row again and decide again
    ├── RecordRejectedError           quarantine this record, continue with the others
    ├── OutcomeUnknownError           look it up before anything is repeated
    ├── ConfigurationError            stop until an operator changes the setup
    │   └── SourceAuthError           stop until the connection is edited: accounts get locked
    ├── IllegalTransitionError        stop: a defect, or a decision on outdated data
    └── RunFailedError                stop: the run is marked as failed

======================================================  ==========================
Situation                                               Raise
======================================================  ==========================
connection refused, timeout of a read, HTTP 5xx         ``TransientError``
HTTP 429, or another response that asks to slow down    ``ThrottledError``
a response that does not match its documentation        ``MalformedResponseError``
a row has a newer revision than the one that was read   ``ConcurrentUpdateError``
one order, line or status record cannot be processed    ``RecordRejectedError``
a write was sent and its response was lost              ``OutcomeUnknownError``
a setting, address, mapping or permission is wrong      ``ConfigurationError``
a source rejects our credentials                        ``SourceAuthError``
a state change that the state table does not allow      ``IllegalTransitionError``
a task of the run failed, or the accounting check did   ``RunFailedError``
======================================================  ==========================

Airflow's retry policy (``order_relay.airflow.retry``) reads the same groups. A message states what is wrong, where, and
what to do. It never contains customer data, credentials, or text that a vendor sent inside an order.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


class OrderRelayError(Exception):
    """Base of all errors that the package raises on purpose."""


# Retry later


class TransientError(OrderRelayError):
    """Nothing was done, and the same step may succeed later."""


class MalformedResponseError(TransientError):
    """A response does not match its documentation. Nothing of it was used."""


class ConcurrentUpdateError(OrderRelayError):
    """The row was changed since it was read. Read it again and decide again."""


# Wait, then retry


class ThrottledError(TransientError):
    """The vendor asked to slow down. ``wait_s``: seconds from its ``Retry-After`` header, or ``None``."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


# Quarantine this record


@dataclass(frozen=True, slots=True)
class ValidationIssue:
    """One reason why a record was rejected.

    ``code`` is stable (snake_case, for filters and statistics). ``pointer`` is a JSON pointer into the record
    (RFC 6901). ``message`` is for operators: amounts and counts are allowed, personal data is not. ``table_code``: the
    code table that was used and the code, if the value has no usable row; it may be any text of the order, and is kept
    out of messages, logs and the ledger.
    """

    code: str
    pointer: str
    message: str
    table_code: tuple[str, str] | None = field(default=None, repr=False, compare=False)


class RecordRejectedError(OrderRelayError):
    """One record cannot be processed. It is quarantined with all of its ``issues``; the others continue."""

    def __init__(self, issues: list[ValidationIssue]) -> None:
        super().__init__("; ".join(f"{issue.code} at {issue.pointer or '/'}" for issue in issues))
        self.issues = issues


# Outcome unknown: look it up


class OutcomeUnknownError(OrderRelayError):
    """A write was sent and may or may not have taken effect. Look it up; never repeat it blindly."""


# Stop


class ConfigurationError(OrderRelayError):
    """A setting, credential, address or database is wrong. Retrying cannot help; an operator must change it."""


def missing_package(setting: str, package: str, error: Exception, extra: str = "") -> ConfigurationError:
    """The error for a setting that needs a package which cannot be imported, with the command that installs it.

    ``extra``: this package's extra that brings it, for one that is not always installed.
    """
    requirement = f"'order-relay[{extra}]'" if extra else f"'{package}'"
    return ConfigurationError(
        f"{setting} needs {package}, which is not installed or cannot be imported ({error}). Install it in "
        f"the environment of every Airflow process: pip install {requirement}"
    )


class SourceAuthError(ConfigurationError):
    """The source rejected our credentials. The pipeline is suspended until the connection is edited."""


class IllegalTransitionError(OrderRelayError):
    """The state table does not allow this change: a defect of the caller, or a decision made on outdated data."""


class RunFailedError(OrderRelayError):
    """A task of the run failed, or the accounting check did. Raised last, so that the run is marked as failed."""


def redacted_trace(error: BaseException) -> str:
    """The error and its causes by class and code location, for logs.

    Messages are left out: the message of an unexpected error may quote the order that caused it.
    """
    return ", caused by ".join(f"{type(one).__name__} at {_code_locations(one)}" for one in _chain(error))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _code_locations(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return " > ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames) or "an unknown location"
