"""What the tasks of a status account's DAG do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay import COMMAND
from order_relay.airflow import connections
from order_relay.airflow.assets import statuses_asset
from order_relay.airflow.context.run_request import read_request
from order_relay.airflow.incoming.mailbox import open_mailbox
from order_relay.airflow.incoming.remote_files import open_file_server
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import measured, redacted_errors
from order_relay.ledger import Alert, migrate
from order_relay.ledger.fulfilment.status_merge import StoredStatuses
from order_relay.orders.messages import RunContext
from order_relay.pipeline.alerts.fulfilment_rules import refused_statuses
from order_relay.pipeline.alerts.kinds import REFUSED_PERIOD, STATUS_FILES_LEFT, STATUS_REFUSED
from order_relay.pipeline.alerts.run_rules import files_not_fetched
from order_relay.pipeline.fulfilment import status_fetch, status_poll, status_range
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.pipeline.fulfilment.status_files import DropFolder, read_drops
from order_relay.pipeline.fulfilment.status_mail import fetch_mail
from order_relay.pipeline.fulfilment.status_poll import StatusIntake
from order_relay.pipeline.settings.status_account import load_status
from order_relay.wiring.statuses import StatusWiring

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ACTOR = "statuses"
TAKEN_BACK = "status_taken_back"


@contextmanager
def _open_account(account: str, context: Context) -> Iterator[tuple[StatusWiring, StatusIntake]]:
    url, filesystem = connections.store_filesystem(connections.store_url())
    ledger_url = connections.ledger_url()
    migrate(ledger_url)
    with (
        redacted_errors(),
        measured(account),
        StatusWiring(load_status(account), connections.connection, ledger_url, url, filesystem) as wiring,
    ):
        ctx = RunContext(account, read_request(context).run, ACTOR)
        yield wiring, StatusIntake(ctx, wiring.ledger, wiring.reader)


def poll(account: str, context: Context) -> dict[str, Any]:
    """Read changed orders: since the watermark, in the range of the form, or in the interval of a backfill."""
    request = read_request(context)
    begin, end = (
        (request.start, request.end) if request.replay else status_range.requested_range(context.get("params") or {})
    )
    with _open_account(account, context) as (wiring, intake):
        stored = status_poll.poll_changes(intake, wiring.source, wiring.settings.poll, datetime.now(UTC), begin, end)
        _alert_refused(intake)
    return _xcom_counts(account, stored)


def _alert_refused(intake: StatusIntake) -> None:
    """Raise alerts for unusable records and files, one per file or channel."""
    found = intake.ledger.status_refusals.since(intake.account, datetime.now(UTC) - REFUSED_PERIOD)
    notify(intake.ledger, intake.account, refused_statuses(intake.account, found), settles=[STATUS_REFUSED])


def fetch(account: str, context: Context) -> dict[str, Any]:
    """Copy CSV files from a file server and a mailbox into the batch store; raise an alert for those that cannot be
    copied.

    Not in a backfill, which reads only its interval of the vendor's list.
    """
    if read_request(context).replay:
        return {}
    with _open_account(account, context) as (wiring, intake):
        settings, store = wiring.settings.files, wiring.store
        if not settings.enabled or (settings.fetch is None and settings.mail is None):
            return {}
        limit, done = settings.size_limit_bytes, status_fetch.FetchReport()
        if settings.fetch is not None:
            with open_file_server(settings.fetch.connection, settings.fetch.folder) as server:
                done += status_fetch.fetch_files(account, server, store, settings.fetch, size_limit=limit)
        if settings.mail is not None:
            with open_mailbox(settings.mail) as mailbox:
                done += fetch_mail(account, mailbox, store, settings.mail, size_limit=limit)
        alerts = files_not_fetched(account, STATUS_FILES_LEFT, done.trouble, "files or messages")
        notify(intake.ledger, account, alerts, settles=[STATUS_FILES_LEFT])
    return {
        "fetched": done.fetched,
        "growing": done.growing,
        "passed_over": done.passed_over,
        "trouble": len(done.trouble),
    }


def files(account: str, context: Context) -> dict[str, Any]:
    """Read the CSV files in the drop folder; not in a backfill."""
    if read_request(context).replay:
        return {}
    with _open_account(account, context) as (wiring, intake):
        settings = wiring.settings.files
        if not settings.enabled:
            return {}
        stored = read_drops(intake, DropFolder(wiring.store, wiring.form, settings, datetime.now(UTC)))
        _alert_refused(intake)
    return _xcom_counts(account, stored)


def by_id(account: str, context: Context) -> dict[str, Any]:
    """Match the vendor's orders to ours, then read unclear and overdue orders by id; not in a backfill."""
    if read_request(context).replay:
        return {}
    with _open_account(account, context) as (wiring, intake):
        settings = wiring.settings.by_id
        horizon_s = settings.horizon_days * 86400.0 if settings.enabled else 0.0
        matched = intake.ledger.statuses.match(account, wiring.ours, settings.overdue_after_s, horizon_s)
        stored = status_poll.read_due(intake, wiring.source, settings) if settings.enabled else StoredStatuses()
        _alert_refused(intake)
    return {"matched": matched, **_xcom_counts(account, stored)}


def follow(account: str, context: Context) -> dict[str, Any]:
    """Record shipments, raise an alert for withdrawn ones, and emit the asset event."""
    with _open_account(account, context) as (wiring, intake):
        settings = wiring.settings
        # Again: webhooks and reads by id may have brought more orders of ours meanwhile.
        intake.ledger.statuses.match(account, wiring.ours, settings.by_id.overdue_after_s, 0.0)
        counts = status_poll.record_shipments(
            intake,
            settings.shipments,
            settings.source.vendor,
            lambda shipped: record_shipment(intake.ledger, wiring.archive, ACTOR, shipped, run=intake.ctx.run),
        )
        withdrawn = [
            row["order_number"] for row in intake.ledger.statuses.recent(asked=True) if row["account"] == account
        ]
        notify(intake.ledger, account, _withdrawn_alerts(account, withdrawn), settles=[TAKEN_BACK])
    context["outlet_events"][statuses_asset(account)].extra = {"account": account, **counts}
    return {**counts, "asked_about": len(withdrawn)}


def _withdrawn_alerts(account: str, numbers: list[str]) -> list[Alert]:
    if not numbers:
        return []
    alert = Alert(
        kind=TAKEN_BACK,
        cause=TAKEN_BACK,
        subject=f"{account}: the vendor withdrew the shipment of {len(numbers)} orders; list them with "
        f"'{COMMAND} statuses --asked', and confirm each with --done NUMBER",
        lines=tuple(sorted(numbers)),
        size=len(numbers),
    )
    return [alert]


def _xcom_counts(account: str, stored: StoredStatuses) -> dict[str, Any]:
    counts = asdict(stored)
    log.info("%s: %s", account, counts)
    return counts
