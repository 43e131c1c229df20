"""What operators are told about orders in doubt: that they cannot be looked up, and what only they can settle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow.context import review_prompts
from order_relay.airflow.context.review_task import DOUBT, ReviewTask
from order_relay.airflow.jobs import lookups, reviews
from order_relay.airflow.notify import notifications, notifiers
from order_relay.errors import ConfigurationError
from order_relay.ledger import AttemptResult, Delivery
from order_relay.orders.messages import SendOutcome, SendResult
from order_relay.pipeline.alerts.kinds import NOT_LOOKED_UP
from order_relay.pipeline.lookup.evidence import FOREIGN_ORDER, UNIDENTIFIED_ORDER
from order_relay.pipeline.settings.sections import ChunkSettings, DoubtSettings, LoadSettings
from order_relay.pipeline.settings.thresholds import AlertSettings
from tests.support.faulty_search import THEIRS, Lie, Oms, Order, without
from tests.support.stages import PIPELINE, Relay, order

CAUSE = "GET https://oms.example/order/ answered HTTP 404"
CONTEXT: Any = {"dag_run": SimpleNamespace(run_id="scheduled__1")}


class WrongAddress(Oms):
    """No search at this address."""

    def session(self, share: int) -> Any:
        return _Refused()


class _Refused:
    async def __aenter__(self) -> Any:
        raise ConfigurationError(CAUSE)

    async def __aexit__(self, *_: object) -> None:
        """Never entered."""


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    """Two orders in doubt, N1 and N2."""
    made = Relay.open(sqlite_url, tmp_path / "store")
    made.run(order(1), order(2))
    claims = made.ledger.claims.claim(made.ctx, made.ledger.claims.ready(PIPELINE), "test", 30)
    lost = SendResult(SendOutcome.IN_DOUBT, 504, message="HTTP 504")
    assert (
        made.ledger.outcomes.record(made.ctx, [AttemptResult(i, claim.attempt, lost) for i, claim in claims.items()])
        == {}
    )
    yield made
    made.ledger.close()


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Delivery]:
    """Every message that reaches its target."""
    notes: list[Delivery] = []
    monkeypatch.setattr(notifiers, "deliver", notes.append)
    return notes


@pytest.fixture
def look_up(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Callable[[Oms], dict[str, Any]]:
    """The task of the sweep, at this destination."""

    def run(oms: Oms) -> dict[str, Any]:
        oms.account = "destination:account"
        wiring = SimpleNamespace(
            ledger=relay.ledger,
            store=relay.store,
            destination=oms,
            source=SimpleNamespace(account="source:account"),
            settings=SimpleNamespace(
                alerts=AlertSettings(), doubt=DoubtSettings(), chunks=ChunkSettings(), load=LoadSettings()
            ),
        )

        @contextmanager
        def opened(pipeline: str) -> Iterator[Any]:
            yield wiring

        monkeypatch.setattr(lookups, "open_wiring", opened)
        again(relay)
        return lookups.look_up(PIPELINE, CONTEXT)

    return run


def again(relay: Relay) -> None:
    """What is in doubt is due at once."""
    with relay.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE submission SET due_at = changed_at WHERE state = 'in_doubt'")


def test_orders_that_cannot_be_looked_up_are_alerted_once_until_they_can(
    relay: Relay, look_up: Callable[[Oms], dict[str, Any]], found: list[Delivery]
) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="HTTP 404"):
            look_up(WrongAddress([]))
    (note,) = found
    assert (note.kind, note.pipeline) == (NOT_LOOKED_UP, PIPELINE)
    assert "2 orders are in doubt and cannot be looked up" in note.subject
    assert CAUSE in note.subject
    assert "doctor" in note.subject
    assert look_up(Oms([]))["looked_up"] == 2
    with relay.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alert SET next_at = first_at WHERE cleared_at IS NOT NULL")  # an hour later
    notifications.deliver_due(relay.ledger)
    assert [(n.kind, n.over) for n in found] == [(NOT_LOOKED_UP, False), (NOT_LOOKED_UP, True)]


@pytest.mark.parametrize(
    ("oms", "reason", "expected"),
    [
        (Oms([Order(77, "N1", total="99.00")]), FOREIGN_ORDER, "differs from ours"),
        (
            Oms(
                [Order(77, "N1", THEIRS, total="1.00")],
                Lie(filters_manufacturer=False, row=without("manufacturerID"), detail=without("manufacturerID")),
            ),
            UNIDENTIFIED_ORDER,
            "names no account",
        ),
    ],
)
def test_a_foreign_order_under_our_number_opens_a_review_immediately(
    relay: Relay,
    look_up: Callable[[Oms], dict[str, Any]],
    found: list[Delivery],
    monkeypatch: pytest.MonkeyPatch,
    oms: Oms,
    reason: str,
    expected: str,
) -> None:
    assert reviews.pending_reviews(relay.ledger) == [], "both are younger than the setting"
    assert look_up(oms)[reason] == 1
    (case,) = reviews.pending_reviews(relay.ledger)
    assert (case.kind, case.number) == (DOUBT, "N1")

    @contextmanager
    def opened() -> Iterator[Any]:
        yield relay.ledger

    monkeypatch.setattr(review_prompts, "open_ledger", opened)
    asked = review_prompts.build_prompt(
        "settle", ReviewTask.of({"dag_run": SimpleNamespace(conf=case.conf())}) or case, CONTEXT
    )
    assert "is order N1 in the OMS?" in asked.subject
    assert expected in asked.body
    assert found == []
