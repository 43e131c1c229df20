"""Orders of a simulated web shop, and steps that several tests of web shop and OMS share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.orders.messages import RunContext
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.pipeline.fulfilment.write_back import WriteBackContext, send_write_back
from order_relay_sandbox import ThreadedSandbox
from tests.support.engine import Engine

PIPELINE = "cloudsuite_to_shopatron"
NOW = datetime.now(UTC)

Make = Callable[..., Engine]


def order(number: int, *, confirmed: datetime = NOW - timedelta(hours=1), **members: Any) -> dict[str, Any]:
    address = {
        "id": number * 2,
        "name": "Fietsen Ede BV",
        "attention": "Zoë Bakker",
        "street1": "Dorpsstraat",
        "house_number": "7",
        "addition": "a",
        "zip": "6711 AB",
        "city": "Ede",
        "country": "NL",
        "email": "zoe@fietsen.example",
        "company_telephone_number": "0318 555 01 23",
    }
    line = {"type": "line", "description": "Bel", "erp_line_number": None}
    return {
        "id": number,
        "reference": f"CS{number}",
        "webshop": 1,
        "state": "confirmed",
        "payment_status": "paid",
        "currency": "EUR",
        "customer": 310,
        "user": 412,
        "confirm_date": confirmed.isoformat(),
        "customer_order_number": None,
        "shipment_address": address,
        "invoice_address": address,
        "order_lines": [
            line
            | {"id": number * 100 + 1, "product": {"key": "BEL", "origin": "erp"}, "quantity": 2, "unit_price": 4.95},
            line
            | {"id": number * 100 + 2, "product": {"key": "LAMP", "origin": "erp"}, "quantity": 1, "unit_price": 24.5},
        ],
        **members,
    }


def archive(engine: Engine) -> OrderArchive:
    return OrderArchive(engine.wiring.store, lambda _: engine.wiring.transformer.reader)


def feedback(engine: Engine, run: str = "feedback", given_up_s: float = 0.0) -> dict[str, int]:
    wiring = engine.wiring
    parts = WriteBackContext(
        wiring.write_back_source,
        engine.ledger,
        archive(engine),
        wiring.source_connection.fingerprint(),
        given_up_s=given_up_s,
    )
    return send_write_back(RunContext(PIPELINE, run), parts)


def ship(engine: Engine, number: str, key: str, *lines: ShippedLine) -> None:
    shipment = Shipment("test", key, (number,), "PostNL", "", key, NOW, lines=lines)
    assert record_shipment(engine.ledger, archive(engine), "tester", shipment).outcome == "recorded"


def feedback_of(shop: ThreadedSandbox, number: str) -> dict[str, Any]:
    shipment: dict[str, Any] = shop.report()["cloudsuite"]["feedback"][number]
    return shipment


def clean(shop: ThreadedSandbox) -> list[Any]:
    """The audit's findings, in the form of ``NOTHING``."""
    report = shop.report()
    shop_side = report["cloudsuite"]
    again = [number for number, shipment in shop_side["feedback"].items() if shipment["told_again"]]
    return [report["doubled"], report["acknowledged_early"], report["imported_forbidden"], shop_side["put_back"], again]


NOTHING: list[Any] = [[], [], {}, [], []]
