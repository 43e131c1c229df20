"""What the tasks of ``order_review`` do; its questions are in ``review_prompts``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from order_relay.airflow.context.review_task import CANCELLED, DOUBT, HELD, SHOP_CANCELLED, ReviewTask
from order_relay.airflow.notify.notifications import notify
from order_relay.airflow.session import open_ledger
from order_relay.errors import ConcurrentUpdateError, IllegalTransitionError, OrderRelayError
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.operators.held_groups import HeldGroup
from order_relay.ledger.schema.listed_rows import CancelledSubmission
from order_relay.orders.review.choices import STORED
from order_relay.pipeline.lookup.evidence import DOUBT_REASONS
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_pipeline
from order_relay.pipeline.settings.sections import DoubtSettings, ReviewSettings

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

MAX_OPENED_PER_RUN = 25
"""Maximum reviews opened per run; they are passed in one XCom."""

MAX_OPEN = 500
"""Maximum open reviews. The DAG's limit of active runs is higher, so that other runs can start."""

RECHECK_INTERVAL = timedelta(hours=1)
_UNFINISHED = ["queued", "running"]


def find(context: Context) -> list[dict[str, Any]]:
    """Cases without an open review, as arguments of the task that opens them; skipped if there are none."""
    ti, dag_id = context["ti"], context["dag_run"].dag_id
    with open_ledger() as ledger:
        review_tasks = pending_reviews(ledger)
    room = MAX_OPEN - int(ti.get_dr_count(dag_id=dag_id, states=_UNFINISHED))
    found: list[dict[str, Any]] = []
    for review_task in review_tasks:
        if len(found) >= min(MAX_OPENED_PER_RUN, room):
            log.warning(
                "%d cases need a review; a run opens at most %d, and at most %d may be open",
                len(review_tasks),
                MAX_OPENED_PER_RUN,
                MAX_OPEN,
            )
            break
        if run_id := _next_run(ti, dag_id, review_task.stem):
            found.append({"trigger_run_id": run_id, "conf": review_task.conf()})
    if not found:
        raise AirflowSkipException("every order that needs a decision has an open review")
    return found


def _next_run(ti: Any, dag_id: str, stem: str) -> str:
    """The id of the run to open, numbered after finished runs of the same case; empty if one is open."""
    number = 1
    while ti.get_dr_count(dag_id=dag_id, run_ids=[f"{stem}__{number}"]):
        if ti.get_dr_count(dag_id=dag_id, run_ids=[f"{stem}__{number}"], states=_UNFINISHED):
            return ""
        number += 1
    return f"{stem}__{number}"


def pending_reviews(ledger: Ledger) -> list[ReviewTask]:
    """Cases that need a decision: orders cancelled by their source, held groups, orders in doubt, each by age."""
    return [
        *_cancellation_reviews(ledger.cancellations.unsettled()),
        *_held_reviews(ledger.decisions.held_groups()),
        *_in_doubt_reviews(ledger.queries.in_doubt()),
    ]


def _cancellation_reviews(rows: Sequence[CancelledSubmission]) -> list[ReviewTask]:
    """One case per imported order that its source cancelled."""
    return [
        ReviewTask(SHOP_CANCELLED, row["pipeline"], row["order_number"], (f"{row['id']}/{row['revision']}",))
        for row in rows
    ]


def _held_reviews(groups: Sequence[HeldGroup]) -> list[ReviewTask]:
    """One case per group of held submissions."""
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
    """Orders in doubt for longer than ``doubt: tell_after_s``; without delay if only an operator can settle them."""
    now = datetime.now(UTC)
    after = {name: timedelta(seconds=_doubt_settings(name).tell_after_s) for name in {row["pipeline"] for row in rows}}
    return [
        ReviewTask(DOUBT, row["pipeline"], row["order_number"], (f"{row['id']}/{row['attempt']}",))
        for row in rows
        if row["reason"] in DOUBT_REASONS or row["sent_at"] + after[row["pipeline"]] <= now
    ]


def still_open(ledger: Ledger, review_task: ReviewTask) -> bool:
    """Whether the case is unchanged and undecided. An open review may be answered at any age of the order."""
    if review_task.kind == HELD:
        return review_task in _held_reviews(ledger.decisions.held_groups(review_task.pipeline, review_task.number))
    if review_task.kind == SHOP_CANCELLED:
        return review_task in _cancellation_reviews(ledger.cancellations.unsettled(review_task.pipeline))
    return any(
        row["pipeline"] == review_task.pipeline and (f"{row['id']}/{row['attempt']}",) == review_task.shown
        for row in ledger.queries.in_doubt()
    )


def recheck(review_task: ReviewTask, context: Context) -> timedelta:
    """After an hour without an answer: skip if the case is closed, or send a due reminder. Time to the next check."""
    ti, now = context["ti"], datetime.now(UTC)
    settings = review_settings(review_task.pipeline)
    with open_ledger() as ledger:
        if not still_open(ledger, review_task):
            raise AirflowSkipException("this case was decided elsewhere or has changed")
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
                        subject=f"{review_task.pipeline}: order {review_task.number} has waited for a decision since "
                        f"{context['dag_run'].run_after:%Y-%m-%d %H:%M} UTC: {getattr(ti, 'log_url', '')}",
                        repeat_s=settings.remind_after_s,
                    )
                ],
            )
            ti.xcom_push(key="reminded_at", value=now.isoformat())
    return recheck_interval(settings)


def decide(context: Context) -> dict[str, Any]:
    """Carry out the answer of a review, unless the case has changed since it was shown."""
    review_task = _require_task(context)
    answer = context["ti"].xcom_pull(task_ids="review")
    confirmed = context["ti"].xcom_pull(task_ids="confirm")
    reason = answer["reason"]
    if confirmed and confirmed["choice"] != CANCELLED:
        return _not_decided(review_task, "the order to be replaced is not cancelled")
    if confirmed:
        reason = f"{reason} (cancellation confirmed by {confirmed['who']})"
    with open_ledger() as ledger:
        if ledger.decisions.already_decided(review_task.seen, answer["choice"], reason, answer["who"]):
            return {"decided": len(review_task.seen), "choice": answer["choice"]}  # done by an earlier try of this task
        try:
            done = ledger.decisions.decide(
                review_task.number,
                answer["choice"],
                reason,
                answer["who"],
                shown=review_task.seen,
                cancelled=bool(confirmed),
                pipeline=review_task.pipeline,
                shares={review_task.pipeline: load_pipeline(review_task.pipeline).policies.min_common_items},
            )
        except (ConcurrentUpdateError, IllegalTransitionError) as error:
            return _not_decided(review_task, str(error))
    log.info("%s: order %s, %s by %s", review_task.pipeline, review_task.number, answer["choice"], answer["who"])
    return {"decided": len(done), "choice": answer["choice"]}


def record(context: Context) -> dict[str, Any]:
    """Record what an operator found about an order in doubt, unless it was settled or sent again meanwhile."""
    review_task = _require_task(context)
    answer = context["ti"].xcom_pull(task_ids="settle")
    oms_id = answer["oms_id"] if answer["choice"] == STORED else None

    def act(ledger: Ledger) -> list[int]:
        return ledger.decisions.settle_in_doubt(
            review_task.number,
            oms_id,
            answer["reason"],
            answer["who"],
            pipeline=review_task.pipeline,
            shown=review_task.seen,
        )

    return _carried_out(review_task, answer, act)


def conclude(context: Context) -> dict[str, Any]:
    """Record the decision about an order that its source cancelled, unless the case has changed since."""
    review_task = _require_task(context)
    answer = context["ti"].xcom_pull(task_ids="cancellation")

    def act(ledger: Ledger) -> list[int]:
        return ledger.cancellations.decide(review_task.seen, answer["choice"], answer["reason"], answer["who"])

    return _carried_out(review_task, answer, act)


def _carried_out(
    review_task: ReviewTask, answer: Mapping[str, str], act: Callable[[Ledger], Sequence[int]]
) -> dict[str, Any]:
    """The result of an answer about one order, carried out unless an earlier try of this task has done it."""
    with open_ledger() as ledger:
        if ledger.decisions.already_decided(review_task.seen, answer["choice"], answer["reason"], answer["who"]):
            return {"decided": 1, "choice": answer["choice"]}
        try:
            done = act(ledger)
        except (ConcurrentUpdateError, IllegalTransitionError) as error:
            return _not_decided(review_task, str(error))
    log.info(
        "%s: order %s is %s according to %s", review_task.pipeline, review_task.number, answer["choice"], answer["who"]
    )
    return {"decided": len(done), "choice": answer["choice"]}


def _not_decided(review_task: ReviewTask, reason: str) -> dict[str, Any]:
    """The result if an answer is not carried out. A case that is still open gets a new review by the next run."""
    log.warning("%s: nothing was decided about order %s: %s", review_task.pipeline, review_task.number, reason)
    return {"decided": 0, "why": reason}


def _require_task(context: Context) -> ReviewTask:
    review_task = ReviewTask.of(context)
    if review_task is None:
        raise AirflowSkipException("this run was not opened for a case")
    return review_task


def _settings(pipeline: str) -> PipelineSettings | None:
    try:
        return load_pipeline(pipeline)
    except OrderRelayError as error:
        log.warning("%s: invalid settings, defaults apply (%s)", pipeline, error)
        return None


def _doubt_settings(pipeline: str) -> DoubtSettings:
    found = _settings(pipeline)
    return found.doubt if found else DoubtSettings()


def recheck_interval(settings: ReviewSettings) -> timedelta:
    """Time until an open review checks again."""
    return min(RECHECK_INTERVAL, timedelta(seconds=settings.remind_after_s))


def review_settings(pipeline: str) -> ReviewSettings:
    """The section ``review`` of a pipeline file; defaults if the file is invalid."""
    found = _settings(pipeline)
    return found.review if found else ReviewSettings()
