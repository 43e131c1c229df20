"""What operators are told about orders in doubt: that they cannot be looked up, and what only they can settle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.airflow_bindings import reviews, sweep, telling
from order_relay.airflow_bindings.cases import DOUBT, Case
from order_relay.errors import WrongSetup
from order_relay.ledger import Note, Settled
from order_relay.orders.exchange import Answer, Outcome
from order_relay.pipeline.alert_settings import AlertSettings
from order_relay.pipeline.evidence import FOREIGN, UNIDENTIFIED
from order_relay.pipeline.sections import ChunkSettings, DoubtSettings, LoadSettings
from order_relay.pipeline.watching import NOT_LOOKED_UP
from tests.support.faulty_search import THEIRS, Lie, Oms, Order, without
from tests.support.stages import PIPELINE, Desk, order

CAUSE = "GET https://oms.example/order/ was answered with HTTP 404"
CONTEXT: Any = {"dag_run": SimpleNamespace(run_id="scheduled__1")}


class WrongAddress(Oms):
    """No search at this address."""

    def session(self, share: int) -> Any:
        return _Refused()


class _Refused:
    async def __aenter__(self) -> Any:
        raise WrongSetup(CAUSE)

    async def __aexit__(self, *_: object) -> None:
        """Never entered."""


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    """Two orders in doubt, N1 and N2."""
    made = Desk.open(sqlite_url, tmp_path / "store")
    made.run(order(1), order(2))
    claims = made.ledger.claim(made.ctx, made.ledger.ready(PIPELINE), "test", 30)
    lost = Answer(Outcome.IN_DOUBT, 504, message="HTTP 504")
    assert made.ledger.settle(made.ctx, [Settled(i, claim.attempt, lost) for i, claim in claims.items()]) == []
    yield made
    made.ledger.close()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Note]:
    """Every message that reaches its target."""
    notes: list[Note] = []
    monkeypatch.setattr(telling.targets, "deliver", notes.append)
    return notes


@pytest.fixture
def look_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[[Oms], dict[str, Any]]:
    """The task of the sweep, at this destination."""

    def run(oms: Oms) -> dict[str, Any]:
        oms.account = "shelf:there"
        wiring = SimpleNamespace(
            ledger=desk.ledger,
            store=desk.store,
            destination=oms,
            source=SimpleNamespace(account="desk:here"),
            settings=SimpleNamespace(
                alerts=AlertSettings(), doubt=DoubtSettings(), chunks=ChunkSettings(), load=LoadSettings()
            ),
        )

        @contextmanager
        def opened(pipeline: str) -> Iterator[Any]:
            yield wiring

        monkeypatch.setattr(sweep, "opened_wiring", opened)
        again(desk)
        return sweep.look_up(PIPELINE, CONTEXT)

    return run


def again(desk: Desk) -> None:
    """What is in doubt is due at once."""
    with desk.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE submission SET due_at = changed_at WHERE state = 'in_doubt'")


def test_orders_that_cannot_be_looked_up_are_alerted_once_until_they_can(
    desk: Desk, look_up: Callable[[Oms], dict[str, Any]], told: list[Note]
) -> None:
    for _ in range(2):
        with pytest.raises(WrongSetup, match="HTTP 404"):
            look_up(WrongAddress([]))
    (note,) = told
    assert (note.kind, note.pipeline) == (NOT_LOOKED_UP, PIPELINE)
    assert "2 orders are in doubt and cannot be looked up" in note.subject
    assert CAUSE in note.subject
    assert "doctor" in note.subject
    assert look_up(Oms([]))["looked_up"] == 2
    with desk.ledger.database.engine.begin() as conn:
        conn.exec_driver_sql("UPDATE alert SET next_at = first_at WHERE cleared_at IS NOT NULL")  # an hour later
    telling.deliver(desk.ledger)
    assert [(n.kind, n.over) for n in told] == [(NOT_LOOKED_UP, False), (NOT_LOOKED_UP, True)]


@pytest.mark.parametrize(
    ("oms", "reason", "words"),
    [
        (Oms([Order(77, "N1", total="99.00")]), FOREIGN, "differs from ours"),
        (
            Oms(
                [Order(77, "N1", THEIRS, total="1.00")],
                Lie(filters_manufacturer=False, row=without("manufacturerID"), detail=without("manufacturerID")),
            ),
            UNIDENTIFIED,
            "names no manufacturer",
        ),
    ],
)
def test_somebody_elses_order_under_our_number_is_asked_about_at_once(
    desk: Desk,
    look_up: Callable[[Oms], dict[str, Any]],
    told: list[Note],
    monkeypatch: pytest.MonkeyPatch,
    oms: Oms,
    reason: str,
    words: str,
) -> None:
    assert reviews.open_cases(desk.ledger) == [], "both are younger than the setting"
    assert look_up(oms)[reason] == 1
    (case,) = reviews.open_cases(desk.ledger)
    assert (case.kind, case.number) == (DOUBT, "N1")

    @contextmanager
    def opened() -> Iterator[Any]:
        yield desk.ledger

    monkeypatch.setattr(reviews, "opened_ledger", opened)
    asked = reviews.question("settle", Case.of({"dag_run": SimpleNamespace(conf=case.conf())}) or case, CONTEXT)
    assert "is order N1 in the OMS?" in asked.subject
    assert words in asked.body
    assert told == []
