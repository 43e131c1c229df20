"""What an operator does about each state, and about what is tracked beside the states."""

from __future__ import annotations

from collections.abc import Mapping

from order_relay import COMMAND
from order_relay.ledger.schema.states import State
from order_relay.pipeline.report.advice_types import StateAdvice

OPERATOR_STATES = (State.IN_DOUBT, State.HELD, State.REJECTED, State.QUARANTINED)
"""States that may need an operator, the most urgent first. Look-ups settle most orders in doubt."""

_SETTLED = "No action needed."

STATES: Mapping[str, StateAdvice] = {
    State.IN_DOUBT: StateAdvice(
        "without a confirmed import",
        "It is unknown whether the OMS stored the order.",
        "No action needed at first: look-ups run at growing intervals, and an idempotent destination is sent the order "
        f"again by the next run. If they do not settle it (see `{COMMAND} "
        f"doubt`), search the OMS and use `{COMMAND} settle`. Never send the order again by hand.",
        f"Read the OMS's answers with `{COMMAND} order NUMBER --payload`. If the order is in doubt, search the OMS, "
        f"then answer the review or use `{COMMAND} settle NUMBER --stored OMS_ID` (or `--absent`) `--reason ...`. If "
        "it is rejected, replay or discard it.",
    ),
    State.HELD: StateAdvice(
        "held",
        "An operator must decide.",
        f"Compare the versions with `{COMMAND} held NUMBER`. Then answer the review (Required Actions in Airflow) or "
        f"use `{COMMAND} decide NUMBER replacement|separate|discard --reason ...`.",
    ),
    State.REJECTED: StateAdvice(
        "rejected by the OMS",
        "The OMS refused the order, or did not store it in `load.max_attempts` attempts. It is not in the OMS.",
        f"Read the OMS's answer with `{COMMAND} order NUMBER --payload` and fix the cause. Then use `{COMMAND} "
        f"replay` or `{COMMAND} discard`.",
    ),
    State.QUARANTINED: StateAdvice(
        "quarantined",
        "Order Relay's own checks refused the order.",
        f"See the reasons with `{COMMAND} quarantine`. Fix the order in the source, or the mapping or a code table "
        f"here. It is evaluated again when the source offers it again, or with `{COMMAND} replay`. If it is not "
        f"wanted, use `{COMMAND} discard`.",
    ),
    State.WAITING: StateAdvice(
        "waiting",
        "Blocked: a newer version is quarantined, an earlier one is in doubt, or a payment is open.",
        f"Usually no action needed. `{COMMAND} order NUMBER` shows the reason.",
        f"See what blocks an order with `{COMMAND} order NUMBER`.",
    ),
    State.SENDING: StateAdvice(
        "in the state sending",
        "The intent to send is recorded; a request may be in flight.",
        "No action needed. After a crash the order becomes `in_doubt` when its lease expires.",
        "A worker stopped while sending, and no later run has taken over. Check that the pipeline's DAG runs.",
    ),
    State.READY: StateAdvice(
        "ready",
        "The payload is built and valid; the order may be sent.",
        "No action needed: the next run sends the order.",
        "Check that the pipeline's DAG is not paused, that its runs succeed, and that sending is not stopped (Variable "
        "order_relay_stop).",
    ),
    State.RECEIVED: StateAdvice(
        "received but not evaluated",
        "Stored, not evaluated yet.",
        "No action needed: the next run evaluates the order.",
        "Check that the pipeline's DAG is not paused and that its runs succeed.",
    ),
    State.IMPORTED: StateAdvice("imported", "The OMS has the order; its OMS id is known.", _SETTLED),
    State.SUPERSEDED: StateAdvice("superseded", "A newer version of the order replaces this one.", _SETTLED),
    State.DISCARDED: StateAdvice("discarded", "By decision, the order is never sent.", _SETTLED),
}
"""Every state, the most urgent first."""

ACKNOWLEDGEMENT, LEFT_OUT, CANCELLED, UNTOLD = "acknowledgement", "left_out", "cancelled", "untold"

OTHER_TASKS: Mapping[str, StateAdvice] = {
    ACKNOWLEDGEMENT: StateAdvice(
        "unacknowledged",
        "The source has not confirmed that the order was taken over.",
        "No action needed. The acknowledgement is repeated until the source confirms it, and the source "
        "may offer the order again until then, which is harmless.",
        "The source may offer the orders again, which is harmless. Check the task `acknowledge` of the latest run.",
    ),
    LEFT_OUT: StateAdvice(
        "left out of the order feed",
        "A value of the order cannot be shown in the feed for the shipping software.",
        f"See the reason with `{COMMAND} order NUMBER`. Once the mapping or the value is fixed, the next poll returns "
        "the order.",
    ),
    CANCELLED: StateAdvice(
        "cancelled in the shop after the import",
        "The shop cancelled an order that the OMS already has. The order feed shows it as cancelled.",
        f"Cancel the order in the OMS, then confirm with `{COMMAND} cancelled --done NUMBER --reason ...`, or ship it "
        f"anyway with `--keep NUMBER`. `{COMMAND} cancelled` lists all.",
    ),
    UNTOLD: StateAdvice(
        "refused by the source in write-back",
        "The shop keeps refusing an update about the order.",
        f"See the shop's answer with `{COMMAND} feedback --failed`. Then use `{COMMAND} feedback --retry NUMBER` or "
        "`--give-up NUMBER`.",
    ),
}
"""What is tracked beside the state of an order, under the names that alerts and reports use."""

WRITE_BACK_STATES = {
    "sent": "no answer yet",
    "refused": "refused; is tried again",
    "failed": "failed; an operator decides",
    "given_up": "given up",
}
"""The states of a write-back step that was tried and is not done."""

LIVE_RUN_STATES = frozenset({State.RECEIVED, State.WAITING, State.READY, State.SENDING, ACKNOWLEDGEMENT})
"""Only a live run can process orders in these; no decision by an operator does."""

LEFT_FROM_LIVE_MODE = (
    "The pipeline is in shadow mode and does not process them. Set `mode: live` in {pipeline}.yaml to finish them, or "
    f"check each one in the OMS (`{COMMAND} order NUMBER`)."
)
"""Replaces the advice about ``LIVE_RUN_STATES`` if the pipeline was live and is in shadow mode."""

LOGIN_REJECTED = (
    "suspended because the source rejected the login; further attempts could lock the account. Correct the source's "
    "connection. The pipeline resumes when any of its fields has changed."
)
"""Follows the pipeline's name."""


def state_advice(name: str) -> StateAdvice:
    """The advice about a state or another open task. Raises ``KeyError`` for an unknown name."""
    return STATES[name] if name in STATES else OTHER_TASKS[name]
