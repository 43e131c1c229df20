"""Sends alerts to operators; all alerts of Airflow tasks pass through here.

An alert is recorded in the ledger first, which decides whether it is due (``ledger.alerts``), and then delivered to the
configured target (``notifiers``). An alert that cannot be delivered stays recorded and is retried with the next alert,
or by the next run of the DAG ``watch``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence

from order_relay.airflow.notify import notifiers
from order_relay.airflow.telemetry import recording
from order_relay.errors import OrderRelayError, TransientError
from order_relay.failpoints import failpoint
from order_relay.ledger import Alert, Delivery, Ledger

log = logging.getLogger(__name__)


def notify(ledger: Ledger, pipeline: str, messages: Sequence[Alert], settles: Collection[str] = ()) -> None:
    """Record and deliver alerts about a pipeline, each cause once. ``settles``: see ``Alerts.record``.

    Does not raise our own errors: an alert that cannot be recorded or delivered must not fail the task.
    """
    try:
        ledger.alerts.record(pipeline, messages, settles)
        deliver_due(ledger)
    except OrderRelayError as error:
        log.warning("alert delivery failed (%s); alerts: %s", error, [message.subject for message in messages])


def deliver_due(ledger: Ledger) -> dict[str, int]:
    """Deliver all due alerts of all pipelines. Counts of deliveries: ``told`` and ``failed``.

    Raises ``ConfigurationError`` if the target is configured incorrectly: nothing can be delivered then.
    """
    counts: Counter[str] = Counter()
    for note in ledger.alerts.claim_due():
        delivered = _deliver(note)
        counts["told" if delivered else "failed"] += 1
        if not delivered:
            break  # the others would fail at the same target
        ledger.alerts.mark_delivered(note)
        recording.alert_delivered(note.pipeline, note.kind)
    return {"told": counts["told"], "failed": counts["failed"]}


def _deliver(note: Delivery) -> bool:
    try:
        with failpoint("alert deliver"):
            notifiers.deliver(note)
    except TransientError as error:
        log.warning("alert %s could not be delivered: %s", note.cause, error)
        return False
    except OrderRelayError:
        raise
    except Exception as error:
        # Notifiers raise many types. The message may show the target's URL, which often contains a secret.
        log.warning("alert %s could not be delivered (%s); the next check retries it", note.cause, type(error).__name__)
        return False
    return True
