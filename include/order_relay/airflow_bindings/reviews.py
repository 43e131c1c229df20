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

from order_relay.airflow_bindings.cases import CANCELLED, DISCARD, DOUBT, HELD, REPLACEMENT, SEPARATE, STORED, Case
from order_relay.airflow_bindings.opening import opened_ledger, opened_wiring
from order_relay.airflow_bindings.telling import tell
from order_relay.errors import MoveRefused, OrderRelayError, StaleRevision
from order_relay.ledger import Ledger, Message
from order_relay.ledger.held_groups import HeldGroup
from order_relay.orders.comparison import escape
from order_relay.pipeline.evidence import FOR_AN_OPERATOR
from order_relay.pipeline.reviewing import IN_DOUBT_BESIDE, Review, review_of
from order_relay.pipeline.sections import DoubtSettings, ReviewSettings
from order_relay.pipeline.settings import PipelineSettings, load_pipeline

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

PER_RUN = 25
"""So many reviews are opened by one run: they travel as one XCom."""

MOST_OPEN = 500
"""So many reviews are open at one time; the DAG's limit of active runs is above it, so that finding goes on."""

LOOK_AGAIN = timedelta(hours=1)
_UNFINISHED = ["queued", "running"]


@dataclass(frozen=True)
class Asked:
    """One question as an operator sees it; ``look_again``: when the task checks again without an answer.

    ``choices``: the answers that are offered; empty for those of the task itself.
    """

    subject: str
    body: str
    look_again: timedelta
    choices: tuple[str, ...] = ()


def find(context: Context) -> list[dict[str, Any]]:
    """Cases without an open review, as arguments of the task that opens them. Skipped where there is none."""
    ti, dag_id = context["ti"], context["dag_run"].dag_id
    with opened_ledger() as ledger:
        cases = open_cases(ledger)
    room = MOST_OPEN - int(ti.get_dr_count(dag_id=dag_id, states=_UNFINISHED))
    found: list[dict[str, Any]] = []
    for case in cases:
        if len(found) >= min(PER_RUN, room):
            log.warning("%d cases wait, %d reviews may be open: the next runs go on", len(cases), MOST_OPEN)
            break
        if run_id := _next_run(ti, dag_id, case.stem):
            found.append({"trigger_run_id": run_id, "conf": case.conf()})
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


def open_cases(ledger: Ledger) -> list[Case]:
    """What a person is to be asked now, the longest waiting first."""
    return [*_held_cases(ledger.held_groups()), *_doubt_cases(ledger.doubt())]


def _held_cases(groups: Sequence[HeldGroup]) -> list[Case]:
    """One for each group of held submissions."""
    return [
        Case(
            HELD,
            group.pipeline,
            group.number,
            tuple(f"{number}/{revision}" for number, revision in group.seen.items()),
            group.choices,
        )
        for group in groups
    ]


def _doubt_cases(rows: Sequence[Mapping[str, Any]]) -> list[Case]:
    """Orders in doubt for longer than their pipeline's setting, and at once those that only an operator can settle."""
    now = datetime.now(UTC)
    after = {name: timedelta(seconds=_doubt(name).tell_after_s) for name in {row["pipeline"] for row in rows}}
    return [
        Case(DOUBT, row["pipeline"], row["order_number"], (f"{row['id']}/{row['attempt']}",))
        for row in rows
        if row["reason"] in FOR_AN_OPERATOR or row["sent_at"] + after[row["pipeline"]] <= now
    ]


def _still_open(ledger: Ledger, case: Case) -> bool:
    """Whether exactly this case waits. In doubt since the setting or not: it was asked, so it may be answered."""
    if case.kind == HELD:
        return case in _held_cases(ledger.held_groups(case.pipeline, case.number))
    return any(
        row["pipeline"] == case.pipeline and (f"{row['id']}/{row['attempt']}",) == case.shown for row in ledger.doubt()
    )


def question(task: str, case: Case, context: Context) -> Asked:
    """What a task asks. Raises ``AirflowSkipException`` where the case is closed, or the task has nothing to ask."""
    again = min(LOOK_AGAIN, timedelta(seconds=_review(case.pipeline).remind_after_s))
    with opened_ledger() as ledger:
        if not _still_open(ledger, case):
            raise AirflowSkipException("this case was decided elsewhere, or changed: a new review is opened for it")
        if task == "settle":
            return Asked(f"{case.pipeline}: is order {case.number} in the OMS?", _doubt_body(ledger, case), again)
        review, body = _review_of(ledger, case)
    if task == "review":
        subject = f"{case.pipeline}: what is order {case.number}{_others(review)}?"
        return Asked(subject, f"{body}\n\n{_answers(case, review)}", again, case.choices)
    return _confirmation(case, review, context, again)


_MEANINGS = {
    REPLACEMENT: "the newest version is sent and takes the place of the older ones, which must not be shipped",
    SEPARATE: "each set of versions that agree is an order of its own and is sent",
    DISCARD: "none of them is ever sent",
}


def _answers(case: Case, review: Review | None) -> str:
    """What each answer that is offered does."""
    known = dict(review.answers) if review else {}
    lines = [f"**{choice}**: {escape(known.get(choice, _MEANINGS[choice]))}" for choice in case.choices]
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


def _others(review: Review | None) -> str:
    count = len(review.shown_ids) - 1 if review else 0
    return f" (and {count} more held with it)" if count else ""


def _review_of(ledger: Ledger, case: Case) -> tuple[Review | None, str]:
    """The review; where it can not be made (a wrong set-up), what the ledger knows, so that nobody waits for it."""
    try:
        with opened_wiring(case.pipeline) as wiring:
            minimum = wiring.settings.policies.min_common_items
            review = review_of(ledger, wiring.store, wiring, number=case.number, minimum=minimum)
    except OrderRelayError as error:
        log.warning("the review can not be put together (%s); it shows what the ledger knows", error)
        return None, f"## Order {case.number}\n\nThe versions can not be compared now: {type(error).__name__}."
    return review, review.as_markdown()


def _confirmation(case: Case, review: Review | None, context: Context, again: timedelta) -> Asked:
    answer = context["ti"].xcom_pull(task_ids="review")
    if not answer or answer["choice"] != REPLACEMENT:
        raise AirflowSkipException("only a replacement asks for a confirmation")
    if review is not None and not review.needs_confirmation:
        raise AirflowSkipException("no order is replaced at the OMS")
    ids = ", ".join(review.imported) if review else "see: python -m order_relay order NUMBER"
    body = (
        f"**{answer['who']}** decided that order {case.number} replaces one that is already at the OMS "
        f"(**{ids}**). Both would be shipped.\n\nIs the old order cancelled in the OMS? Your answer is recorded. "
        "If it is not, nothing is decided, and the review is opened again."
    )
    return Asked(f"{case.pipeline}: is the order that {case.number} replaces cancelled?", body, again)


def _doubt_body(ledger: Ledger, case: Case) -> str:
    (row,) = (row for row in ledger.doubt() if row["id"] in case.seen)
    foreign = f"\n\n**{IN_DOUBT_BESIDE[row['reason']]}**" if row["reason"] in IN_DOUBT_BESIDE else ""
    return f"""## Order {case.number}

It was sent at {row["sent_at"]:%Y-%m-%d %H:%M:%S} UTC (attempt {row["attempt"]}), and no usable answer came back
(`{row["reason"]}`). {row["lookups"]} look-ups did not settle it, and it is not sent again on suspicion.{foreign}

**Look for it in the OMS by its external order number `{row["destination_key"]}`.**

---
**stored**: it is there; give its OMS id. **absent**: it is not there, and it will be sent again. Only say so if you are
sure: an order that is there after all would be shipped twice. A *reason* (how you looked) is needed."""


def look_again(case: Case, context: Context) -> timedelta:
    """The hour is over without an answer: end where the case is closed, remind after the setting, and wait on."""
    ti, now = context["ti"], datetime.now(UTC)
    settings = _review(case.pipeline)
    with opened_ledger() as ledger:
        if not _still_open(ledger, case):
            raise AirflowSkipException("this case was decided elsewhere, or changed")
        since = ti.xcom_pull(task_ids=ti.task_id, key="reminded_at")
        last = datetime.fromisoformat(since) if since else context["dag_run"].run_after
        if now - last >= timedelta(seconds=settings.remind_after_s):
            tell(
                ledger,
                case.pipeline,
                [
                    Message(
                        kind="review",
                        cause=f"review:{case.stem}",
                        subject=f"{case.pipeline}: order {case.number} waits for an answer since "
                        f"{context['dag_run'].run_after:%Y-%m-%d %H:%M} UTC: {getattr(ti, 'log_url', '')}",
                        repeat_s=settings.remind_after_s,
                    )
                ],
            )
            ti.xcom_push(key="reminded_at", value=now.isoformat())
    return min(LOOK_AGAIN, timedelta(seconds=settings.remind_after_s))


def decide(context: Context) -> dict[str, Any]:
    """Carry out a review's answer, unless the case has changed since it was shown."""
    case = _case(context)
    answer = context["ti"].xcom_pull(task_ids="review")
    confirmed = context["ti"].xcom_pull(task_ids="confirm")
    reason = answer["reason"]
    if confirmed and confirmed["choice"] != CANCELLED:
        return _nothing(case, "the order that would be replaced is not cancelled")
    if confirmed:
        reason = f"{reason} (cancellation confirmed by {confirmed['who']})"
    with opened_ledger() as ledger:
        if ledger.decided(case.seen, answer["choice"], reason, answer["who"]):
            return {"decided": len(case.seen), "choice": answer["choice"]}  # by an earlier try of this task
        try:
            done = ledger.decide(
                case.number,
                answer["choice"],
                reason,
                answer["who"],
                case.seen,
                cancelled=bool(confirmed),
                pipeline=case.pipeline,
                shares=_shares(case.pipeline),
            )
        except (StaleRevision, MoveRefused) as error:
            return _nothing(case, str(error))
    log.info("%s: order %s, %s by %s", case.pipeline, case.number, answer["choice"], answer["who"])
    return {"decided": len(done), "choice": answer["choice"]}


def record(context: Context) -> dict[str, Any]:
    """Carry out what a person found about an order in doubt, unless it was settled or sent again since."""
    case = _case(context)
    answer = context["ti"].xcom_pull(task_ids="settle")
    oms_id = answer["oms_id"] if answer["choice"] == STORED else None
    with opened_ledger() as ledger:
        if ledger.decided(case.seen, answer["choice"], answer["reason"], answer["who"]):
            return {"decided": 1, "choice": answer["choice"]}  # by an earlier try of this task
        try:
            done = ledger.settle_by_person(
                case.number, oms_id, answer["reason"], answer["who"], pipeline=case.pipeline, shown=case.seen
            )
        except (StaleRevision, MoveRefused) as error:
            return _nothing(case, str(error))
    log.info("%s: order %s is %s, says %s", case.pipeline, case.number, answer["choice"], answer["who"])
    return {"decided": len(done), "choice": answer["choice"]}


def _nothing(case: Case, why: str) -> dict[str, Any]:
    """An answer that is not carried out ends the review; where the case still waits, the next run opens a new one."""
    log.warning("%s: nothing is decided about order %s: %s", case.pipeline, case.number, why)
    return {"decided": 0, "why": why}


def _case(context: Context) -> Case:
    case = Case.of(context)
    if case is None:
        raise AirflowSkipException("this run is no review")
    return case


def _settings(pipeline: str) -> PipelineSettings | None:
    try:
        return load_pipeline(pipeline)
    except OrderRelayError as error:
        log.warning("%s: its settings can not be read, defaults are used (%s)", pipeline, error)
        return None


def _shares(pipeline: str) -> dict[str, float]:
    """How many items versions of one order have in common, by pipeline. Raises where the settings cannot be read."""
    return {pipeline: load_pipeline(pipeline).policies.min_common_items}


def _doubt(pipeline: str) -> DoubtSettings:
    found = _settings(pipeline)
    return found.doubt if found else DoubtSettings()


def _review(pipeline: str) -> ReviewSettings:
    found = _settings(pipeline)
    return found.review if found else ReviewSettings()
