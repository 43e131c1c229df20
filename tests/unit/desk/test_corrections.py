"""Corrections on the order's page: who may see values, what is stored, and what a stale page gets."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.desk.access import Principal
from order_relay.desk.pages.corrections import FIELD_TITLES
from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger
from order_relay.orders.corrections.correctable_fields import CORRECTABLE
from order_relay.orders.payload.transformer import Transformer
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.vendors import load_vendor
from order_relay.wiring.transformation import payload_hooks, transform_settings
from tests.support.archived_orders import PIPELINE, Relay, plain_orders
from tests.support.desk import ADMIN, OPERATOR, VIEWER
from tests.unit.desk.test_order_page import buttons, client, revision, words

STREET, CITY = "7 Secret Street", "Correctville"


@cache
def transformer() -> Transformer:
    settings = load_pipeline(PIPELINE)
    source = load_vendor(settings.source.vendor).format("source")
    destination = load_vendor(settings.destination.vendor).format("destination")
    return Transformer(source, destination, transform_settings(settings), payload_hooks(settings.destination.vendor))


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    ledger = Ledger.open(sqlite_url)
    yield Relay(ledger, BatchStore((tmp_path / "store").as_uri()))
    ledger.close()


@pytest.fixture
def number(relay: Relay) -> int:
    """An order that is quarantined, because its city is missing."""
    (found,) = relay.receive(document())
    refuse(relay, found)
    return found


def document(**changes: Any) -> dict[str, Any]:
    order = copy.deepcopy(plain_orders(1)[0])
    order["ship_to"] = {**order["ship_to"], "address1": STREET, "city": None}
    order["notes"] = "Ring twice"
    return order | changes


def refuse(relay: Relay, number: int) -> None:
    (work,) = relay.ledger.worklist.get([number])
    issue = ValidationIssue("missing_field", "/ship_to/city", "city of ship_to is required but missing")
    relay.ledger.validation.quarantine(relay.ctx, [(work, [issue])])


def desk(relay: Relay, user: Principal) -> TestClient:
    wirings: Any = {PIPELINE: nullcontext(SimpleNamespace(transformer=transformer()))}
    return client(relay, user, wirings=wirings)


def test_every_field_has_a_title_of_its_own() -> None:
    assert FIELD_TITLES.keys() == set(CORRECTABLE)
    assert len(set(FIELD_TITLES.values())) == len(CORRECTABLE)
    assert FIELD_TITLES["ship_address1"] == "Shipping: Address line 1"
    assert FIELD_TITLES["bill_email"] == "Billing: E-mail"


def test_a_correction_is_made_without_seeing_the_present_values(relay: Relay, number: int) -> None:
    with desk(relay, OPERATOR) as browser:
        text = browser.get(f"/orders/{number}").text
        assert "correct" in buttons(text)
        assert 'hx-swap="none" hx-disinherit="hx-swap"' in text, (
            "the inputs are swapped in, the answer to the form is not"
        )
        inputs = browser.get(f"/orders/{number}/corrections/fields")
        assert inputs.status_code == 200
        assert STREET not in inputs.text
        assert 'name="field.ship_city"' in inputs.text
        assert browser.post(f"/orders/{number}/corrections/fields", data={"reason": "x"}).status_code == 403
        given = {"revision": revision(text), "reason": "customer phoned", "field.ship_city": CITY, "field.notes": ""}
        stale = browser.post(f"/orders/{number}/corrections/correct", data={**given, "revision": "99"})
        assert (stale.status_code, "out of date" in stale.text) == (409, True)
        wrong = browser.post(f"/orders/{number}/corrections/correct", data={**given, "field.ship_country": "Atlantis"})
        assert (wrong.status_code, "Atlantis" in wrong.text) == (422, False)
        answer = browser.post(f"/orders/{number}/corrections/correct", data=given)
        assert (answer.status_code, "next run sends" in answer.headers["HX-Trigger"]) == (204, True)
        shown = browser.get(f"/orders/{number}/corrections").text
    assert CITY not in shown
    assert "Shipping: City op customer phoned applies" in words(shown)
    (work,) = relay.ledger.worklist.get([number])
    assert (work.state, work.corrections) == ("received", {"ship_city": CITY})


def test_present_values_are_shown_with_a_recorded_reason(relay: Relay, number: int) -> None:
    with desk(relay, ADMIN) as browser:
        assert browser.post(f"/orders/{number}/corrections/fields", data={"reason": " "}).status_code == 422
        assert relay.ledger.activity.of_submission(number) == []
        shown = browser.post(f"/orders/{number}/corrections/fields", data={"reason": "customer phoned"})
    assert STREET in shown.text
    assert [(one.action, one.who) for one in relay.ledger.activity.of_submission(number)] == [("reveal", "admin")]


def test_the_revealed_personal_data_has_the_corrected_values(relay: Relay, number: int) -> None:
    with desk(relay, ADMIN) as browser:
        given = {"revision": revision(browser.get(f"/orders/{number}").text), "reason": "x", "field.ship_city": CITY}
        assert browser.post(f"/orders/{number}/corrections/correct", data=given).status_code == 204
        shown = browser.get(f"/orders/{number}").text
        assert ("fields: ship_city" in words(shown), CITY in shown) == (True, False)
        assert f"ship city {CITY} admin applies" in words(
            browser.post(f"/orders/{number}/reveal", data={"reason": "customer phoned"}).text
        )


def test_corrections_are_withdrawn_and_confirmed(relay: Relay, number: int) -> None:
    target = f"/orders/{number}/corrections"
    with desk(relay, OPERATOR) as browser:
        given = {"revision": revision(browser.get(f"/orders/{number}").text), "reason": "x", "field.ship_city": CITY}
        assert browser.post(f"{target}/correct", data={**given, "remove": "notes"}).status_code == 204
        shown = browser.get(target).text
        assert buttons(shown) == {"withdraw"}
        taken = {"revision": revision(shown), "reason": "x"}
        assert browser.post(f"{target}/withdraw", data=taken).status_code == 422
        assert browser.post(f"{target}/withdraw", data={**taken, "name": "notes"}).status_code == 204
        relay.receive(document(customer_po="another"))
        refuse(relay, number)
        shown = browser.get(target).text
        assert (buttons(shown), CITY in shown) == ({"confirm"}, False)
        assert "These corrections are not applied to it: Shipping: City" in words(shown)
        taken = {"revision": revision(shown), "reason": "x", "answer": "carry_over"}
        assert browser.post(f"{target}/confirm", data=taken).status_code == 204
    (work,) = relay.ledger.worklist.get([number])
    assert work.corrections == {"ship_city": CITY}
    with desk(relay, VIEWER) as browser:
        assert buttons(browser.get(target).text) == set()


def test_corrections_need_an_order_of_the_users_pipelines(relay: Relay, number: int) -> None:
    other = Principal("other", frozenset({"else"}), may_act=True, may_reveal=True)
    given = {"revision": "1", "reason": "x", "answer": "dismiss", "name": "notes"}
    with desk(relay, other) as browser:
        answers = [browser.get(f"/orders/{number}/corrections{part}").status_code for part in ("", "/fields")]
        answers += [
            browser.post(f"/orders/{number}/corrections/{act}", data=given).status_code
            for act in ("fields", "correct", "withdraw", "confirm")
        ]
    assert answers == [404] * 6
