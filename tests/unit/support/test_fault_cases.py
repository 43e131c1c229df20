"""The pairs of the fault suites: found from pipeline files and stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from order_relay_sandbox import Sandbox, stand_ins
from tests.support.faults import cases, plain_case
from tests.support.faults.cases import CASES, SAMPLE_CASES, named
from tests.vendors.sample import CONFIG, VENDORS

PIPELINE = "source: {{vendor: {}}}\ndestination: {{vendor: {}}}\n"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ORDER_RELAY_VENDORS", str(VENDORS))
    monkeypatch.setenv("ORDER_RELAY_CONFIG", str(tmp_path))
    return tmp_path


def test_the_packaged_pipelines() -> None:
    assert CASES[0].name == "supercat-shopatron"
    pipelines = {case.name: case.pipeline for case in CASES}
    assert pipelines.items() >= {
        ("supercat-shopatron", "supercat_to_shopatron"),
        ("cloudsuite-shopatron", "cloudsuite_to_shopatron"),
    }


def test_pairs_of_plain_and_other_vendors(config: Path) -> None:
    pairs = [("supercat", "shipstation"), ("sample", "shopatron"), ("sample", "shipstation")]
    for source, destination in [*pairs, ("acommerce", "shopatron"), ("sample", "unknown")]:
        (config / f"{source}_to_{destination}.yaml").write_text(PIPELINE.format(source, destination))
    found = {case.name: case for case in cases._found()}
    assert sorted(found) == ["sample-shipstation", "sample-shopatron", "supercat-shipstation"]
    case = found["sample-shipstation"]
    shop, shipping = case.connect("http://h", {"password": "other"}, visible_after_s=1).values()
    assert (shop.password, shop.extra["token_url"]) == ("other", "http://h/wp-json/oauth/token")
    assert shipping.extra == {"timeout_s": 1.0, "visible_after_s": 1, "requests_per_minute": 0}


def test_the_sample_pairs_are_found_only_while_they_are_installed() -> None:
    names = {case.pipeline: case.name for case in SAMPLE_CASES}
    assert names == {path.stem: path.stem.replace("_to_", "-") for path in CONFIG.glob("*.yaml")}
    assert "sample" not in stand_ins()
    case = named("sample-sample")
    with case.installed():
        assert "sample" in stand_ins()
        assert list(case.connect("http://h")) == ["sample_default", "sample_target"]


def test_orders_of_a_plain_source(config: Path) -> None:
    side = plain_case.source("sample")
    orders = [order for order, end in side.examples() if end == "imported"] + side.plain(3)
    orders += [side.twin(orders[0], 1), side.newer(orders[1])]
    assert orders[-2]["billing"] is not orders[0]["billing"], "a trial may spoil a twin"
    assert {"date_created_gmt", "date_modified_gmt"} & orders[0].keys() == {"date_created_gmt"}
    sandbox = Sandbox({}, orders, sources=["sample"])
    report = sandbox.report()
    assert report["offered"] == len(orders) - 1  # the newer one has the same id
    assert set(report["offers"]) == {side.key(order) for order in orders}


def test_a_vendor_of_its_own_kind_needs_a_module() -> None:
    with pytest.raises(TypeError, match=r"acommerce.*acommerce_case\.py"):
        plain_case.source("acommerce")
    with pytest.raises(TypeError, match=r"supercat.*supercat_case\.py"):
        plain_case.destination("supercat")
