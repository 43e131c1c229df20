"""Telling a person that something waits for them. The one seam: whoever has something to say says it here.

A message is noted in the ledger first, which decides whether it is told now (``ledger.alerting``), and then delivered
to the target that configuration names (``targets``). What can not be delivered stays noted: the next one who tells
something, or the next look of the DAG ``watch``, tries again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Sequence

from airflow.sdk.observability import stats

from order_relay.airflow.notify import notifiers
from order_relay.errors import OrderRelayError, TransientError
from order_relay.failpoints import failpoint
from order_relay.ledger import Alert, Delivery, Ledger

log = logging.getLogger(__name__)


def notify(ledger: Ledger, pipeline: str, messages: Sequence[Alert], settles: Collection[str] = ()) -> None:
    """Tell people about a pipeline, each cause once (``settles``: see ``alerting.note``).

    Never raises for what it does itself: a message that can not be kept or delivered must not undo what was done.
    """
    try:
        ledger.note_alerts(pipeline, messages, settles)
        deliver(ledger)
    except OrderRelayError as error:
        log.warning("people could not be told now (%s); it was: %s", error, [message.subject for message in messages])


def deliver(ledger: Ledger) -> dict[str, int]:
    """Deliver all that is due, of every pipeline; counts of ``told`` and ``failed``.

    Raises ``ConfigurationError`` where the target's configuration is wrong: then nothing can be delivered before it is
    mended.
    """
    counts: Counter[str] = Counter()
    for note in ledger.take_alerts():
        reached = _delivered(note)
        counts["told" if reached else "failed"] += 1
        if not reached:
            break  # the others would wait for the same target
        ledger.alert_told(note)
        stats.incr("order_relay.told", tags={"kind": note.kind, "pipeline": note.pipeline})
    return {"told": counts["told"], "failed": counts["failed"]}


def _delivered(note: Delivery) -> bool:
    try:
        with failpoint("alert deliver"):
            notifiers.deliver(note)
    except TransientError as error:
        log.warning("%s could not be delivered now: %s", note.cause, error)
        return False
    except OrderRelayError:
        raise
    except Exception as error:
        # Whatever a notifier raises; its text may show the target's address, which often is a secret.
        log.warning("%s could not be delivered (%s); the next look tries again", note.cause, type(error).__name__)
        return False
    return True
