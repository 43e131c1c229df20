"""The questions of ``order_review``, as operators see them.

They appear on Airflow's pages, so they contain no customer data: order numbers, states, amounts and dates may be shown;
of other fields only whether they changed (``pipeline.operators.review``).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from order_relay import COMMAND
from order_relay.airflow.context.review_task import ReviewTask
from order_relay.airflow.jobs.reviews import recheck_interval, review_settings, still_open
from order_relay.airflow.session import open_ledger, open_wiring
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.orders.markdown import escape_markdown
from order_relay.orders.review.choices import AT_OMS, CANCELLATION_EFFECTS, EFFECTS, KEEP, REPLACEMENT
from order_relay.pipeline.lookup.evidence import DOUBT_REASONS, OPERATOR_REASONS
from order_relay.pipeline.operators.review import build_review
from order_relay.pipeline.operators.review_model import OrderReview
from order_relay.pipeline.report.advice import explain
from order_relay.pipeline.report.formatting import format_time

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReviewPrompt:
    """A question to an operator. ``recheck``: time after which the task checks whether the case is still open.

    ``choices``: the answers to offer; empty for the task's own.
    """

    subject: str
    body: str
    recheck: timedelta
    choices: tuple[str, ...] = ()


def build_prompt(task: str, review_task: ReviewTask, context: Context) -> ReviewPrompt:
    """The question of a task. Raises ``AirflowSkipException`` if the case is closed or the task has nothing to ask."""
    interval = recheck_interval(review_settings(review_task.pipeline))
    with open_ledger() as ledger:
        if not still_open(ledger, review_task):
            raise AirflowSkipException("the case was decided elsewhere or has changed; a new review opens if needed")
        if task == "settle":
            return ReviewPrompt(
                f"{review_task.pipeline}: is order {review_task.number} in the OMS?",
                _in_doubt_body(ledger, review_task),
                interval,
            )
        if task == "cancellation":
            return ReviewPrompt(
                f"{review_task.pipeline}: the shop cancelled order {review_task.number}; is it shipped?",
                _cancellation_body(ledger, review_task),
                interval,
            )
        review, body = _load_review(ledger, review_task)
    if task == "review":
        subject = f"{review_task.pipeline}: decide on order {review_task.number}{_other_count(review)}"
        return ReviewPrompt(
            subject, f"{body}\n\n{_describe_choices(review_task, review)}", interval, review_task.choices
        )
    return _confirmation_prompt(review_task, review, context, interval)


def _describe_choices(review_task: ReviewTask, review: OrderReview | None) -> str:
    """The effect of each answer."""
    known = dict(review.answers) if review else {}
    lines = [f"**{choice}**: {escape_markdown(known.get(choice, EFFECTS[choice]))}" for choice in review_task.choices]
    confirmation = (
        " Before a replacement, you must confirm that the order in the OMS is cancelled."
        if (review and review.needs_confirmation)
        else ""
    )
    return (
        "---\n"
        + "\n\n".join(lines)
        + f"\n\nThe answer applies to every version marked *held* above.{confirmation} A *reason* is required; without "
        "one the question is asked again. If the group changes before you answer, this review ends and a new one opens."
    )


def _other_count(review: OrderReview | None) -> str:
    count = len(review.shown_ids) - 1 if review else 0
    return f" (and {count} more held with it)" if count else ""


def _load_review(ledger: Ledger, review_task: ReviewTask) -> tuple[OrderReview | None, str]:
    """The review and its text; without a review (a configuration error, say) a text that the ledger alone allows."""
    try:
        with open_wiring(review_task.pipeline) as wiring:
            minimum = wiring.settings.policies.min_common_items
            review = build_review(ledger, wiring.store, wiring, number=review_task.number, minimum=minimum)
    except OrderRelayError as error:
        log.warning("the review cannot compare the versions (%s)", error)
        return None, f"## Order {review_task.number}\n\nThe versions cannot be compared ({type(error).__name__})."
    return review, review.as_markdown()


def _confirmation_prompt(
    review_task: ReviewTask, review: OrderReview | None, context: Context, interval: timedelta
) -> ReviewPrompt:
    answer = context["ti"].xcom_pull(task_ids="review")
    if not answer or answer["choice"] != REPLACEMENT:
        raise AirflowSkipException("only a replacement needs a confirmation")
    if review is not None and not review.needs_confirmation:
        raise AirflowSkipException("no order in the OMS is replaced")
    ids = ", ".join(review.imported) if review else f"see: {COMMAND} order NUMBER"
    body = (
        f"**{answer['who']}** decided that order {review_task.number} replaces one that is already in the OMS "
        f"(**{ids}**). Unless that one is cancelled, both are shipped.\n\nIs the old order cancelled in the OMS? Your "
        "answer is recorded. If it is not cancelled, nothing is decided, and the review is opened again."
    )
    return ReviewPrompt(
        f"{review_task.pipeline}: is the order that {review_task.number} replaces cancelled?", body, interval
    )


def _in_doubt_body(ledger: Ledger, review_task: ReviewTask) -> str:
    (row,) = (row for row in ledger.queries.in_doubt() if row["id"] in review_task.seen)
    foreign = ""
    if row["reason"] in DOUBT_REASONS:
        compare = " Compare the two orders before you answer." if row["reason"] in OPERATOR_REASONS else ""
        foreign = f"\n\n**{explain(row['reason'])}{compare}**"
    return f"""## Order {review_task.number}

It was sent at {row["sent_at"]:%Y-%m-%d %H:%M:%S} UTC (attempt {row["attempt"]}), but no usable answer was received
(`{row["reason"]}`). {row["lookups"]} look-ups were inconclusive. Only *absent* lets it be sent again.{foreign}

**Search the OMS for the external order number `{row["destination_key"]}`.**

---
**stored**: the OMS has the order; give its OMS id. **absent**: the OMS does not have it; it will be sent again. Choose
*absent* only if you are sure: otherwise the order is shipped twice. A *reason* (how you searched) is required."""


def _cancellation_body(ledger: Ledger, review_task: ReviewTask) -> str:
    (row,) = (row for row in ledger.cancellations.unsettled(review_task.pipeline) if row["id"] in review_task.seen)
    reinstated = row["source_reinstated_at"]
    facts = [f"The shop cancelled it at {format_time(row['source_cancelled_at'])}, after its import."]
    if reinstated is not None:
        facts.append(f"**It took the cancellation back at {format_time(reinstated)}.**")
    if row["shipped"]:
        facts.append(f"**It is {'partly ' if row['shipped'] == 'partly' else ''}shipped already.**")
    effects = "\n\n".join(f"**{choice}**: {CANCELLATION_EFFECTS[choice]}" for choice in (AT_OMS, KEEP))
    return f"""## Order {review_task.number}

{" ".join(facts)} The order feed does not offer it for shipping until you decide.

**Its OMS id is `{row["oms_id"]}`. To cancel it, cancel it in the OMS first.**

---
{effects}

A *reason* is required. If the case changes before you answer, this review ends and a new one opens."""
