from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.eligibility import GO, REFUSE, WAIT, WITHDRAWN, EligibilityRules, is_eligibility_reason
from order_relay.orders.mapping.mapping_rules import merge_tables

RULES = [
    {"path": "state", "verdicts": {"confirmed": "go"}, "otherwise": "withdrawn"},
    {
        "path": "pay.status",
        "verdicts": {"paid": "go", "started": "wait", "none": {"table": "unpaid", "by": "shop", "default": "wait"}},
    },
]
GATE = EligibilityRules.from_mapping(RULES, merge_tables({"unpaid": {"7": "go"}}))


def order(status: Any = "paid", state: Any = "confirmed", shop: Any = 7) -> dict[str, Any]:
    return {"state": state, "pay": {"status": status}, "shop": shop}


def test_without_rules_everything_continues() -> None:
    assert EligibilityRules.from_mapping(None, {}).evaluate({"any": "thing"}).verdict == GO


@pytest.mark.parametrize(
    ("document", "verdict", "reason"),
    [
        (order(), GO, ""),
        (order("started"), WAIT, "gate:pay.status=started"),
        (order("none"), GO, ""),
        (order("none", shop=8), WAIT, "gate:pay.status=none"),
        (order("none", shop=None), WAIT, "gate:pay.status=none"),
        (order("started", state="cancel"), WITHDRAWN, "gate:state=other"),
    ],
)
def test_the_first_rule_that_is_not_go_decides(document: Any, verdict: str, reason: str) -> None:
    found = GATE.evaluate(document)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert is_eligibility_reason(found.reason) is bool(reason)


@pytest.mark.parametrize("status", ["refunded", "", None, 7, ["paid"], {"paid": 1}])
def test_a_value_without_a_verdict_is_refused_at_its_place_and_not_repeated(status: Any) -> None:
    found = GATE.evaluate(order(status))
    assert found.verdict == REFUSE
    assert found.refusal is not None
    assert (found.refusal.code, found.refusal.pointer) == ("not_allowed", "/pay/status")
    assert "refunded" not in found.refusal.message


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["state", "pay", "status", "shop"]), inner),
        max_leaves=8,
    )
)
def test_no_document_breaks_it_or_speaks_through_it(document: Any) -> None:
    found = GATE.evaluate(document)
    assert found.reason in {"", "gate:state=other", "gate:pay.status=started", "gate:pay.status=none"}


@pytest.mark.parametrize(
    ("section", "where"),
    [
        ({"path": "state"}, "gate: must be a list"),
        ([{"path": "state"}], r"gate\[0\].verdicts"),
        ([{"path": "state", "verdicts": {"a": "stop"}}], "go, wait, withdrawn, cancelled, refuse"),
        ([{"path": "state", "verdicts": {"a": "go"}, "otherwise": "perhaps"}], "otherwise"),
        ([{"path": "state", "verdicts": {"a": {"table": "nowhere", "by": "b", "default": "go"}}}], "table"),
        ([{"path": "state", "verdicts": {"a": "go"}, "else": "go"}], r"gate\[0\]"),
    ],
)
def test_wrong_rules_stop_immediately(section: Any, where: str) -> None:
    with pytest.raises(ConfigurationError, match=where):
        EligibilityRules.from_mapping(section, {})


def test_a_wrong_row_of_a_firms_table_is_named() -> None:
    with pytest.raises(ConfigurationError, match="'unpaid', row '7'"):
        EligibilityRules.from_mapping(RULES, merge_tables({"unpaid": {"7": "yes"}}))
