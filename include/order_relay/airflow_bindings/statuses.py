"""What the tasks of a status account's DAG do. Imports the engine; the DAG file does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay.airflow_bindings import connections
from order_relay.airflow_bindings.assets import statuses_asset
from order_relay.airflow_bindings.file_servers import file_server
from order_relay.airflow_bindings.opening import discreet
from order_relay.airflow_bindings.runs import request_of
from order_relay.airflow_bindings.telling import tell
from order_relay.ledger import Message, migrate
from order_relay.ledger.statuses import Stored
from order_relay.orders.exchange import RunContext
from order_relay.pipeline import status_fetch, status_range, statuses, watching
from order_relay.pipeline.parcels import record_parcel
from order_relay.pipeline.status_files import Drops, read_drops
from order_relay.pipeline.statuses import Intake
from order_relay.status_wiring import StatusWiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

WHO = "statuses"
TAKEN_BACK = "status_taken_back"
FILES_LEFT = "status_files_left"


@contextmanager
def _opened(account: str, context: Context) -> Iterator[tuple[StatusWiring, Intake]]:
    url, filesystem = connections.store_filesystem(connections.store_url())
    ledger_url = connections.ledger_url()
    migrate(ledger_url)
    with discreet(), StatusWiring.for_account(account, connections.connection, ledger_url, url, filesystem) as wiring:
        ctx = RunContext(account, request_of(context).run, WHO)
        yield wiring, Intake(ctx, wiring.ledger, wiring.reader)


def poll(account: str, context: Context) -> dict[str, Any]:
    """Poll what changed; in a backfill within the interval, else where the form says it within that range."""
    request = request_of(context)
    begin, end = (request.start, request.end) if request.replay else status_range.asked(context.get("params") or {})
    with _opened(account, context) as (wiring, intake):
        stored = statuses.poll(intake, wiring.source, wiring.settings.poll, datetime.now(UTC), begin, end)
        _tell_refused(intake)
    return _counts(account, stored)


def _tell_refused(intake: Intake) -> None:
    """Alert operators to records and files that could not be used, each file or channel by itself."""
    found = intake.ledger.status_refused_since(intake.account, datetime.now(UTC) - watching.REFUSED_FOR)
    tell(
        intake.ledger,
        intake.account,
        watching.refused_statuses(intake.account, found),
        settles=[watching.STATUS_REFUSED],
    )


def fetch(account: str, context: Context) -> dict[str, Any]:
    """Bring CSV files from a server into the batch store; operators are alerted to those that make trouble.

    A backfill reads its interval of the vendor's list, and nothing else: so it brings and reads no files.
    """
    if request_of(context).replay:
        return {}
    with _opened(account, context) as (wiring, intake):
        settings = wiring.settings.files
        if not settings.enabled or settings.fetch is None:
            return {}
        with file_server(settings.fetch.connection, settings.fetch.folder) as server:
            done = status_fetch.fetch(
                account, server, wiring.store, settings.fetch, size_limit=settings.size_limit_bytes
            )
        tell(intake.ledger, account, _left(account, done.trouble), settles=[FILES_LEFT])
    return {
        "fetched": done.fetched,
        "growing": done.growing,
        "passed_over": done.passed_over,
        "trouble": len(done.trouble),
    }


def _left(account: str, trouble: list[str]) -> list[Message]:
    if not trouble:
        return []
    return [
        Message(
            kind=FILES_LEFT,
            cause=FILES_LEFT,
            subject=f"{account}: {len(trouble)} files at the server are left there; each line says why",
            lines=tuple(trouble[:100]),
            size=len(trouble),
        )
    ]


def files(account: str, context: Context) -> dict[str, Any]:
    """Read the CSV files that wait; not in a backfill."""
    if request_of(context).replay:
        return {}
    with _opened(account, context) as (wiring, intake):
        settings = wiring.settings.files
        if not settings.enabled:
            return {}
        stored = read_drops(intake, Drops(wiring.store, wiring.form, settings, datetime.now(UTC)))
        _tell_refused(intake)
    return _counts(account, stored)


def by_id(account: str, context: Context) -> dict[str, Any]:
    """Match the vendor's orders to ours, then read by id what is doubtful or overdue; not in a backfill."""
    if request_of(context).replay:
        return {}
    with _opened(account, context) as (wiring, intake):
        settings = wiring.settings.by_id
        horizon_s = settings.horizon_days * 86400.0 if settings.enabled else 0.0
        matched = intake.ledger.match_statuses(account, wiring.ours, settings.overdue_after_s, horizon_s)
        stored = statuses.read_due(intake, wiring.source, settings) if settings.enabled else Stored()
        _tell_refused(intake)
    return {"matched": matched, **_counts(account, stored)}


def follow(account: str, context: Context) -> dict[str, Any]:
    """Record shipped parcels, ask a person where one was taken back, and announce what changed as an asset event."""
    with _opened(account, context) as (wiring, intake):
        settings = wiring.settings
        # Once more: what the webhooks and the reads by id brought since may be about orders of ours.
        intake.ledger.match_statuses(account, wiring.ours, settings.by_id.overdue_after_s, 0.0)
        counts = statuses.follow_up(
            intake,
            settings.shipments,
            settings.source.vendor,
            lambda told: record_parcel(intake.ledger, wiring.archive, WHO, told, run=intake.ctx.run),
        )
        asked = [row["order_number"] for row in intake.ledger.statuses(asked=True) if row["account"] == account]
        tell(intake.ledger, account, [_message(account, asked)] if asked else [], settles=[TAKEN_BACK])
    context["outlet_events"][statuses_asset(account)].extra = {"account": account, **counts}
    return {**counts, "asked_about": len(asked)}


def _message(account: str, numbers: list[str]) -> Message:
    return Message(
        kind=TAKEN_BACK,
        cause=TAKEN_BACK,
        subject=f"{account}: {len(numbers)} orders were told as shipped, and the vendor took that back; look with "
        "'python -m order_relay statuses --asked', then end it with --done NUMBER",
        lines=tuple(sorted(numbers)),
        size=len(numbers),
    )


def _counts(account: str, stored: Stored) -> dict[str, Any]:
    counts = asdict(stored)
    log.info("%s: %s", account, counts)
    return counts
