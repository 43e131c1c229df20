"""Statuses on real Airflow: polled, matched to imported orders, shipped parcels told on, failures red."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

STATUS = "acommerce_status"


def add(number: str, level: str, status: str, parcel: str = "") -> dict[str, Any]:
    return {"add": {"order_id": number, "level": level, "status": status, "parcel": parcel}}


@pytest.fixture(scope="module")
def world(make_world: Callable[..., Any]) -> Any:
    made = make_world(orders=6)
    assert made.run().state == "success"
    return made


def test_the_vendors_errors_are_listed_beside_the_orders(world: Any) -> None:
    number = next(row["order_number"] for row in world.rows() if row["state"] == "imported")
    _, mistake = world.sandbox.happen(
        add(number, "order", "IN_PROGRESS"),
        add(number, "parcel", "DELIVERED", "PKG1"),
        add("ELSEWHERE", "order", "NEW"),
    )[:2]
    drops = world.home / "order_relay" / "batches" / STATUS / "drops"
    drops.mkdir(parents=True)
    (drops / "one.csv").write_text("orderId,status,eventId\nFILED,NEW,f-1\n")
    os.utime(drops / "one.csv", (0, 0))  # nobody is writing it any more
    run = world.run(STATUS)
    assert run.state == "success"
    assert set(run.tasks.values()) == {"success"}
    assert run.events == [{"account": STATUS, "followed": 1, "shipments": 1, "asked": 0}]
    rows = {row["order_number"]: row for row in world.ask("SELECT * FROM status_order")}
    assert {name: bool(row["submission_id"]) for name, row in rows.items()} == {
        number: True,
        "ELSEWHERE": False,
        "FILED": False,
    }
    assert [row["tracking_number"] for row in world.ask("SELECT * FROM shipment")] == ["PKG1"]
    assert world.objects(f"{STATUS}/archive/*-one.csv") != []
    world.sandbox.happen({"delete": mistake})
    world.change(f"UPDATE status_order SET doubtful = 1 WHERE order_number = '{number}'")
    run = world.run(STATUS)
    assert run.xcoms["follow", "return_value", -1]["asked_about"] == 1


def test_a_refused_login_is_red_and_is_not_repeated(world: Any) -> None:
    world.connect(acommerce={"password": "wrong"})
    failures = world.sandbox.report()["login_failures"].get("acommerce", 0)
    run = world.run(STATUS)
    assert run.state == "failed"
    assert (run.tasks["poll"], run.tries["poll"]) == ("failed", 1)
    assert run.tasks["follow"] == "upstream_failed"
    assert world.sandbox.report()["login_failures"]["acommerce"] <= failures + 2
