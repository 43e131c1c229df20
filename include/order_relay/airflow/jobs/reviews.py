"""What the tasks of ``order_review`` do. Imports the engine; the DAG file does not.

Nothing here holds customers' data: order numbers, states, amounts and dates may stand in Airflow's pages, of everything
else only that it changed (``pipeline.reviewing``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay import COMMAND
from order_relay.airflow.context.review_task import CANCELLED, DOUBT, HELD, ReviewTask
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import open_ledger, open_wiring
from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError, OrderRelayError
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.orders.markdown import escape_markdown
from order_relay.orders.review.choices import EFFECTS, REPLACEMENT, STORED
from order_relay.pipeline.lookup.evidence import OPERATOR_REASONS
from order_relay.pipeline.operators.review import build_review
from order_relay.pipeline.operators.review_model import OrderReview
from order_relay.pipeline.report.advice import explain
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_pipeline
from order_relay.pipeline.settings.sections import DoubtSettings, ReviewSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MAX_OPENED_PER_RUN = 25
"""So many reviews are opened by one run: they travel as one XCom."""

MAX_OPEN = 500
"""So many reviews are open at one time; the DAG's limit of active runs is above it, so that finding goes on."""

RECHECK_INTERVAL = timedelta(hours=1)
_UNFINISHED = ["queued", "running"]


@dataclass(frozen=True)
class ReviewPrompt:
    """One question as an operator sees it; ``look_again``: when the task checks again without an answer.

    ``choices``: the answers that are offered; empty for those of the task itself.
    """

    subject: str
    body: str
    recheck: timedelta
    choices: tuple[str, ...] = ()


def find(context: Context) -> list[dict[str, Any]]:
    """Cases without an open review, as arguments of the task that opens them. Skipped where there is none."""
    ti, dag_id = context["ti"], context["dag_run"].dag_id
    with open_ledger() as ledger:
        review_tasks = pending_reviews(ledger)
    room = MAX_OPEN - int(ti.get_dr_count(dag_id=dag_id, states=_UNFINISHED))
    found: list[dict[str, Any]] = []
    for review_task in review_tasks:
        if len(found) >= min(MAX_OPENED_PER_RUN, room):
            log.warning("%d cases wait, %d reviews may be open: the next runs go on", len(review_tasks), MAX_OPEN)
            break
        if run_id := _next_run(ti, dag_id, review_task.stem):
            found.append({"trigger_run_id": run_id, "conf": review_task.conf()})
    if not found:
        raise AirflowSkipException("no order waits for a decision without being asked about")
    return found


def _next_run(ti: Any, dag_id: str, stem: str) -> str:
    """The run to open: numbered behind the finished ones of the same case; empty where one is open."""
    number = 1
    while ti.get_dr_count(dag_id=dag_id, run_ids=[f"{stem}__{number}"]):
        if ti.get_dr_count(dag_id=dag_id, run_ids=[f"{stem}__{number}"], states=_UNFINISHED):
            return ""
        number += 1
    return f"{stem}__{number}"


def pending_reviews(ledger: Ledger) -> list[ReviewTask]:
    """What a person is to be asked now, the longest waiting first."""
    return [*_held_reviews(ledger.decisions.held_groups()), *_in_doubt_reviews(ledger.queries.in_doubt())]


def _held_reviews(groups: Sequence[HeldGroup]) -> list[ReviewTask]:
    """One for each group of held submissions."""
    return [
        ReviewTask(
            HELD,
            group.pipeline,
            group.number,
            tuple(f"{number}/{revision}" for number, revision in group.seen.items()),
            group.choices,
        )
        for group in groups
    ]


def _in_doubt_reviews(rows: Sequence[Mapping[str, Any]]) -> list[ReviewTask]:
    """Orders in doubt for longer than their pipeline's setting, and at once those that only an operator can settle."""
    now = datetime.now(UTC)
    after = {name: timedelta(seconds=_doubt_settings(name).tell_after_s) for name in {row["pipeline"] for row in rows}}
    return [
        ReviewTask(DOUBT, row["pipeline"], row["order_number"], (f"{row['id']}/{row['attempt']}",))
        for row in rows
        if row["reason"] in OPERATOR_REASONS or row["sent_at"] + after[row["pipeline"]] <= now
    ]


def _still_open(ledger: Ledger, review_task: ReviewTask) -> bool:
    """Whether exactly this case waits. In doubt since the setting or not: it was asked, so it may be answered."""
    if review_task.kind == HELD:
        return review_task in _held_reviews(ledger.decisions.held_groups(review_task.pipeline, review_task.number))
    return any(
        row["pipeline"] == review_task.pipeline and (f"{row['id']}/{row['attempt']}",) == review_task.shown
        for row in ledger.queries.in_doubt()
    )


def build_prompt(task: str, review_task: ReviewTask, context: Context) -> ReviewPrompt:
    """What a task asks. Raises ``AirflowSkipException`` where the case is closed, or the task has nothing to ask."""
    again = min(RECHECK_INTERVAL, timedelta(seconds=_review_settings(review_task.pipeline).remind_after_s))
    with open_ledger() as ledger:
        if not _still_open(ledger, review_task):
            raise AirflowSkipException("this case was decided elsewhere, or changed: a new review is opened for it")
        if task == "settle":
            return ReviewPrompt(
                f"{review_task.pipeline}: is order {review_task.number} in the OMS?",
                _in_doubt_body(ledger, review_task),
                again,
            )
        review, body = _load_review(ledger, review_task)
    if task == "review":
        subject = f"{review_task.pipeline}: what is order {review_task.number}{_other_count(review)}?"
        return ReviewPrompt(subject, f"{body}\n\n{_describe_choices(review_task, review)}", again, review_task.choices)
    return _confirmation_prompt(review_task, review, context, again)


def _describe_choices(review_task: ReviewTask, review: OrderReview | None) -> str:
    """What each answer that is offered does."""
    known = dict(review.answers) if review else {}
    lines = [f"**{choice}**: {escape_markdown(known.get(choice, EFFECTS[choice]))}" for choice in review_task.choices]
    asked = (
        " Before a replacement you are asked whether the order at the OMS is cancelled there."
        if (review and review.needs_confirmation)
        else ""
    )
    return (
        "---\n"
        + "\n\n".join(lines)
        + f"\n\nOne answer decides about every version marked *held* above.{asked} A *reason* is required; without one "
        "the question is asked again. If the group changes before you answer, this review ends and a new one is opened."
    )


def _other_count(review: OrderReview | None) -> str:
    count = len(review.shown_ids) - 1 if review else 0
    return f" (and {count} more held with it)" if count else ""


def _load_review(ledger: Ledger, review_task: ReviewTask) -> tuple[OrderReview | None, str]:
    """The review; where it can not be made (a wrong set-up), what the ledger knows, so that nobody waits for it."""
    try:
        with open_wiring(review_task.pipeline) as wiring:
            minimum = wiring.settings.policies.min_common_items
            review = build_review(ledger, wiring.store, wiring, number=review_task.number, minimum=minimum)
    except OrderRelayError as error:
        log.warning("the review can not be put together (%s); it shows what the ledger knows", error)
        return None, f"## Order {review_task.number}\n\nThe versions can not be compared now: {type(error).__name__}."
    return review, review.as_markdown()


def _confirmation_prompt(
    review_task: ReviewTask, review: OrderReview | None, context: Context, again: timedelta
) -> ReviewPrompt:
    answer = context["ti"].xcom_pull(task_ids="review")
    if not answer or answer["choice"] != REPLACEMENT:
        raise AirflowSkipException("only a replacement asks for a confirmation")
    if review is not None and not review.needs_confirmation:
        raise AirflowSkipException("no order is replaced at the OMS")
    ids = ", ".join(review.imported) if review else f"see: {COMMAND} order NUMBER"
    body = (
        f"**{answer['who']}** decided that order {review_task.number} replaces one that is already at the OMS "
        f"(**{ids}**). Both would be shipped.\n\nIs the old order cancelled in the OMS? Your answer is recorded. "
        "If it is not, nothing is decided, and the review is opened again."
    )
    return ReviewPrompt(
        f"{review_task.pipeline}: is the order that {review_task.number} replaces cancelled?", body, again
    )


def _in_doubt_body(ledger: Ledger, review_task: ReviewTask) -> str:
    (row,) = (row for row in ledger.queries.in_doubt() if row["id"] in review_task.seen)
    foreign = ""
    if row["reason"] in OPERATOR_REASONS:
        foreign = f"\n\n**{explain(row['reason'])} Compare the two orders before you answer.**"
    return f"""## Order {review_task.number}

It was sent at {row["sent_at"]:%Y-%m-%d %H:%M:%S} UTC (attempt {row["attempt"]}), and no usable answer came back
(`{row["reason"]}`). {row["lookups"]} look-ups did not settle it, and it is not sent again on suspicion.{foreign}

**Look for it in the OMS by its external order number `{row["destination_key"]}`.**

---
**stored**: it is there; give its OMS id. **absent**: it is not there, and it will be sent again. Only say so if you are
sure: an order that is there after all would be shipped twice. A *reason* (how you looked) is needed."""


def recheck(review_task: ReviewTask, context: Context) -> timedelta:
    """The hour is over without an answer: end where the case is closed, remind after the setting, and wait on."""
    ti, now = context["ti"], datetime.now(UTC)
    settings = _review_settings(review_task.pipeline)
    with open_ledger() as ledger:
        if not _still_open(ledger, review_task):
            raise AirflowSkipException("this case was decided elsewhere, or changed")
        since = ti.xcom_pull(task_ids=ti.task_id, key="reminded_at")
        last = datetime.fromisoformat(since) if since else context["dag_run"].run_after
        if now - last >= timedelta(seconds=settings.remind_after_s):
            notify(
                ledger,
                review_task.pipeline,
                [
                    Alert(
                        kind="review",
                        cause=f"review:{review_task.stem}",
                        subject=f"{review_task.pipeline}: order {review_task.number} waits for an answer since "
                        f"{context['dag_run'].run_after:%Y-%m-%d %H:%M} UTC: {getattr(ti, 'log_url', '')}",
                        repeat_s=settings.remind_after_s,
                    )
                ],
            )
            ti.xcom_push(key="reminded_at", value=now.isoformat())
    return min(RECHECK_INTERVAL, timedelta(seconds=settings.remind_after_s))


def decide(context: Context) -> dict[str, Any]:
    """Carry out a review's answer, unless the case has changed since it was shown."""
    review_task = _require_task(context)
    answer = context["ti"].xcom_pull(task_ids="review")
    confirmed = context["ti"].xcom_pull(task_ids="confirm")
    reason = answer["reason"]
    if confirmed and confirmed["choice"] != CANCELLED:
        return _not_decided(review_task, "the order that would be replaced is not cancelled")
    if confirmed:
        reason = f"{reason} (cancellation confirmed by {confirmed['who']})"
    with open_ledger() as ledger:
        if ledger.decisions.already_decided(review_task.seen, answer["choice"], reason, answer["who"]):
            return {"decided": len(review_task.seen), "choice": answer["choice"]}  # by an earlier try of this task
        try:
            done = ledger.decisions.decide(
                review_task.number,
                answer["choice"],
                reason,
                answer["who"],
                shown=review_task.seen,
                cancelled=bool(confirmed),
                pipeline=review_task.pipeline,
                shares=_min_common_items(review_task.pipeline),
            )
        except (ConcurrentUpdateError, IllegalTransitionError) as error:
            return _not_decided(review_task, str(error))
    log.info("%s: order %s, %s by %s", review_task.pipeline, review_task.number, answer["choice"], answer["who"])
    return {"decided": len(done), "choice": answer["choice"]}


def record(context: Context) -> dict[str, Any]:
    """Carry out what a person found about an order in doubt, unless it was settled or sent again since."""
    review_task = _require_task(context)
    answer = context["ti"].xcom_pull(task_ids="settle")
    oms_id = answer["oms_id"] if answer["choice"] == STORED else None
    with open_ledger() as ledger:
        if ledger.decisions.already_decided(review_task.seen, answer["choice"], answer["reason"], answer["who"]):
            return {"decided": 1, "choice": answer["choice"]}  # by an earlier try of this task
        try:
            done = ledger.decisions.settle_in_doubt(
                review_task.number,
                oms_id,
                answer["reason"],
                answer["who"],
                pipeline=review_task.pipeline,
                shown=review_task.seen,
            )
        except (ConcurrentUpdateError, IllegalTransitionError) as error:
            return _not_decided(review_task, str(error))
    log.info("%s: order %s is %s, says %s", review_task.pipeline, review_task.number, answer["choice"], answer["who"])
    return {"decided": len(done), "choice": answer["choice"]}


def _not_decided(review_task: ReviewTask, why: str) -> dict[str, Any]:
    """An answer that is not carried out ends the review; where the case still waits, the next run opens a new one."""
    log.warning("%s: nothing is decided about order %s: %s", review_task.pipeline, review_task.number, why)
    return {"decided": 0, "why": why}


def _require_task(context: Context) -> ReviewTask:
    review_task = ReviewTask.of(context)
    if review_task is None:
        raise AirflowSkipException("this run is no review")
    return review_task


def _settings(pipeline: str) -> PipelineSettings | None:
    try:
        return load_pipeline(pipeline)
    except OrderRelayError as error:
        log.warning("%s: its settings can not be read, defaults are used (%s)", pipeline, error)
        return None


def _min_common_items(pipeline: str) -> dict[str, float]:
    """How many items versions of one order have in common, by pipeline. Raises where the settings cannot be read."""
    return {pipeline: load_pipeline(pipeline).policies.min_common_items}


def _doubt_settings(pipeline: str) -> DoubtSettings:
    found = _settings(pipeline)
    return found.doubt if found else DoubtSettings()


def _review_settings(pipeline: str) -> ReviewSettings:
    found = _settings(pipeline)
    return found.review if found else ReviewSettings()
