"""Looking orders up at a sandbox that answers searches in odd ways: before the first POST, in doubt, and the doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_relay.airflow.doctor import vendor_probes
from order_relay.airflow.doctor.checks import Severity, run_guarded
from order_relay.errors import ConfigurationError, OrderRelayError
from order_relay.orders.messages import RunContext
from order_relay.pipeline.runs import start
from order_relay_sandbox import ThreadedSandbox, serve_in_thread
from tests.support.engine import Engine
from tests.support.faults.cases import CASES

CASE = CASES[0]
ORDERS = 6


class Company:
    """One source and one OMS; ledgers come and go."""

    def __init__(self, folder: Path, sandbox: ThreadedSandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.ledgers = 0

    def engine(self, path: str = "/api/v2", **extra: Any) -> Engine:
        """An engine with an empty ledger, beside the batch store of those before it."""
        self.ledgers += 1
        connections = dict(CASE.connect(self.sandbox.url, **{"visible_after_s": 0.0, "timeout_s": 5.0, **extra}))
        oms = connections["shopatron_default"]
        connections["shopatron_default"] = replace(oms, host=f"{self.sandbox.url}{path}")
        return Engine(self.folder, connections, f"sqlite:///{self.folder}/{self.ledgers}.sqlite", CASE.pipeline)

    def switch(self, **switches: Any) -> None:
        self.sandbox.change(CASE.at_destination(**{**CASE.harsh, **switches}))

    def send(self, engine: Engine, run: str, limit: int | None = None) -> list[OrderRelayError]:
        """A run without acknowledging, so that the source offers everything again."""
        ctx, wiring = RunContext(engine.pipeline, run), engine.wiring
        start.start_run(ctx, engine.ledger, wiring.store, (wiring.source.account, wiring.destination.account))
        failed: list[OrderRelayError] = []
        for chunk in engine.prepare(ctx, engine.extract(ctx), limit):
            try:
                engine.load(ctx, chunk)
            except OrderRelayError as error:
                failed.append(error)
        return failed

    def post(self, engine: Engine, body: dict[str, Any]) -> None:
        """Another channel imports an order."""

        async def send() -> None:
            async with engine.wiring.destination.session(1) as session:
                assert (await session.send(json.dumps(body).encode(), body["externalOrderID"], not_after=1e12)).oms_id

        asyncio.run(send())

    def stored(self) -> dict[str, int]:
        return {key: entry["count"] for key, entry in self.sandbox.report()["orders"].items()}


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Callable[..., Company]]:
    made: list[Any] = []

    def make(**switches: Any) -> Company:
        vendors = CASE.at_destination(**{**CASE.harsh, **switches})
        context = serve_in_thread(vendors, CASE.plain(ORDERS), sources=[CASE.source_side])
        made.append(context)
        return Company(tmp_path, context.__enter__())

    yield make
    for context in made:
        context.__exit__(None, None, None)


def rows(engine: Engine) -> dict[str, tuple[str, str]]:
    with engine.ledger.database.engine.connect() as conn:
        query = "SELECT order_number, state, reason FROM submission ORDER BY id"
        return {number: (state, reason) for number, state, reason in conn.execute(sa.text(query))}


LYING = [
    {"search_terms": "first"},
    {"search_terms": "last"},
    {"search_terms": "ends"},
    {"search_terms": "every_second"},
    {"search_terms": "short"},
    {"search_most_rows": 2, "search_order": "oldest"},
    {"search_total": "of_page"},
    {"rows_carry_manufacturer": False},
    {"search_one_per_id": True},
    {"no_match": "not_found"},
]


@pytest.mark.parametrize("switches", LYING, ids=lambda switches: ",".join(f"{k}={v}" for k, v in switches.items()))
def test_a_lost_ledger_and_a_faulty_search(company: Callable[..., Company], switches: dict[str, Any]) -> None:
    here = company()
    here.send(here.engine(), "first", ORDERS // 2)
    assert len(here.stored()) == ORDERS // 2
    here.switch(**switches)
    second = here.engine()
    for number in range(2):
        here.send(second, f"second-{number}")
    assert here.sandbox.report()["doubled"] == []
    states = [state for state, _ in rows(second).values()]
    assert states.count("imported") == len(here.stored()) == ORDERS


def test_a_new_account_is_not_held_up_by_its_own_orders_that_are_not_searchable_yet(
    company: Callable[..., Company],
) -> None:
    here = company(visible_after_s=900.0)
    engine = here.engine(visible_after_s=900.0)
    assert here.send(engine, "first", 2) == []
    with engine.ledger.database.engine.begin() as conn:  # as in chunks of the same run
        conn.execute(sa.text("UPDATE submission SET proven = 0 WHERE state <> 'imported'"))
        conn.execute(sa.text("UPDATE pipeline SET unproven = 1"))
    assert here.send(engine, "second") == []
    assert set(here.stored().values()) == {1}
    assert len(here.stored()) == ORDERS


def test_a_lost_ledger_and_a_search_that_returns_nothing(company: Callable[..., Company]) -> None:
    here = company()
    here.send(here.engine(), "first", ORDERS // 2)
    here.switch(search_snapshot=0)
    second = here.engine()
    (failed,) = here.send(second, "second")
    assert isinstance(failed, ConfigurationError)
    assert "baseline" in str(failed)
    assert here.sandbox.report()["doubled"] == []
    assert len(here.stored()) == ORDERS // 2


def test_orders_of_another_manufacturer_are_not_ours(company: Callable[..., Company]) -> None:
    here = company(manufacturer_ids=(1042, 7), search_manufacturer="ignored")
    first = here.engine()
    here.send(first, "first", 1)
    ((key, _),) = here.stored().items()
    body = here.sandbox.bodies(key)[0]
    for order in CASE.plain(ORDERS)[1:4]:
        here.post(first, {**body, "externalOrderID": CASE.key(order), "manufacturerID": 7})
    here.send(first, "second")
    ledger = here.engine()
    here.send(ledger, "third")
    assert {state for state, _ in rows(ledger).values()} == {"imported"}
    assert sorted(here.stored().values()) == [1] * (ORDERS - 3) + [2] * 3, "one of each manufacturer"


def test_another_channels_order_with_our_number_is_held(company: Callable[..., Company]) -> None:
    here = company()
    first = here.engine()
    here.send(first, "first", 1)
    ((key, _),) = here.stored().items()
    body = here.sandbox.bodies(key)[0]
    body["customer"] |= {"firstName": "Somebody", "lastName": "Else", "email": "somebody@example.org"}
    taken = [CASE.key(order) for order in CASE.plain(ORDERS) if CASE.key(order) != key][:2]
    for other in taken:
        here.post(first, {**body, "externalOrderID": other})
    engine = here.engine()
    here.send(engine, "second")
    found = rows(engine)
    assert {number for number, (state, _) in found.items() if state == "held"} == set(taken)
    assert {reason for state, reason in found.values() if state == "held"} == {"foreign_order_with_our_number"}
    assert {state for number, (state, _) in found.items() if number not in taken} == {"imported"}
    engine.ledger.decisions.decide(taken[0], "separate", "the web shop uses the number too", "kim")
    here.send(engine, "third")
    assert rows(engine)[taken[0]][0] in {"imported", "in_doubt"}, "sent, as an operator decided"
    assert rows(engine)[taken[1]][0] == "held"
    assert here.stored()[taken[0]] == 2


def test_a_search_without_match_that_is_answered_with_404(company: Callable[..., Company]) -> None:
    here = company(no_match="not_found")
    engine = here.engine()
    assert here.send(engine, "first") == []
    assert {state for state, _ in rows(engine).values()} == {"imported"}


@pytest.mark.parametrize(
    ("path", "answer", "cause"),
    [
        ("/nowhere", None, "/nowhere/order/ answered HTTP 404"),
        ("/api/v2", 405, "/api/v2/order/ answered HTTP 405"),
        ("/api/v2", 401, "HTTP 401"),
        ("/api/v2", 503, "/api/v2/order/: HTTP 503"),
        ("/api/v2", "html", "/api/v2/order/: the answer is not the documented JSON"),
    ],
)
def test_nothing_sent_is_always_reported_with_its_cause(
    company: Callable[..., Company], path: str, answer: str | int | None, cause: str
) -> None:
    here = company(faults=[{"at": "search", "answer": answer}] if answer else [])
    engine = here.engine(path)
    summary = engine.run("first")
    assert here.stored() == {}
    host = here.sandbox.url.removeprefix("http://")
    for text in (summary.markdown, summary.text, str(summary.facts["cause"])):
        assert cause in text
        assert host in text
    port = engine.wiring.destination
    findings = list(run_guarded("oms", "", lambda: vendor_probes.destination("oms", port, ())))
    worst = [finding for finding in findings if finding.level is Severity.FAIL]
    assert len(worst) == 1
    assert cause in worst[0].found
    assert host in worst[0].found
