"""Doctor's checks in the background: pages show the last result and never wait for one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from order_relay.errors import redacted_trace

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(minutes=10)
"""A result that is older is replaced when somebody looks at it."""

GIVEN_UP_AFTER = timedelta(minutes=3)


class Finding(Protocol):
    """One result: its level (``ok``, ``skip``, ``warn``, ``fail``), what was checked and found, and the next step."""

    @property
    def level(self) -> str: ...  # noqa: D102
    @property
    def check(self) -> str: ...  # noqa: D102
    @property
    def found(self) -> str: ...  # noqa: D102
    @property
    def advice(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class DiagnosisResult:
    """The last findings and when they were made (UTC), ``None`` before the first. ``vendors``: including the vendors.

    ``running_since``: when a check began that has not ended. ``problem``: why the last one has no findings.
    """

    findings: tuple[Finding, ...] = ()
    at: datetime | None = None
    vendors: bool = False
    running_since: datetime | None = None
    problem: str = ""


class _Check(Protocol):
    def __call__(self, *, vendors: bool) -> Iterable[Finding]: ...


class Diagnosis:
    """Runs ``check`` in a thread, one at a time."""

    def __init__(self, check: _Check) -> None:
        self._check = check
        self._lock = threading.Lock()
        self._result = DiagnosisResult()

    def latest(self, now: datetime) -> DiagnosisResult:
        """The last result. Starts a check without the vendors if it is older than ``KEPT_FOR``."""
        with self._lock:
            since = self._result.running_since
            if since is not None and now - since > GIVEN_UP_AFTER:
                minutes = GIVEN_UP_AFTER // timedelta(minutes=1)
                self._result = DiagnosisResult(at=now, problem=f"the checks did not end within {minutes} minutes")
            expired = self._result.at is None or now - self._result.at > KEPT_FOR
        if expired:
            self.start(now, vendors=False)
        return self._result

    def start(self, now: datetime, *, vendors: bool) -> bool:
        """Start a check, unless one is running; returns whether it was started."""
        with self._lock:
            if self._result.running_since is not None:
                return False
            self._result = replace(self._result, running_since=now)
        threading.Thread(target=self._run, args=(now, vendors), name="order desk: doctor", daemon=True).start()
        return True

    def _run(self, since: datetime, vendors: bool) -> None:
        try:
            found = DiagnosisResult(tuple(self._check(vendors=vendors)), datetime.now(UTC), vendors)
        except Exception as error:  # whatever it is: the page must not show a check that runs forever
            log.error("order desk, doctor: %s", redacted_trace(error))  # noqa: TRY400 - no traceback
            problem = f"the checks ended with an unexpected error ({type(error).__name__}); the server's log names it"
            found = DiagnosisResult(at=datetime.now(UTC), problem=problem)
        with self._lock:
            if self._result.running_since == since:  # not given up meanwhile
                self._result = found
