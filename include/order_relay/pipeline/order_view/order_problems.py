"""What is wrong with an order, who can resolve it, and how, with the numbers that explain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from order_relay.ledger.reporting.order_records import OrderFacts, OrderHistory, RefusalEntry
from order_relay.ledger.schema.states import State
from order_relay.pipeline.report.advice import advice_for, explain
from order_relay.pipeline.report.advice_types import StateAdvice
from order_relay.pipeline.report.formatting import format_time
from order_relay.pipeline.report.processing_codes import COMPARE_VERSIONS
from order_relay.pipeline.report.state_advice import (
    ACKNOWLEDGEMENT,
    CANCELLED,
    LEFT_OUT,
    OPERATOR_STATES,
    OTHER_TASKS,
    UNTOLD,
    state_advice,
)

NEEDS_NOTHING = "Nothing is wrong with this order."


@dataclass(frozen=True, slots=True)
class ProblemPlace:
    """Where a problem is and what exactly it is; ``pointer`` (a JSON pointer) may be empty."""

    message: str
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """One problem. ``fix`` is the next step; ``omitted``: how many further ``places`` are not listed."""

    code: str
    title: str
    meaning: str
    who: str
    fix: str
    places: tuple[ProblemPlace, ...] = ()
    omitted: int = 0


def order_problems(history: OrderHistory) -> list[OrderProblem]:
    """Everything about an order that needs attention, the state's own reasons first; empty if nothing does."""
    return [*_of_the_state(history), *_beside_the_state(history)]


def _of_the_state(history: OrderHistory) -> Iterator[OrderProblem]:
    order = history.order
    if order.state == State.QUARANTINED and history.refusals.rows:
        yield from _refused(history)
    elif order.state in OPERATOR_STATES or (order.state == State.WAITING and order.reason):
        yield _problem(order.reason or order.state, _numbers(history), state=order.state)


def _refused(history: OrderHistory) -> Iterator[OrderProblem]:
    by_code: dict[str, list[RefusalEntry]] = {}
    for entry in history.refusals.rows:
        by_code.setdefault(entry.code, []).append(entry)
    for number, (code, entries) in enumerate(by_code.items(), 1):
        places = tuple(ProblemPlace(entry.message, entry.pointer) for entry in entries)
        omitted = history.refusals.omitted if number == len(by_code) else 0
        yield _problem(code, places, state=State.QUARANTINED, omitted=omitted)


def _numbers(history: OrderHistory) -> Iterable[ProblemPlace]:
    """The facts that explain a state: the destination's answers, the look-ups, and the next check."""
    order = history.order
    if history.attempts.rows and order.state in (State.REJECTED, State.IN_DOUBT):
        last = history.attempts.rows[-1]
        answer = f"HTTP {last.status}" if last.status else "no HTTP status"
        text = f"Attempt {last.number} of {format_time(last.sent_at)}: {last.outcome or 'no answer yet'}, {answer}"
        yield ProblemPlace(f"{text}{'. ' + last.message if last.message else ''}")
    if order.state == State.IN_DOUBT and order.lookups:
        last_found = history.lookups.rows[-1].finding if history.lookups.rows else "none"
        yield ProblemPlace(f"{order.lookups} look-ups since; the latest finding: {last_found}")
    if order.due_at is not None and order.state in (State.IN_DOUBT, State.WAITING):
        yield ProblemPlace(f"Next check: {format_time(order.due_at)}")


def _beside_the_state(history: OrderHistory) -> Iterator[OrderProblem]:
    order = history.order
    if order.cancellation_is_open:
        yield _task(CANCELLED, _cancellation(order))
    if order.ack == "refused":
        yield _task(ACKNOWLEDGEMENT, ["The source refused the acknowledgement"])
    failed = [step for step in history.write_back.rows if step.state == "failed"]
    if failed:
        yield _task(UNTOLD, [f"{step.step}: refused, {step.tries} tries" for step in failed])
    gaps = [gap for gap in history.left_out.rows if gap.mended_at is None]
    if gaps:
        yield _task(LEFT_OUT, [gap.problem for gap in gaps])
    if history.unread is not None:
        entry = history.unread
        facts = f"{entry.asks} requests since {format_time(entry.since)}; next: {format_time(entry.due_at)}"
        yield _problem(entry.problem, [ProblemPlace(facts)])
    asks = [
        *(("a parcel", parcel.asks) for parcel in history.parcels.rows if parcel.asks and not parcel.closed),
        *((f"the status at {status.account}", status.asks) for status in history.statuses if status.asks),
    ]
    for what, question in asks:
        title = f"Question about {what}"
        yield OrderProblem("question", title, question, "an operator", "Check it with the carrier or the service.")


def _cancellation(order: OrderFacts) -> Iterator[str]:
    if order.source_cancelled_at is not None:
        yield f"Cancelled in the shop: {format_time(order.source_cancelled_at)}"
    if order.source_reinstated_at is not None:
        yield f"The shop took the cancellation back: {format_time(order.source_reinstated_at)}"
    if order.shipped:
        yield "Shipped already" if order.shipped == "shipped" else "Partly shipped already"


def _problem(code: str, places: Iterable[ProblemPlace], state: str = "", omitted: int = 0) -> OrderProblem:
    advice = advice_for(code)
    of_state = state_advice(state) if state else None
    if advice is None:
        title = code.replace("_", " ").capitalize()
        fix = of_state.action if of_state else ""
        meaning = of_state.meaning if of_state and code == state else explain(code)
        return OrderProblem(code, title, meaning, "an operator", fix, tuple(places), omitted)
    fix = "Compare the versions, then decide." if advice.fix == COMPARE_VERSIONS else advice.fix
    return OrderProblem(code, advice.title, advice.meaning, str(advice.who.value), fix, tuple(places), omitted)


def _task(name: str, facts: Iterable[str]) -> OrderProblem:
    advice: StateAdvice = OTHER_TASKS[name]
    title = advice.label.capitalize()
    return OrderProblem(name, title, advice.meaning, "an operator", advice.if_overdue, tuple(map(ProblemPlace, facts)))
