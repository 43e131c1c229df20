"""Judging whether a person has to be told: facts in, messages out. Pure; what is told when is the ledger's work.

Messages hold order numbers, counts, codes and times, and say what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from order_relay.ledger.schema.records import Alert, Heartbeat, OverdueOrders
from order_relay.pipeline.alerts.wording import ALERT_ADVICE, COMMAND, LIVE_RUN_STATES, SHADOW_ADVICE, STATE_NAMES
from order_relay.pipeline.runs.stop_switch import StopSwitch
from order_relay.pipeline.settings.pipeline import PipelineSettings

STUCK, QUARANTINE, SILENT, SUSPENDED, STOPPED, SHADOW, WRONG_FILE = (
    "stuck",
    "quarantine",
    "silent",
    "resting",
    "stopped",
    "shadow",
    "wrong_file",
)
WRITE_BACK = "write_back"
"""The kind of what the source cancelled after the import, or refuses to be told."""

PIPELINE_KINDS = frozenset({STUCK, WRITE_BACK, QUARANTINE, SILENT, SUSPENDED, STOPPED, SHADOW, WRONG_FILE})
"""The kinds that a look at a pipeline knows completely: what it does not find any more is over."""

STOP_VALUE = "stop_value"
"""The kind of the stop switch itself, which belongs to no pipeline."""

UNMATCHED_SHIPMENTS = "parcels"
"""The kind of parcels that wait for an operator, which belong to no pipeline."""
NOT_LOOKED_UP = "not_looked_up"
"""Raised and settled by the sweep."""

RUN_FAILED, ACCOUNTING = "run_failed", "law"
STATUS_REFUSED = "status_refused"
REFUSED_PERIOD = timedelta(days=7)
"""So long a refused status record or file is reported."""

RUN_KINDS = frozenset({RUN_FAILED, ACCOUNTING})
"""The kinds that the end of a run knows completely."""

IMPORTED_WITH_ERROR = "imported_with_error"
"""An order was imported while the OMS named an error: alerted once for each run, and never over by itself."""

UNREADABLE_FOR_S = 300  # shorter than the distance of two looks
MIN_ORDERS_FOR_SHARE = 10  # orders of a run: of fewer a share says nothing

MAX_LINES = 20
"""So many lines are told; of further ones only how many there are."""

_NO_CAUSES: Mapping[str, str] = MappingProxyType({})
_MAPPED = re.compile(r"_\d+$")


@dataclass(frozen=True)
class PipelineFacts:
    """What is known about a pipeline at ``now``. ``pulse`` is missing where it never ran; ``stopped`` by a person."""

    pipeline: str
    now: datetime
    pulse: Heartbeat | None = None
    late: Sequence[OverdueOrders] = ()
    tasks: Sequence[OverdueOrders] = ()
    quarantined: int = 0
    stopped: bool = False


def state_limits(settings: PipelineSettings) -> dict[str, float]:
    """For how long an order may stay in each state, in seconds, as the ledger is asked."""
    found = {**settings.alerts.stuck_after_s.model_dump(), "in_doubt": settings.doubt.tell_after_s}
    if not settings.acknowledge.enabled:
        del found["acknowledgement"]
    return {state: after_s for state, after_s in found.items() if after_s is not None}


def check_pipeline(facts: PipelineFacts, settings: PipelineSettings) -> list[Alert]:
    """All causes to tell a person about, of the kinds ``PIPELINE_KINDS``. A pipeline that never ran gives none."""
    if facts.pulse is None:
        return []
    # Shadow runs enter no order into this ledger: what is open there is left from live mode and still needs an end.
    left = [
        *(stuck_orders(entry, facts.pipeline, settings, _cause(entry, facts.pulse)) for entry in facts.late),
        *(_write_back(entry, facts.pipeline, settings) for entry in facts.tasks),
    ]
    if settings.shadow:
        rests = [suspended(facts.pipeline, settings.alerts.repeat_s)] if facts.pulse.resting else []
        return [
            *left,
            *_quarantine(facts, {}, settings),
            *rests,
            *_unexpected_shadow(facts.pipeline, facts.pulse, settings),
        ]
    return [
        *left,
        *_quarantine(facts, facts.pulse.last_run, settings),
        *_silent(facts, facts.pulse, settings),
        *_stopped(facts, facts.pulse, settings),
    ]


def _cause(entry: OverdueOrders, pulse: Heartbeat) -> str:
    """Why orders are not sent, where the newest run failed and left its cause."""
    return str(pulse.last_run.get("cause", "")) if entry.state == "ready" else ""


def stuck_orders(entry: OverdueOrders, pipeline: str, settings: PipelineSettings, cause: str = "") -> Alert:
    """Orders that are in one state for too long. ``cause``: what the newest run failed with."""
    name = STATE_NAMES.get(entry.state, entry.state)
    todo = ALERT_ADVICE[entry.state]
    if settings.shadow and entry.state in LIVE_RUN_STATES:
        todo = f"shadow runs do not process them: {SHADOW_ADVICE.format(pipeline=pipeline)}"
    return Alert(
        STUCK,
        f"{STUCK}:{entry.state}",
        f"{pipeline}: {_orders(entry.number)} {name} for too long, the oldest since {format_time(entry.oldest)}; "
        f"{todo}" + (f" The newest run failed: {cause}" if cause else ""),
        list_lines(entry.orders, entry.number),
        size=entry.number,
        repeat_s=settings.alerts.repeat_s,
    )


def _write_back(entry: OverdueOrders, pipeline: str, settings: PipelineSettings) -> Alert:
    """Orders that the source cancelled after the import, or of which it refuses to be told."""
    return Alert(
        WRITE_BACK,
        f"{WRITE_BACK}:{entry.state}",
        f"{pipeline}: {_orders(entry.number)} {STATE_NAMES[entry.state]}, the oldest since "
        f"{format_time(entry.oldest)}; "
        f"{ALERT_ADVICE[entry.state]}",
        list_lines(entry.orders, entry.number),
        size=entry.number,
        repeat_s=settings.alerts.repeat_s,
    )


def _quarantine(facts: PipelineFacts, run: Mapping[str, Any], settings: PipelineSettings) -> Iterator[Alert]:
    alerts, todo = settings.alerts, ALERT_ADVICE["quarantined"]
    if alerts.quarantined_more_than is not None and facts.quarantined > alerts.quarantined_more_than:
        yield Alert(
            QUARANTINE,
            f"{QUARANTINE}:number",
            f"{facts.pipeline}: {_orders(facts.quarantined)} in quarantine; {todo}",
            size=facts.quarantined,
            repeat_s=alerts.repeat_s,
        )
    bad, all_ = int(run.get("run_quarantined", 0)), int(run.get("run_received", 0))
    if alerts.quarantined_share is not None and all_ >= MIN_ORDERS_FOR_SHARE and bad >= alerts.quarantined_share * all_:
        yield Alert(
            QUARANTINE,
            f"{QUARANTINE}:share",
            f"{facts.pipeline}: the newest run quarantined {bad} of its {all_} orders; did a format change? {todo}",
            size=bad,
            repeat_s=alerts.repeat_s,
        )


def _silent(facts: PipelineFacts, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    """Nothing was read, or nothing was offered, for too long. Without a schedule nobody expects a reading."""
    alerts = settings.alerts
    for after_s, last, cause, what in (
        (
            alerts.unread_after_s if settings.schedule else None,
            pulse.read_at,
            "unread",
            "the source was not read to its end; does the pipeline's DAG run, and what do its runs say?",
        ),
        (
            alerts.no_orders_after_s,
            pulse.order_at,
            "no_orders",
            "the source offered no order; is that right at this time of the year?",
        ),
    ):
        since = last or pulse.bound_at
        if after_s is not None and (facts.now - since).total_seconds() >= after_s:
            subject = f"{facts.pipeline}: since {format_time(since)} {what}"
            yield Alert(SILENT, f"{SILENT}:{cause}", subject, repeat_s=alerts.repeat_s)


def _stopped(facts: PipelineFacts, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    alerts = settings.alerts
    if pulse.resting:
        yield suspended(facts.pipeline, alerts.repeat_s)
    if facts.stopped and alerts.stopped_after_s is not None:
        yield Alert(
            STOPPED,
            STOPPED,
            f"{facts.pipeline}: sending is stopped by the Variable order_relay_stop for a long time; clear it to go on",
            after_s=alerts.stopped_after_s,
            repeat_s=alerts.repeat_s,
        )


def _unexpected_shadow(pipeline: str, pulse: Heartbeat, settings: PipelineSettings) -> Iterator[Alert]:
    """A pipeline that was live (shadow runs enter no order into the ledger): perhaps its file lost the line."""
    after_s = settings.alerts.stopped_after_s
    if pulse.order_at is not None and after_s is not None:
        yield Alert(
            SHADOW,
            SHADOW,
            f"{pipeline}: was live and is in shadow mode now: nothing is sent or acknowledged. Set 'mode: live' in "
            f"{pipeline}.yaml to resume",
            after_s=after_s,
            repeat_s=settings.alerts.repeat_s,
        )


def unmatched_shipments(number: int, oldest: datetime | None, some: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """Parcels that wait for an operator: they fit no order, or may be ones that were counted already."""
    if not number or oldest is None:
        return []
    lines = [
        f"parcel {row['id']} for {', '.join(row['words'])}: {row['asks'] or 'no order has this number'}" for row in some
    ]
    which = "1 parcel waits" if number == 1 else f"{number} parcels wait"
    return [
        Alert(
            UNMATCHED_SHIPMENTS,
            UNMATCHED_SHIPMENTS,
            f"{which} for an operator, the oldest since {format_time(oldest)}, and does not count yet: "
            f"{COMMAND} shipments --unmatched",
            list_lines(lines, number),
            size=number,
        )
    ]


def suspended(pipeline: str, repeat_s: float) -> Alert:
    """The source refused our credentials: nothing moves until somebody mends the connection."""
    return Alert(
        SUSPENDED,
        SUSPENDED,
        f"{pipeline} rests: the source refused the login, and more tries would lock the account; mend the source's "
        "connection (any changed field wakes the pipeline)",
        repeat_s=repeat_s,
    )


def invalid_stop_value(switch: StopSwitch) -> list[Alert]:
    """A stop switch whose value nobody understands: everything is stopped, and nobody may know. Told at once; where the
    value cannot be read, once two looks in a row could not read it."""
    if not switch.problem:
        return []
    return [Alert(STOP_VALUE, STOP_VALUE, switch.problem, after_s=UNREADABLE_FOR_S if switch.unreadable else 0)]


def refused_statuses(account: str, found: Sequence[Mapping[str, Any]]) -> list[Alert]:
    """Status records and files that could not be used, as ``Ledger.status_refused_since`` counts them."""
    return [
        Alert(
            STATUS_REFUSED,
            f"{STATUS_REFUSED}:{entry['origin'][:200]}",
            f"{account}: {entry['number']} status records or rows of {entry['origin']!r} could not be used; see "
            f"'{COMMAND} statuses --refused', fix the file or the settings and drop the file again; or close it: "
            f"{COMMAND} statuses --refused --close {entry['origin'][:200]!r} --reason ...",
            list_lines([f"{code}: {n}, such as {place}" for code, n, place in entry["codes"]], len(entry["codes"])),
            size=entry["number"],
        )
        for entry in found[:MAX_LINES]
    ]


def failed_lookups(pipeline: str, number: int, cause: str, repeat_s: float) -> Alert:
    """The sweep could not look up the orders in doubt."""
    return Alert(
        NOT_LOOKED_UP,
        NOT_LOOKED_UP,
        f"{pipeline}: {_orders(number)} in doubt and cannot be looked up: {cause}. Check: {COMMAND} doctor",
        size=number,
        repeat_s=repeat_s,
    )


def invalid_settings(pipeline: str, problem: str) -> Alert:
    """The pipeline's file is not valid: no run of it can begin."""
    return Alert(WRONG_FILE, WRONG_FILE, f"{pipeline}: no run can begin: {problem}")


def check_run(  # noqa: PLR0917 - what a run ended with
    pipeline: str,
    run: str,
    failed_tasks: Sequence[str],
    breaches: Sequence[str],
    repeat_s: float,
    remarked: Sequence[str] = (),
    *,
    causes: Mapping[str, str] = _NO_CAUSES,
) -> list[Alert]:
    """What to tell at a run's end, of the kinds ``RUN_KINDS``. The same tasks failing again are the same cause.

    ``causes``: why tasks failed, by task, where that is known.
    """
    messages = []
    if failed_tasks:
        tasks = sorted({_MAPPED.sub("", task) for task in failed_tasks})
        lines = [f"{task}: {causes[task]}" if task in causes else task for task in failed_tasks]
        messages.append(
            Alert(
                RUN_FAILED,
                f"{RUN_FAILED}:{','.join(tasks)}",
                f"{pipeline}: run {run} failed; what is unsent stays ready for the next run; see the logs of its tasks",
                list_lines(lines, len(lines)),
                size=len(lines),
                repeat_s=repeat_s,
            )
        )
    if remarked:
        what = "1 order was" if len(remarked) == 1 else f"{len(remarked)} orders were"
        messages.append(
            Alert(
                IMPORTED_WITH_ERROR,
                f"{IMPORTED_WITH_ERROR}:{run}",
                f"{pipeline}: {what} imported, but the OMS also named an error; read its words with "
                f"{COMMAND} order NUMBER --payload and check the order in the OMS",
                list_lines(remarked, len(remarked)),
                size=len(remarked),
                repeat_s=repeat_s,
            )
        )
    if breaches:
        messages.append(
            Alert(
                ACCOUNTING,
                ACCOUNTING,
                f"{pipeline}: the books do not balance after run {run}; {COMMAND} report",
                list_lines(breaches, len(breaches)),
                size=len(breaches),
                repeat_s=repeat_s,
            )
        )
    return messages


def list_lines(some: Sequence[str], number: int) -> tuple[str, ...]:
    """The lines of a message: the first ones, and how many there are besides."""
    shown = tuple(some[:MAX_LINES])
    return (*shown, f"and {number - len(shown)} more") if number > len(shown) else shown


def _orders(number: int) -> str:
    return "1 order is" if number == 1 else f"{number} orders are"


def format_time(when: datetime) -> str:
    """A time as people read it."""
    return f"{when:%Y-%m-%d %H:%M} UTC"
