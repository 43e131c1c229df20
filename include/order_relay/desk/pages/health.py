"""``/health``: whether the installation works, and the switch that stops and resumes sending."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from order_relay.desk.access import Configurator, Operator, Principal, Viewer
from order_relay.desk.banners import banners
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.diagnosis import DiagnosisResult, Finding
from order_relay.desk.rendering import done, render
from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.listing.order_filter import NO_ANSWER
from order_relay.ledger.operators.activity import OperatorAction
from order_relay.ledger.operators.completed_checks import BACKUP, RECONCILE, CompletedCheck
from order_relay.ledger.reporting.run_history import RecordedRun
from order_relay.pipeline.history.progress import range_text
from order_relay.pipeline.report.state_advice import WRITE_BACK_STATES
from order_relay.wiring.actions import RESUME, STOP

router = APIRouter()

ALL = "all pipelines"
"""The choice of the forms that stops or resumes everything."""

RUNS = 5
HISTORY_IMPORTS = 3
_LATE_AFTER = timedelta(days=2)
_ENDLESS_AFTER = timedelta(days=1)
_URGENCY = ("fail", "warn", "skip", "ok")


@dataclass(frozen=True)
class ReconciliationLine:
    """The last comparison of a pipeline with the OMS; ``at`` is ``None`` if there was none. ``tone``: of its badge."""

    pipeline: str
    at: datetime | None
    result: str
    tone: str


@router.get("/health")
async def show(request: Request, desk: Desk, user: Viewer) -> Response:
    """The page."""
    page = await desk.run(lambda: _health(desk, user, datetime.now(UTC)))
    return render(request, "health.html", title="Health", **page)


@router.get("/health/findings")
async def findings(request: Request, desk: Desk, user: Viewer) -> Response:
    """The findings alone, which the page asks for again while a check is running."""
    return render(request, "health_findings.html", **_diagnosis(desk, datetime.now(UTC)))


@router.post("/health/check")
async def check(desk: Desk, user: Operator) -> Response:
    """Check everything now, including the vendors."""
    started = desk.diagnosis.start(datetime.now(UTC), vendors=True)
    return done("The checks are running." if started else "A check is running already.")


@router.post("/health/stop")
async def stop(
    desk: Desk,
    user: Configurator,
    pipeline: Annotated[str, Form()],
    confirmation: Annotated[str, Form()],
    reason: Annotated[str, Form()],
) -> Response:
    """Stop sending."""
    name = _chosen(user, pipeline, confirmation, STOP)
    await desk.run(lambda: desk.actions.stop(name, reason, user.name))
    return done(f"Sending is stopped for {pipeline}.")


@router.post("/health/resume")
async def resume(
    desk: Desk,
    user: Configurator,
    pipeline: Annotated[str, Form()],
    confirmation: Annotated[str, Form()],
    reason: Annotated[str, Form()],
) -> Response:
    """Resume sending."""
    name = _chosen(user, pipeline, confirmation, RESUME)
    await desk.run(lambda: desk.actions.resume(name, reason, user.name))
    return done(f"Sending is resumed for {pipeline}.")


def _chosen(user: Principal, pipeline: str, confirmation: str, word: str) -> str | None:
    """The pipeline, ``None`` for all. Raises ``ConfigurationError`` unless ``word`` was typed."""
    if confirmation.strip().lower() != word:
        raise ConfigurationError(f"Type the word {word} to confirm.")
    if pipeline != ALL and pipeline not in user.pipelines:
        raise not_found(f"Pipeline {pipeline!r}")
    return None if pipeline == ALL else pipeline


def _health(desk: DeskDeployment, user: Principal, now: datetime) -> dict[str, Any]:
    ledger, names = desk.ledger, sorted(user.pipelines)
    pulses = {name: ledger.health.heartbeat(name) for name in names}
    switch = desk.host.stop_switch()
    stopped = [name for name in names if switch.stops(name)]
    backup = ledger.completed_checks.latest(BACKUP).get("")
    compared = ledger.completed_checks.latest(RECONCILE)
    return {
        "banners": banners(desk, names, pulses, now),
        "stopped": [ALL, *stopped] if switch.everything else stopped,
        "sending": [] if switch.everything else [ALL, *(name for name in names if name not in stopped)],
        "history": _stops(ledger, names),
        "runs": [(run, *_outcome(run, now)) for run in ledger.run_history.latest(names, RUNS)],
        "history_imports": [
            (one, range_text(one)) for one in ledger.history_imports.latest(names, HISTORY_IMPORTS, counted=False)
        ],
        "alerts": [alert for alert in ledger.alerts.unresolved() if alert["pipeline"] in {"", *names}],
        "oms": [(name, one or NO_ANSWER, number) for name in names for one, number in _open_at_oms(ledger, name)],
        "write_back_states": WRITE_BACK_STATES,
        "write_back": ledger.write_back_tasks.unfinished(names),
        "backup": backup,
        "backup_late": backup is None or now - backup.at > _LATE_AFTER,
        "reconciliations": [_reconciliation(name, compared.get(name), now) for name in names],
        **_diagnosis(desk, now),
    }


def _open_at_oms(ledger: Ledger, name: str) -> list[tuple[str, int]]:
    """Orders that the OMS is still asked about, by reading."""
    return sorted(ledger.oms_status_counts.open_counts(name).items())


def _stops(ledger: Ledger, names: Collection[str]) -> list[OperatorAction]:
    """The last times that sending was stopped or resumed, newest first."""
    found = [*ledger.activity.general(STOP), *ledger.activity.general(RESUME)]
    return sorted((one for one in found if one.pipeline in {"", *names}), key=lambda one: one.at, reverse=True)[:10]


def _diagnosis(desk: DeskDeployment, now: datetime) -> dict[str, Any]:
    result: DiagnosisResult = desk.diagnosis.latest(now)
    return {"diagnosis": result, "findings": _by_urgency(result.findings)}


def _by_urgency(found: Collection[Finding]) -> Sequence[Finding]:
    return sorted(found, key=lambda one: _URGENCY.index(one.level))


def _outcome(run: RecordedRun, now: datetime) -> tuple[str, str]:
    """The result of a run in a word, and the tone of its badge."""
    if run.ended_at is None:
        return ("did not end", "bad") if now - run.started_at > _ENDLESS_AFTER else ("running", "info")
    return ("failed", "bad") if run.failed else ("passed", "good")


def _reconciliation(name: str, last: CompletedCheck | None, now: datetime) -> ReconciliationLine:
    if last is None:
        return ReconciliationLine(name, None, "not compared yet", "info")
    facts = last.facts
    kinds = ("missing", "doubled", "other_id", "not_imported", "unknown")
    wrong = [f"{facts[kind]} {kind.replace('_', ' ')}" for kind in kinds if facts.get(kind)]
    if facts.get("breaches"):
        wrong.insert(0, "accounting check FAILED")
    unclear = [f"{facts[key]} {what} not compared" for key, what in _UNCLEAR if facts.get(key)]
    late = ["older than two days"] if now - last.at > _LATE_AFTER else []
    tone = "bad" if wrong else "warn" if unclear or late else "good"
    text = ", ".join([*wrong, *unclear, *late]) or f"{facts.get('seen', 0)} of {facts.get('imported', 0)} orders found"
    return ReconciliationLine(name, last.at, text, tone)


_UNCLEAR = (("unsure", "orders"), ("unread", "days"))
