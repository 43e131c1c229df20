"""The examples of docs/mapping.md do what the page says."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from order_relay.orders.mapping.columns import DocumentRows, read_column
from order_relay.orders.mapping.converters import CONVERTERS
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.mapping.mapping_rules import RULE_KEYS, merge_tables, parse_rules
from order_relay.orders.payload.checks.payload_checks import PayloadCheck
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.items.amount_plan import AmountPlan
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.yaml_loader import SafeLoader

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "mapping.md").read_text()
EXAMPLES = [yaml.load(text, SafeLoader) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
RULES = [example for example in EXAMPLES if "rule" in example or "rules" in example]
GATES = [example for example in EXAMPLES if "gate" in example]
DESTINATIONS = [example for example in EXAMPLES if example.keys() & {"amounts", "checks"}]
PIPELINES = [example for example in EXAMPLES if example not in RULES + GATES + DESTINATIONS]


def exact(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, float) else value


@pytest.mark.parametrize("example", RULES, ids=lambda example: str(example.get("rule", "an order"))[:60])
def test_rules_give_the_result_that_the_page_shows(example: dict[str, Any]) -> None:
    document = example.get("order", example.get("columns"))
    rules = parse_rules(
        example.get("rules") or [example["rule"]], merge_tables(example.get("tables", {})), {}, "docs/mapping.md"
    )
    issues: list[str] = []
    found = {
        rule.target: read_column(
            rule, DocumentRows([document]), lambda _, issue: issues.append(issue.code), lambda *_: None
        )[0]
        for rule in rules
    }
    results = example["result"] if "rules" in example else {rules[0].target: example["result"]}
    assert found == {target: exact(value) for target, value in results.items()}
    assert issues == [] or rules[0].informational


@pytest.mark.parametrize("example", GATES, ids=str)
def test_eligibility_rules_give_the_verdict_that_the_page_shows(example: dict[str, Any]) -> None:
    assert EligibilityRules.from_mapping(example["gate"], {}).evaluate(example["order"]).verdict == example["result"]


@pytest.mark.parametrize("example", DESTINATIONS, ids=lambda example: str(example)[:60])
def test_parts_of_a_destinations_mapping_are_accepted(example: dict[str, Any]) -> None:
    plan = AmountPlan.from_mapping(example.get("amounts", {}), {}, "docs/mapping.md")
    assert plan == AmountPlan.from_mapping({}, {}, "the page shows the defaults")
    if "checks" in example:
        PayloadCheck(example["checks"], "items", TransformSettings(), PayloadHooks(), each_unit=False, where="the page")


@pytest.mark.parametrize("example", PIPELINES, ids=lambda example: str(example)[:60])
def test_parts_of_a_pipelines_file_are_accepted(build: Callable[..., Transformer], example: dict[str, Any]) -> None:
    assert set(example) <= {"mapping", "transform", "tables"}
    build(**example.get("transform", {}), **example.get("mapping", {}), tables=example.get("tables", {}))


def test_every_key_and_converter_is_explained() -> None:
    words = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert sorted({*RULE_KEYS, *CONVERTERS} - words) == []
    assert len(RULES) > 15
