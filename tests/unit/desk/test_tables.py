"""The page of code tables: what it lists and offers, who may change rows, and pages that are out of date."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.desk.access import Principal
from order_relay.ledger import Ledger
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.orders.messages import RunContext
from order_relay.pipeline.settings.pipeline import PipelineSettings, load_file
from order_relay.wiring.pipeline import Wiring
from order_relay.wiring.pipeline_tables import parse_value, show_value
from tests.support.archived_orders import PIPELINE, Relay, plain_orders
from tests.support.desk import ADMIN, OPERATOR, FixedParts, desk_app, desk_client

TABLE = f"/tables/{PIPELINE}/ship_via"
RULE = "{target: shippingMethod.shippingType, path: ship_via, table: ship_via, pick: type, unknown: refuse}"
FILE = f"""
source: {{vendor: supercat, connection: supercat_default}}
destination: {{vendor: shopatron, connection: shopatron_default}}
transform: {{customer_ip: 192.88.99.1, payment_type: NO}}
mapping: {{destination: {{fields: [{RULE}]}}}}
tables: {{ship_via: {{UPS Ground: {{type: standard, class: Standard}}}}}}
"""
NEW = {"key": "DHL", "value": "{type: express, class: Fast}", "reason": "new carrier", "shown": "0"}


def connection(conn_id: str) -> Connection:
    extra = {"org": "demo", "manufacturer_id": "7", "token_url": "https://vendor.example/token", "catalog_id": "3"}
    return Connection(conn_id, "https://vendor.example", "user", "secret", extra=extra)


class Parts(FixedParts):
    def wiring(self, pipeline: str) -> Wiring:
        return Wiring(self.pipelines[pipeline], connection, self.ledger_url, "memory://none")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> PipelineSettings:
    path = tmp_path_factory.mktemp("config") / f"{PIPELINE}.yaml"
    path.write_text(FILE)
    return load_file(path)


@pytest.fixture
def parts(sqlite_url: str, settings: PipelineSettings, tmp_path: Path) -> Parts:
    return Parts(sqlite_url, BatchStore((tmp_path / "store").as_uri()), {PIPELINE: settings})


@pytest.fixture
def ledger(parts: Parts) -> Iterator[Ledger]:
    ledger = Ledger.open(parts.ledger_url)
    yield ledger
    ledger.close()


def client(parts: Parts, user: Principal = ADMIN) -> TestClient:
    return desk_client(desk_app(parts, user))


def words(text: str) -> str:
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


def refuse(ledger: Ledger, parts: Parts, *carriers: str) -> None:
    """Orders with these values of ship-via, quarantined as a run does."""
    relay = Relay(ledger, parts.store)
    documents = [{**order, "ship_via": carrier} for order, carrier in zip(plain_orders(3), carriers, strict=False)]
    ids = relay.receive(*documents)
    with parts.wiring(PIPELINE) as wiring:
        results = wiring.build_transformer().transform(documents)
    works = ledger.worklist.get(ids)
    assert ledger.validation.quarantine(
        relay.ctx, [(work, result.issues) for work, result in zip(works, results, strict=True)]
    ) == len(ids)


def test_a_refused_value_is_shown_previewed_added_and_released(parts: Parts, ledger: Ledger) -> None:
    refuse(ledger, parts, "DHL", "dhl", "<b>Pigeon</b>")
    with client(parts) as browser:
        assert "ship_via 1 0" in words(browser.get("/tables").text)
        refused = browser.get(f"/tables/{PIPELINE}/refused?table=ship_via").text
        assert "DHL 2 less than a minute" in words(refused)
        assert "<b>Pigeon" not in refused
        form = browser.get(f"{TABLE}/edit?key=DHL").text
        assert 'value="DHL"' in form
        assert 'name="shown" value="0"' in form
        preview = browser.post(f"{TABLE}/preview", data=NEW)
        assert words(preview.text) == "2 refused orders would be released."
        assert ledger.code_tables.version(PIPELINE) == 0
        saved = browser.post(f"{TABLE}/rows", data={**NEW, "release": "true"})
        assert saved.status_code == 204, saved.text
        message = json.loads(saved.headers["HX-Trigger"])["desk:done"]["message"]
        assert message == "DHL is set. 2 orders continue with the next run."
        (row,) = ledger.code_tables.rows(PIPELINE)
        assert (row.key, row.who, row.why) == ("DHL", "admin", "new carrier")
        assert "here, by admin" in words(browser.get(TABLE).text)
        assert "no row made here" in words(browser.get(f"{TABLE}/history").text)
        assert "DHL" not in browser.get(f"/tables/{PIPELINE}/refused?table=ship_via").text
        exported = browser.get(f"/tables/{PIPELINE}.yaml")
        assert "attachment" in exported.headers["Content-Disposition"]
        assert yaml.safe_load(exported.text) == {"tables": {"ship_via": {"DHL": {"type": "express", "class": "Fast"}}}}


def test_a_page_that_is_out_of_date_changes_nothing(parts: Parts, ledger: Ledger) -> None:
    row = ledger.code_tables.put(RunContext(PIPELINE, "", "bob"), RowKey("ship_via", "DHL"), {"type": "own"}, "x")
    with client(parts) as browser:
        for path in ("rows", "remove"):
            answer = browser.post(f"{TABLE}/{path}", data=NEW)
            assert answer.status_code == 409
            assert 'it is now {"type":"own"}, made by bob' in words(answer.text)
        removed = browser.post(f"{TABLE}/remove", data={**NEW, "shown": str(row.version)})
        assert removed.status_code == 204
    assert ledger.code_tables.rows(PIPELINE) == []


def test_a_value_that_no_rule_can_use_is_refused_with_the_reason(parts: Parts, ledger: Ledger) -> None:
    with client(parts) as browser:
        answer = browser.post(f"{TABLE}/rows", data={**NEW, "value": "{type: express}"})
        assert (answer.status_code, "has no 'class'" in words(answer.text)) == (422, True)
        assert browser.post(f"{TABLE}/rows", data={**NEW, "reason": " "}).status_code == 422
        assert browser.post(f"/tables/{PIPELINE}/nothing/rows", data=NEW).status_code == 404
        assert browser.get("/tables/other_to_oms/ship_via").status_code == 404


def test_only_who_may_configure_is_offered_a_change(parts: Parts, ledger: Ledger) -> None:
    with client(parts, OPERATOR) as browser:
        page = browser.get(TABLE).text
        assert "UPS Ground" in page
        assert "Add a row" not in page
        assert browser.post(f"{TABLE}/rows", data=NEW).status_code == 403
        assert browser.get(f"{TABLE}/edit").status_code == 403
    with client(parts, Principal("conf", ADMIN.pipelines, may_configure=True)) as browser:
        assert 'name="release"' not in browser.get(f"{TABLE}/edit?key=x").text, "releasing is an action on orders"


def test_big_tables_are_filtered_and_in_pages(parts: Parts, ledger: Ledger, settings: PipelineSettings) -> None:
    many = {f"SKU {number:05}": {"type": "a", "class": f"c{number}"} for number in range(20_000)}
    big = {PIPELINE: settings.model_copy(update={"tables": {"ship_via": many}})}
    with client(Parts(parts.ledger_url, parts.store, big)) as browser:
        first = browser.get(TABLE).text
        assert "Rows 1 to 100 of 20,000" in words(first)
        assert first.count("<tr data-row>") == 100
        assert "Rows 101 to 200 of 20,000" in words(browser.get(f"{TABLE}?page=2").text)
        assert "Rows 1 to 10 of 10 (20,000 without the filter)" in words(browser.get(f"{TABLE}?q=sku 0123").text)
        assert "No rows" in words(browser.get(f"{TABLE}?q=nothing").text)


TEXTS = st.text(max_size=8) | st.sampled_from(["NO", "012", "12", "a: b"])
PLAIN = TEXTS | st.integers(-99, 99) | st.booleans()


@given(PLAIN | st.dictionaries(st.sampled_from(["type", "class"]), PLAIN, min_size=1))
def test_a_value_reads_as_it_is_shown(value: Any) -> None:
    assert parse_value(RowKey("t", "k"), show_value(value)) == value
