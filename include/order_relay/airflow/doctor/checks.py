"""Results of doctor's checks: severity, finding and advice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from order_relay.errors import OrderRelayError


class Severity(StrEnum):
    """``fail``: a run would fail. ``skip``: not checked, because an earlier check failed."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class CheckResult:
    """One line of output. ``advice`` is the next step. Contains neither credentials nor customer data."""

    level: Severity
    check: str
    found: str
    advice: str = ""


def ok(check: str, found: str) -> CheckResult:
    """A passed check."""
    return CheckResult(Severity.OK, check, found)


def warn(check: str, found: str, advice: str) -> CheckResult:
    """A finding that does not fail runs."""
    return CheckResult(Severity.WARN, check, found, advice)


def fail(check: str, found: str, advice: str) -> CheckResult:
    """A finding that would fail a run."""
    return CheckResult(Severity.FAIL, check, found, advice)


def run_guarded(check: str, advice: str, examine: Callable[[], Iterable[CheckResult]]) -> Iterator[CheckResult]:
    """Results of ``examine``; an ``OrderRelayError`` becomes a failed check."""
    try:
        yield from examine()
    except OrderRelayError as error:
        yield fail(check, str(error), advice)
