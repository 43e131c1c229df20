"""Single details that fail, are slow, break off or vanish in any position of a list, and recover: none is lost."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from order_relay.errors import TransientError
from order_relay_sandbox import ThreadedSandbox
from tests.support.faults.web_shop import NOTHING, NOW, Make, clean, order

ORDERS = 8
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"answer": 500},
    "503": {"answer": 503},
    "cut": {"answer": "cut"},
    "cut body": {"answer": "cut_body"},
    "slow": {"answer": "hang", "seconds": 2.0},
    "html": {"answer": "html"},
    "empty": {"answer": "empty"},
    "404": {"answer": 404},
    "403": {"answer": 403},
    "302": {"answer": 302},
}
QUICK = {"detail_pause_s": 0.0, "timeout_s": 10.0, "detail_tries": 2}


def strike(shop: ThreadedSandbox, fault: str, *numbers: int) -> None:
    keys = [f"1-CS{number}" for number in numbers]
    rules: list[dict[str, Any]] = [{"at": "detail", "orders": [key], **FAULTS[fault]} for key in keys]
    shop.change({"cloudsuite": {"faults": rules}})


@pytest.mark.parametrize("fault", FAULTS)
def test_one_unreadable_order_in_any_position_is_set_aside_and_imported_once_it_can_be_read(
    shop: ThreadedSandbox, make: Make, fault: str
) -> None:
    old = NOW.replace(year=NOW.year - 1)  # it leaves every window at once
    shop.offer([order(n, confirmed=old if n == 4 else NOW) for n in range(1, ORDERS + 1)])
    engine = make(**QUICK | ({"timeout_s": 0.5} if fault == "slow" else {}))
    engine.wiring.settings = engine.wiring.settings.model_copy(
        update={"reading": engine.wiring.settings.reading.model_copy(update={"first_days": 800.0, "overlap_s": 0.0})}
    )
    struck = {1, 4, ORDERS} if fault != "slow" else {4}
    strike(shop, fault, *struck)
    result = engine.run("first")
    assert result.breaches == []
    states = engine.states()
    assert {int(n) for n, state in states.items() if state == "imported"} == set(range(1, ORDERS + 1)) - struck
    assert {states[str(n)] for n in struck} == {"quarantined"}
    reasons = {row["code"] for row in engine.ledger.queries.quarantined()}
    assert reasons == {"detail_missing" if fault == "404" else "detail_unreadable"}
    engine.run("second")
    assert {engine.states()[str(n)] for n in struck} == {"quarantined"}
    shop.change({"cloudsuite": {"faults": []}})
    result = engine.run("third")
    assert set(engine.states().values()) == {"imported"}
    assert len(engine.states()) == ORDERS
    assert result.breaches == []
    assert clean(shop) == NOTHING


def test_an_order_that_waits_for_its_payment_survives_a_passing_404(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(1, payment_status="started"), order(2)])
    engine = make(**QUICK)
    engine.run("first")
    strike(shop, "404", 1)
    for number in range(3):
        engine.run(f"denied-{number}")
    assert engine.ledger.queries.find("1")[0]["reason"] == "gate:payment_status=started"
    shop.change({"cloudsuite": {"faults": []}})
    shop.change_order("1-CS1", payment_status="paid")
    engine.run("paid")
    assert engine.states() == {"1": "imported", "2": "imported"}
    assert clean(shop) == NOTHING


def test_five_of_a_hundred_failing_answers_stop_nothing(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(n) for n in range(1, 61)])
    engine = make(**QUICK)
    shop.change({"cloudsuite": {"faults": [{"at": "detail", "answer": 500, "probability": 0.05}]}})
    for number in range(4):
        engine.run(f"run-{number}")
    assert set(engine.states().values()) == {"imported"}
    assert len(engine.states()) == 60
    assert clean(shop) == NOTHING


def test_a_shop_that_fails_as_a_whole_stops_the_run_and_loses_nothing(shop: ThreadedSandbox, make: Make) -> None:
    shop.offer([order(n) for n in range(1, ORDERS + 1)])
    engine = make(**QUICK)
    shop.change({"cloudsuite": {"faults": [{"at": "detail", "answer": 500}]}})
    with pytest.raises(TransientError, match="of 8 orders cannot be read"):
        engine.run("down")
    assert engine.ledger.runs.watermark("cloudsuite_to_shopatron") is None, "the watermark stays"
    shop.change({"cloudsuite": {"faults": []}})
    engine.run("up")
    assert set(engine.states().values()) == {"imported"}
    assert len(engine.states()) == ORDERS


@pytest.mark.parametrize(
    ("zone", "setting"),
    [
        ("Pacific/Kiritimati", {}),
        ("Pacific/Pago_Pago", {}),
        ("Europe/Amsterdam", {}),
        ("Europe/Amsterdam", {"time_zone": "Europe/Amsterdam"}),
        ("Pacific/Kiritimati", {"time_zone": "UTC"}),
    ],
)
def test_a_new_order_is_seen_by_the_next_run_despite_clock_skew(
    shop: ThreadedSandbox, make: Make, zone: str, setting: dict[str, str]
) -> None:
    shop.change({"cloudsuite": {"time_zone": zone}})
    engine = make(**setting)
    engine.wiring.settings = engine.wiring.settings.model_copy(
        update={"reading": engine.wiring.settings.reading.model_copy(update={"overlap_s": 60.0})}
    )
    engine.run("before")
    shop.offer([order(1, confirmed=datetime.now(UTC))])
    engine.run("after")
    assert engine.states() == {"1": "imported"}
