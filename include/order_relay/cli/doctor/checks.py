"""What ``doctor`` finds: one line each, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from order_relay.errors import OrderRelayError


class Severity(StrEnum):
    """How bad it is: only ``fail`` would fail a run. ``skip``: not checked, since something before it failed."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class CheckResult:
    """One line of the doctor. ``advice`` says what to do; no part of it shows a credential or a customer's data."""

    level: Severity
    check: str
    found: str
    advice: str = ""


def ok(check: str, found: str) -> CheckResult:
    """All is well."""
    return CheckResult(Severity.OK, check, found)


def warn(check: str, found: str, advice: str) -> CheckResult:
    """Runs go on, but somebody should know."""
    return CheckResult(Severity.WARN, check, found, advice)


def fail(check: str, found: str, advice: str) -> CheckResult:
    """A run would fail."""
    return CheckResult(Severity.FAIL, check, found, advice)


def run_guarded(check: str, advice: str, examine: Callable[[], Iterable[CheckResult]]) -> Iterator[CheckResult]:
    """The findings of ``examine``; an error of the package becomes a finding too, and the doctor goes on."""
    try:
        yield from examine()
    except OrderRelayError as error:
        yield fail(check, str(error), advice)
