"""``doctor --schemas`` at a sandbox whose published schemas differ from ours in chosen places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from order_relay.airflow.doctor.checks import CheckResult, Severity
from order_relay.airflow.doctor.published_schemas import schema_checks
from order_relay.orders.schema.published_schema import expand_schema
from order_relay.orders.schema.validator import VendorFormat
from order_relay_sandbox import serve_in_thread
from order_relay_sandbox.shopatron import checks, published
from order_relay_sandbox.shopatron.switches import ShopatronSwitches
from tests.support.engine import Engine
from tests.support.faults.cases import CASES

CASE = CASES[0]
GROWING = {"allOf": [{"$ref": "importOrder.json"}] * 9}
EXAMPLE = Path(__file__).parents[1] / "fixtures" / "import_order_example.json"
SCENARIOS = Path(published.__file__).parent.parent / "scenarios"
DIFFERENT = yaml.safe_load((SCENARIOS / "shopatron-schema-differs.yaml").read_text("utf-8"))["shopatron"]


class FakeInstallation:
    """The parts of an installation that the check uses."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.store = engine, engine.wiring.store

    @contextmanager
    def wiring(self, _pipeline: str) -> Iterator[Any]:
        yield self.engine.wiring

    @contextmanager
    def ledger(self) -> Iterator[Any]:
        yield self.engine.ledger


def results(folder: Path, **switches: Any) -> list[CheckResult]:
    with serve_in_thread(CASE.at_destination(**CASE.harsh), CASE.plain(4), sources=[CASE.source_side]) as sandbox:
        engine = Engine(folder, CASE.connect(sandbox.url), pipeline=CASE.pipeline)
        engine.run("first")
        sandbox.change(CASE.at_destination(**CASE.harsh, **switches))
        installation: Any = FakeInstallation(engine)
        return list(schema_checks(installation, CASE.pipeline))


def test_differences_payloads_and_assumptions(tmp_path: Path) -> None:
    found = results(tmp_path, **DIFFERENT)
    text = "\n".join(one.found for one in found)
    warned = "\n".join(one.found for one in found if one.level is Severity.WARN)
    assert "importOrder.json, orderComment: maxLength, published: 200, ours: 1000 (stricter)" in warned
    assert "importOrder.json, salesChannel: only published, required" in warned
    assert "importOrder.json, the record: closed, published: true, ours: false (stricter)" in warned
    assert "importOrder.json: missing_field at /salesChannel in 4 of the last 4 payloads" in warned
    assert "importOrder.json: not_allowed at /shippingMethod/shippingType in 4 of the last 4 payloads" in warned
    assert "settled: currencies: enum CAD, USD" in text
    assert "settled: search by external id: not in orderSearch.json" in warned
    assert "settled: page numbers: minimum 1" in text
    assert "settled: shipping class: required false" in text
    assert all(one.level is not Severity.FAIL for one in found), "orders can be sent all the same"


def test_a_schema_as_documented_is_satisfied(tmp_path: Path) -> None:
    found = results(tmp_path)
    assert "importOrder.json: the last 4 payloads satisfy it" in [one.found for one in found]
    stricter = [one.found.split(":")[0] for one in found if one.level is Severity.WARN]
    assert stricter == ["importOrder.json, currency", "importOrder.json, orderPayments[].paymentMethod.paymentType"]


@pytest.mark.parametrize(
    ("switches", "problem"),
    [
        ({"publishes_schemas": False}, "it answered HTTP 404"),
        (
            {"schema_changes": {"importOrder.json#/properties/x": {"allOf": [{"$ref": "importOrder.json"}] * 9}}},
            "subsch",
        ),
    ],
)
def test_a_schema_that_cannot_be_used_is_a_warning(tmp_path: Path, switches: Any, problem: str) -> None:
    found = [one for one in results(tmp_path, **switches) if one.level is Severity.WARN]
    assert "importOrder.json cannot be compared: " in found[0].found
    assert problem in found[0].found


def test_the_stand_in_publishes_what_it_checks() -> None:
    switches = ShopatronSwitches()
    form = VendorFormat("published", _published(switches), {})
    payload = json.loads(EXAMPLE.read_bytes(), parse_float=Decimal)
    assert form.check(payload) == []
    assert checks.problems(payload, switches) == []
    for name in checks.REQUIRED:
        broken = {key: value for key, value in payload.items() if key != name}
        assert bool(form.check(broken)) is bool(checks.problems(broken, switches)) is True, name


def _published(switches: ShopatronSwitches) -> Mapping[str, Any]:
    names = (published.IMPORT, published.CUSTOMER)
    documents = {name: json.loads(str(published.published_schema(name, switches).text)) for name in names}
    return expand_schema(documents, published.IMPORT)
