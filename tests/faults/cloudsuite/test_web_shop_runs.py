"""Whole runs of the web shop's pipeline against the simulated shop: payments that come late, hours without a run,
backfills beside each other, and what the shop hears afterwards."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from engine import Engine

from order_relay.connections import Connection
from order_relay.errors import OrderRelayError
from order_relay.ledger import Ledger
from order_relay.orders.exchange import RunContext
from order_relay.orders.shipping import Shipment, ShippedLine
from order_relay.pipeline.feedback import Parts, give_feedback
from order_relay.pipeline.parcels import record_parcel
from order_relay.pipeline.reading import of_interval
from order_relay.pipeline.reading_back import OrderArchive
from order_relay.sandbox import ThreadedSandbox, serve_in_thread

PIPELINE = "cloudsuite_to_shopatron"
NOW = datetime.now(UTC)

Make = Callable[..., Engine]


def order(number: int, *, confirmed: datetime = NOW - timedelta(hours=1), **members: Any) -> dict[str, Any]:
    address = {
        "id": number * 2, "name": "Fietsen Ede BV", "attention": "Zoë Bakker", "street1": "Dorpsstraat",
        "house_number": "7", "addition": "a", "zip": "6711 AB", "city": "Ede", "country": "NL",
        "email": "zoe@fietsen.example", "company_telephone_number": "0318 555 01 23",
    }
    line = {"type": "line", "description": "Bel", "erp_line_number": None}
    return {
        "id": number, "reference": f"CS{number}", "webshop": 1, "state": "confirmed", "payment_status": "paid",
        "currency": "EUR", "customer": 310, "user": 412, "confirm_date": confirmed.isoformat(),
        "customer_order_number": None, "shipment_address": address, "invoice_address": address,
        "order_lines": [
            line | {"id": number * 100 + 1, "product": {"key": "BEL", "origin": "erp"}, "quantity": 2,
                    "unit_price": 4.95},
            line | {"id": number * 100 + 2, "product": {"key": "LAMP", "origin": "erp"}, "quantity": 1,
                    "unit_price": 24.5},
        ],
        **members,
    }  # fmt: skip


@pytest.fixture
def shop() -> Iterator[ThreadedSandbox]:
    with serve_in_thread({"shopatron": {"duplicates": "accept"}}, sources=["cloudsuite"]) as sandbox:
        yield sandbox


@pytest.fixture
def make(shop: ThreadedSandbox, tmp_path: Path, sqlite_url: str) -> Iterator[Make]:
    """Workers of one firm. Waiting orders are asked for in every run; one that is alone gives silence up at once."""
    made: list[Engine] = []

    def worker(*, alone: bool = True, **extra: Any) -> Engine:
        source = Connection(
            "cloudsuite_default", shop.url, "demo-client", "demo-client-secret",
            extra={"token_url": f"{shop.url}/realms/CloudSuite/protocol/openid-connect/token", **extra},
        )
        settings = {"token_url": f"{shop.url}/oauthserver/oauth2/token", "manufacturer_id": 1042, "catalog_id": 0}
        oms = Connection("shopatron_default", f"{shop.url}/api/v2", "demo-key", "demo-secret", extra=settings)
        changed = {"reading": {"ask_again_s": 0.0}, "acknowledge": {"given_up_s": 0.0 if alone else 900.0}}
        connections = {c.conn_id: c for c in (source, oms)}
        engine = Engine(tmp_path / "firm", connections, sqlite_url, PIPELINE, settings=changed)
        made.append(engine)
        return engine

    yield worker
    for engine in made:
        engine.wiring.close()


def archive(engine: Engine) -> OrderArchive:
    return OrderArchive(engine.wiring.store, lambda _: engine.wiring.transformer.reader)


def feedback(engine: Engine, run: str = "feedback", given_up_s: float = 0.0) -> dict[str, int]:
    wiring = engine.wiring
    parts = Parts(
        wiring.feedback_taker, engine.ledger, archive(engine), wiring.source_connection.fingerprint(),
        given_up_s=given_up_s,
    )
    return give_feedback(RunContext(PIPELINE, run), parts)


def ship(engine: Engine, number: str, key: str, *lines: ShippedLine) -> None:
    told = Shipment("test", key, (number,), "PostNL", "", key, NOW, lines=lines)
    assert record_parcel(engine.ledger, archive(engine), "tester", told).outcome == "recorded"


def heard(shop: ThreadedSandbox, number: str) -> dict[str, Any]:
    told: dict[str, Any] = shop.report()["cloudsuite"]["feedback"][number]
    return told


def clean(shop: ThreadedSandbox) -> list[Any]:
    """What the audit has to complain about."""
    report = shop.report()
    shop_side = report["cloudsuite"]
    again = [number for number, told in shop_side["feedback"].items() if told["told_again"]]
    return [report["doubled"], report["acknowledged_early"], report["imported_forbidden"], shop_side["put_back"], again]


NOTHING: list[Any] = [[], [], {}, [], []]


@pytest.mark.parametrize("status", ["started", "closed_canceled"])
def test_an_order_that_is_paid_days_after_it_was_confirmed_is_imported(
    shop: ThreadedSandbox, make: Make, status: str
) -> None:
    old = NOW - timedelta(days=5)
    shop.offer([order(1, confirmed=old, payment_status=status), order(2, confirmed=old)])
    engine = make()
    engine.run("on-the-first-day")
    assert engine.states() == {"1": "waiting", "2": "imported"}
    assert engine.wiring.settings.reading.overlap_s < timedelta(days=5).total_seconds(), "it left every window"
    engine.run("still-open")
    assert engine.states()["1"] == "waiting"
    shop.change_order("1-CS1", payment_status="paid")
    engine.run("five-days-later")
    assert engine.states() == {"1": "imported", "2": "imported"}
    assert heard(shop, "1-CS1")["state"] == "processing"
    assert clean(shop) == NOTHING


def test_what_the_shop_cancels_before_it_is_paid_is_never_sent(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1, payment_status="started")])
    engine = make()
    engine.run("first")
    shop.change_order("1-CS1", state="cancel")
    engine.run("second")
    assert engine.ledger.find("1")[0]["reason"] == "gate:state=other"
    shop.change_order("1-CS1", payment_status="paid")
    engine.run("third")
    assert engine.states() == {"1": "waiting"}
    shop.change_order("1-CS1", state="confirmed")
    engine.run("fourth")
    assert engine.states() == {"1": "imported"}, "the shop lists it again"
    assert clean(shop) == NOTHING


def test_hours_without_a_run_lose_nothing(shop: ThreadedSandbox, make: Make) -> None:
    engine = make()
    engine.run("before")
    shop.offer([order(n, confirmed=NOW - timedelta(minutes=20 * n)) for n in range(1, 10)])
    engine.run("three-hours-later")
    assert set(engine.states().values()) == {"imported"}
    assert len(engine.states()) == 9
    assert clean(shop) == NOTHING


def test_hourly_backfills_run_twice_beside_each_other(shop: ThreadedSandbox, make: Make) -> None:
    """Over one day; over three where ``ORDER_RELAY_LONG`` is set."""
    number = 72 if os.environ.get("ORDER_RELAY_LONG") else 24
    start = (NOW - timedelta(hours=number)).replace(minute=0, second=0, microsecond=0)
    hours = [start + timedelta(hours=n) for n in range(number)]
    shop.offer([order(n, confirmed=hours[n % number] + timedelta(minutes=n % 60)) for n in range(1, 2 * number + 1)])

    def backfill(worker: int) -> list[str]:
        engine, said = make(alone=False), []
        for number, hour in enumerate(hours[worker % 2 :: 2]):
            name = f"backfill-{worker}-{number}"
            try:
                engine.run(name, reading=of_interval(hour, hour + timedelta(hours=1)))
            except OrderRelayError as error:
                said.append(f"{name}: {error}")
        with suppress(OrderRelayError):
            feedback(engine, f"feedback-{worker}", given_up_s=900.0)
        return said

    with ThreadPoolExecutor(4) as pool:
        said = [words for told in pool.map(backfill, range(4)) for words in told]
    assert said == []
    engine = make()
    feedback(engine, given_up_s=900.0)
    assert len(engine.states()) == 2 * number
    assert set(engine.states().values()) == {"imported"}
    assert clean(shop) == NOTHING
    told = shop.report()["cloudsuite"]["feedback"]
    assert {(one["state"], one["is_oms_id"]) for one in told.values()} == {("processing", True)}


def test_the_shop_hears_step_by_step_what_became_of_an_order(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    assert feedback(engine) == {"oms_number_told": 2, "line_numbers_told": 2}
    told = heard(shop, "1-CS1")
    assert (told["state"], told["is_oms_id"], told["shipment_state"]) == ("processing", True, None)
    assert told["line_numbers"] == [1, 2]
    ship(engine, "1-CS1", "T1", ShippedLine(2, item_number="BEL"))
    assert feedback(engine) == {}, "half of it is on its way"
    ship(engine, "1-CS1", "T2", ShippedLine(1, item_number="LAMP"))
    assert feedback(engine) == {"shipped_told": 1}
    assert heard(shop, "1-CS1")["shipment_state"] == "sent"
    assert heard(shop, "1-CS2")["shipment_state"] is None
    assert feedback(engine) == {}
    assert clean(shop) == NOTHING


def test_each_delivery_is_a_message_of_its_own(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(shipped_by="desadv", desadv_shop=1, desadv_user=1)
    engine.run("first")
    ship(engine, "1-CS1", "T1", ShippedLine(2, item_number="BEL"))
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1, "shipped_told": 1}
    ship(engine, "1-CS1", "T2", ShippedLine(1, item_number="LAMP"))
    assert feedback(engine) == {"shipped_told": 1}
    told = heard(shop, "1-CS1")
    assert len(told["deliveries"]) == 2
    assert clean(shop) == NOTHING


def test_a_delivery_whose_answer_got_lost_is_not_told_twice(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(shipped_by="desadv", desadv_shop=1, desadv_user=1, timeout_s=1)
    engine.run("first")
    feedback(engine)
    ship(engine, "1-CS1", "T1")
    shop.change({"cloudsuite": {"faults": [{"at": "delivery", "effect": "done", "answer": "cut", "first": 1}]}})
    assert feedback(engine)["shipped_unknown"] >= 1
    shop.change({"cloudsuite": {"faults": []}})
    feedback(engine)
    assert len(heard(shop, "1-CS1")["deliveries"]) == 1
    assert feedback(engine) == {}


def test_a_step_that_the_shop_refuses_is_told_again_later_and_the_others_go_on(
    shop: ThreadedSandbox, make: Make
) -> None:
    shop.offer([order(1), order(2)])
    engine = make()
    engine.run("first")
    shop.change({"cloudsuite": {"faults": [{"at": "patch", "effect": "none", "answer": 400, "orders": ["1-CS1"]}]}})
    assert feedback(engine) == {"oms_number_told": 1, "oms_number_refused": 1, "line_numbers_told": 1}
    shop.change({"cloudsuite": {"faults": []}})
    assert feedback(engine) == {}, "not yet"
    _let_the_wait_pass(engine.ledger)
    assert feedback(engine) == {"oms_number_told": 1, "line_numbers_told": 1}
    assert clean(shop) == NOTHING


def test_a_lost_answer_is_told_again_and_changes_nothing(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1)])
    engine = make(timeout_s=1)
    engine.run("first")
    shop.change({"cloudsuite": {"faults": [{"at": "patch", "effect": "done", "answer": "cut", "times": 1}]}})
    assert feedback(engine)["oms_number_unknown"] >= 1
    shop.change({"cloudsuite": {"faults": []}})
    feedback(engine)
    told = heard(shop, "1-CS1")
    assert (told["is_oms_id"], told["line_numbers"], told["state"]) == (True, [1, 2], "processing")
    assert clean(shop)[:4] == NOTHING[:4]


def _let_the_wait_pass(ledger: Ledger) -> None:
    from order_relay.ledger.tables import feedback as table

    with ledger.database.engine.begin() as conn:
        conn.execute(table.update().values(due_at=table.c.at))
