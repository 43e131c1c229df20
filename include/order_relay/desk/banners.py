"""What an operator should know before anything else: sending stopped, shadow mode, paused DAGs, silent sources."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from order_relay.desk.deployment import DeskDeployment
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.schema.records import Heartbeat
from order_relay.pipeline.alerts.kinds import ACCOUNTING, SILENT, SUSPENDED
from order_relay.pipeline.alerts.rules import PipelineFacts, check_pipeline
from order_relay.pipeline.report.dag_effects import MISSING_WHILE_PAUSED, NO_RUNS
from order_relay.wiring.actions import STOP

BAD, WARN, INFO = "bad", "warn", "info"


@dataclass(frozen=True)
class Banner:
    """One line above a page. ``level``: ``bad``, ``warn`` or ``info``. ``path``: where to act, below the root."""

    level: str
    text: str
    path: str = ""


def banners(
    desk: DeskDeployment, pipelines: Collection[str], pulses: Mapping[str, Heartbeat | None], now: datetime
) -> list[Banner]:
    """All banners about these pipelines, the most urgent first. ``pulses``: their heartbeats."""
    found = [*_stopped(desk, pipelines), *_accounting(desk, pipelines)]
    for name in sorted(pipelines):
        found += _pipeline(desk, name, pulses.get(name), now)
    found += _paused(desk, pipelines)
    return sorted(found, key=lambda one: (BAD, WARN, INFO).index(one.level))


def _stopped(desk: DeskDeployment, pipelines: Collection[str]) -> Iterator[Banner]:
    switch = desk.host.stop_switch()
    if switch.problem:
        yield Banner(BAD, switch.problem, "health")
        return
    names = sorted(name for name in pipelines if switch.stops(name))
    if not names:
        return
    last = next((one for one in desk.ledger.activity.general(STOP) if one.pipeline in {"", *names}), None)
    by = f" {last.who}, {last.at:%Y-%m-%d %H:%M} UTC: {last.why}" if last else ""
    which = "all pipelines" if switch.everything else ", ".join(names)
    yield Banner(BAD, f"Sending is stopped for {which}.{by}", "health")


def _accounting(desk: DeskDeployment, pipelines: Collection[str]) -> Iterator[Banner]:
    for alert in desk.ledger.alerts.unresolved():
        failed = alert["kind"] == ACCOUNTING or alert["cause"].endswith(":accounting")
        if failed and alert["pipeline"] in pipelines:
            yield Banner(BAD, alert["subject"], "health")


def _pipeline(desk: DeskDeployment, name: str, pulse: Heartbeat | None, now: datetime) -> Iterator[Banner]:
    """Invalid settings, shadow mode, and a source that was not read or offered nothing for too long."""
    try:
        settings = desk.pipelines[name]
    except KeyError:
        return
    except ConfigurationError as error:
        yield Banner(BAD, f"{name}: its settings are invalid, so it does not run. {error}")
        return
    if settings.shadow:
        yield Banner(INFO, f"{name} is in shadow mode: orders are read and checked, but nothing is sent.")
    for alert in check_pipeline(PipelineFacts(name, now, pulse), settings):
        if alert.kind in {SILENT, SUSPENDED}:
            yield Banner(BAD, alert.subject, "health")


def _paused(desk: DeskDeployment, pipelines: Collection[str]) -> Iterator[Banner]:
    try:
        paused = desk.host.paused_dags()
    except TransientError as error:
        yield Banner(WARN, f"Paused DAGs are unknown: {error}")
        return
    for name, missing in {**dict.fromkeys(sorted(pipelines), NO_RUNS), **MISSING_WHILE_PAUSED}.items():
        if paused.get(name):
            yield Banner(WARN, f"The DAG {name} is paused: {missing}.", "health")
