"""What the desk's pages work on: the installation's ledger, archive and pipelines, and the system that hosts them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Annotated, Any, Protocol, TypeVar

import anyio
from fastapi import Depends, HTTPException, Request

from order_relay.batches import BatchStore
from order_relay.desk.diagnosis import Diagnosis, Finding
from order_relay.ledger import Ledger
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.wiring.actions import ActionsHost, ActionsParts, OperatorActions
from order_relay.wiring.pipeline import Wiring

T = TypeVar("T")

MAX_CONCURRENT = 2
"""Requests that use the database at the same time. More would slow down Airflow's own pages."""


class InstalledParts(ActionsParts, Protocol):
    """The parts of an installation, each opened on first use. Raises ``ConfigurationError``."""

    @property
    def ledger_url(self) -> str:
        """The ledger's database URL."""


class DeskHost(ActionsHost, Protocol):
    """The system that hosts the desk: Airflow, or the standalone server."""

    def paused_dags(self) -> dict[str, bool]:
        """DAG id -> paused. Raises ``TransientError`` if that cannot be read."""

    def findings(self, *, vendors: bool) -> Iterable[Finding]:
        """Check every connection and setting; with ``vendors``, query them as well, read-only. May take minutes."""

    def run_path(self, dag_id: str, run_id: str) -> str:
        """The path of a run's page in Airflow, such as ``/dags/D/runs/R``; empty if there is none."""


class DeskDeployment:
    """An installation as the desk sees it. Safe to use from several threads; close it at the end."""

    def __init__(self, parts: InstalledParts, host: DeskHost) -> None:
        self.parts, self.host = parts, host
        self.diagnosis = Diagnosis(host.findings)
        self._lock = threading.RLock()
        self._opened: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """The ledger, opened on first use."""
        with self._lock:
            if self._opened is None:
                self._opened = Ledger.open(self.parts.ledger_url)
            return self._opened

    @property
    def actions(self) -> OperatorActions:
        """What operators do."""
        return OperatorActions(self.ledger, self.parts, self.host)

    @property
    def store(self) -> BatchStore:
        """The batch store."""
        return self.parts.store

    @property
    def pipelines(self) -> Mapping[str, PipelineSettings]:
        """All pipelines by name; reading an invalid one raises ``ConfigurationError``."""
        return self.parts.pipelines

    def wiring(self, pipeline: str) -> Wiring:
        """The wiring of a pipeline; use it in a ``with`` block."""
        return self.parts.wiring(pipeline)

    @cached_property
    def _limiter(self) -> anyio.CapacityLimiter:
        return anyio.CapacityLimiter(MAX_CONCURRENT)

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work``, which may use the database or the archive, in a thread."""
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def close(self) -> None:
        """Close the ledger if it was opened."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None


def _deployment(request: Request) -> Any:
    return request.app.state.desk


Desk = Annotated[DeskDeployment, Depends(_deployment)]


def not_found(what: str) -> HTTPException:
    """The error for something that does not exist or that the user may not see; both look the same."""
    return HTTPException(404, f"{what} does not exist, or you may not see it.")
