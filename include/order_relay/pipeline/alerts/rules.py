"""Decides which alerts a pipeline raises: facts in, alerts out. Pure; the ledger decides when each is delivered.

Alerts contain order numbers, counts, codes and times, and say what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from order_relay.ledger.schema.records import Alert, Heartbeat, OverdueOrders
from order_relay.pipeline.alerts.fulfilment_rules import oms_status
from order_relay.pipeline.alerts.kinds import (
    QUARANTINE,
    SHADOW,
    SILENT,
    STOP_VALUE,
    STOPPED,
    STUCK,
    SUSPENDED,
    WRITE_BACK,
    list_lines,
)
from order_relay.pipeline.report.formatting import format_duration, format_orders, format_time
from order_relay.pipeline.report.state_advice import LEFT_FROM_LIVE_MODE, LIVE_RUN_STATES, LOGIN_REJECTED, state_advice
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import PipelineSettings

UNREADABLE_FOR_S = 300  # less than the interval between two checks
MIN_ORDERS_FOR_SHARE = 10  # a share of fewer orders means little


@dataclass(frozen=True)
class PipelineFacts:
    """What is known about a pipeline at ``now`` (UTC).

    ``pulse`` is ``None`` if it never ran. ``late``: orders in a state for too long. ``tasks``: what write-back leaves
    to operators. ``oms``: orders whose status at the OMS needs an operator. ``stopped``: the stop switch stops it.
    """

    pipeline: str
    now: datetime
    pulse: Heartbeat | None = None
    late: Sequence[OverdueOrders] = ()
    tasks: Sequence[OverdueOrders] = ()
    oms: Sequence[OverdueOrders] = ()
    quarantined: int = 0
    stopped: bool = False


def state_limits(settings: PipelineSettings) -> dict[str, float]:
    """How long an order may stay in each state, in seconds."""
    found = {**settings.alerts.stuck_after_s.model_dump(), "in_doubt": settings.doubt.tell_after_s}
    if not settings.acknowledge.enabled:
        del found["acknowledgement"]
    return {state: after_s for state, after_s in found.items() if after_s is not None}


def check_pipeline(facts: PipelineFacts, settings: PipelineSettings) -> list[Alert]:
    """The alerts of a pipeline, of ``PIPELINE_KINDS``. A pipeline that never ran has none."""
    if facts.pulse is None:
        return []
    # Shadow runs add no orders to this ledger: open orders were left from live mode and still have to be finished.
    left = [
        *(stuck_orders(entry, facts.pipeline, settings, _cause(entry, facts.pulse)) for entry in facts.late),
        *(_write_back(entry, facts.pipeline, settings) for entry in facts.tasks),
        *(oms_status(entry, facts.pipeline, settings) for entry in facts.oms),
    ]
    if settings.shadow:
        suspension = [suspended(facts.pipeline, settings.alerts.repeat_s)] if facts.pulse.resting else []
        return [
            *left,
            *_quarantine(facts, {}, settings),
            *suspension,
            *_unexpected_shadow(facts.pipeline, facts.pulse, settings),
        ]
    return [
        *left,
        *_quarantine(facts, facts.pulse.last_run, settings),
        *_silent(facts, facts.pulse, settings),
        *_stopped(facts, facts.pulse, settings),
    ]


def _cause(entry: OverdueOrders, pulse: Heartbeat) -> str:
    """Why orders are not sent: the error of the newest run, if it failed."""
    return str(pulse.last_run.get("cause", "")) if entry.state == "ready" else ""


def stuck_orders(entry: OverdueOrders, pipeline: str, settings: PipelineSettings, cause: str = "") -> Alert:
    """Orders that are in one state for too long. ``cause``: the error of the newest run."""
    advice = state_advice(entry.state)
    next_step, limit_s = advice.if_overdue, state_limits(settings)[entry.state]
    if settings.shadow and entry.state in LIVE_RUN_STATES:
        next_step = LEFT_FROM_LIVE_MODE.format(pipeline=pipeline)
    return Alert(
        STUCK,
        f"{STUCK}:{entry.state}",
        f"{pipeline}: {format_orders(entry.number, 'has', 'have')} been {advice.label} for more than "
        f"{format_duration(limit_s)}, the oldest since {format_time(entry.oldest)}. {next_step}"
        + (f" The newest run failed: {cause}" if cause else ""),
        list_lines(entry.orders, entry.number),
        size=entry.number,
        repeat_s=settings.alerts.repeat_s,
    )


def _write_back(entry: OverdueOrders, pipeline: str, settings: PipelineSettings) -> Alert:
    """Orders that the source cancelled after the import, or about which it refuses an update."""
    advice = state_advice(entry.state)
    return Alert(
        WRITE_BACK,
        f"{WRITE_BACK}:{entry.state}",
        f"{pipeline}: {format_orders(entry.number, 'was', 'were')} {advice.label}, the oldest at "
        f"{format_time(entry.oldest)}. {advice.action}",
        list_lines(entry.orders, entry.number),
        size=entry.number,
        repeat_s=settings.alerts.repeat_s,
    )


def _quarantine(facts: PipelineFacts, run: Mapping[str, Any], settings: PipelineSettings) -> Iterator[Alert]:
    alerts, next_step = settings.alerts, state_advice("quarantined").action
    limit = alerts.quarantined_more_than
    if limit is not None and facts.quarantined > limit:
        yield Alert(
            QUARANTINE,
            f"{QUARANTINE}:number",
            f"{facts.pipeline}: {format_orders(facts.quarantined, 'is', 'are')} quarantined (limit: {limit}). "
            f"{next_step}",
            size=facts.quarantined,
            repeat_s=alerts.repeat_s,
        )
    refused, received = int(run.get("run_quarantined", 0)), int(run.get("run_received", 0))
    share = alerts.quarantined_share
    if share is not None and received >= MIN_ORDERS_FOR_SHARE and refused >= share * received:
        yield Alert(
            QUARANTINE,
            f"{QUARANTINE}:share",
            f"{facts.pipeline}: the newest run quarantined {refused} of its {received} orders (limit: {share:.0%}). "
            f"Check whether the source's format has changed. {next_step}",
            size=refused,
            repeat_s=alerts.repeat_s,
        )


def _silent(facts: PipelineFacts, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    """Nothing was read, or nothing was offered, for too long. Without a schedule, no reading is expected."""
    alerts = settings.alerts
    for after_s, last, cause, text in (
        (
            alerts.unread_after_s if settings.schedule else None,
            pulse.read_at,
            "unread",
            "the source has not been read completely since {since}. Check that the pipeline's DAG is not paused and "
            "that its runs succeed.",
        ),
        (
            alerts.no_orders_after_s,
            pulse.order_at,
            "no_orders",
            "the source has offered no order since {since}. Check whether this is expected at this time of the year.",
        ),
    ):
        since = last or pulse.bound_at
        if after_s is not None and (facts.now - since).total_seconds() >= after_s:
            subject = f"{facts.pipeline}: {text.format(since=format_time(since))}"
            yield Alert(SILENT, f"{SILENT}:{cause}", subject, repeat_s=alerts.repeat_s)


def _stopped(facts: PipelineFacts, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    alerts = settings.alerts
    if pulse.resting:
        yield suspended(facts.pipeline, alerts.repeat_s)
    if facts.stopped and alerts.stopped_after_s is not None:
        yield Alert(
            STOPPED,
            STOPPED,
            f"{facts.pipeline}: sending has been stopped by the Variable order_relay_stop for more than "
            f"{format_duration(alerts.stopped_after_s)}. Clear the Variable to resume.",
            after_s=alerts.stopped_after_s,
            repeat_s=alerts.repeat_s,
        )


def _unexpected_shadow(pipeline: str, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    """The pipeline was live (shadow runs add no orders to the ledger): its file may have lost the line."""
    after_s = settings.alerts.stopped_after_s
    if pulse.order_at is not None and after_s is not None:
        yield Alert(
            SHADOW,
            SHADOW,
            f"{pipeline}: the pipeline was live and is in shadow mode: nothing is sent or acknowledged. Set 'mode: "
            f"live' in {pipeline}.yaml to resume.",
            after_s=after_s,
            repeat_s=settings.alerts.repeat_s,
        )


def suspended(pipeline: str, repeat_s: float) -> Alert:
    """The source rejected our credentials: nothing is read until its connection is edited."""
    return Alert(SUSPENDED, SUSPENDED, f"{pipeline}: {LOGIN_REJECTED}", repeat_s=repeat_s)


def invalid_stop_value(switch: StopSwitch) -> list[Alert]:
    """The stop switch has an unusable value, which stops everything.

    Raised immediately; if the value could not be read at all, only after two checks in a row have failed.
    """
    if not switch.problem:
        return []
    return [Alert(STOP_VALUE, STOP_VALUE, switch.problem, after_s=UNREADABLE_FOR_S if switch.unreadable else 0)]
