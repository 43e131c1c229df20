"""Corrections of archived orders: which values, where they are written, and what they can never change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from order_relay.errors import OrderRelayError, RecordRejectedError
from order_relay.orders.corrections.correctable_fields import CORRECTABLE, UNCHANGEABLE
from order_relay.orders.corrections.document_corrector import DocumentCorrector
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.mapping.canonical import LINE_COLUMNS, ORDER_COLUMNS
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.privacy.card_data import redact
from order_relay.orders.privacy.redaction_marks import mark_redactions, redacted_pointers
from order_relay.orders.schema.malformed import wrap_malformed
from tests.support.payloads import only, sent

Order = dict[str, Any]
Build = Callable[..., Transformer]

CARD = "4111 1111 1111 1111"


@pytest.fixture(scope="module")
def corrector(plain: Transformer) -> DocumentCorrector:
    return DocumentCorrector(plain)


def refusal(corrector: DocumentCorrector, order: Any, **values: str) -> str:
    """Why these values are refused, as an operator reads it."""
    with pytest.raises(OrderRelayError) as caught:
        corrector.check(order, values)
    error = caught.value
    return "; ".join(issue.message for issue in error.issues) if isinstance(error, RecordRejectedError) else str(error)


def test_no_identity_line_or_amount_is_correctable() -> None:
    """The closed list, written once more: a new canonical column is not correctable by itself."""
    parties = ["name", "company", "address1", "address2", "city", "state", "postal_code", "country", "phone", "email"]
    assert set(CORRECTABLE) == {"customer_po", "ship_via", "requested_ship_date", "notes"} | {
        f"{side}_{part}" for side in ("bill", "ship") for part in parties
    }
    assert set(CORRECTABLE) <= set(ORDER_COLUMNS)
    assert not set(CORRECTABLE) & {*UNCHANGEABLE, *LINE_COLUMNS} - {"discount", "tax"}


def test_the_corrected_value_is_sent_and_the_archived_order_stays(
    plain: Transformer, corrector: DocumentCorrector, order: Order
) -> None:
    before = copy.deepcopy(order)
    (change,) = corrector.check(order, {"ship_postal_code": " BA2 4LR "})
    assert change == ("ship_postal_code", "BA1", "BA2 4LR")
    payload = sent(plain, corrector.apply(order, {change.field: change.new}))
    assert payload["shippingAddress"]["postalCode"] == "BA2 4LR"
    assert order == before


def test_an_order_that_its_schema_refuses_is_corrected_before_the_check(
    plain: Transformer, corrector: DocumentCorrector, order: Order
) -> None:
    order["ship_to"] = {**order["ship_to"], "postal_code": {"zip": 1}, "city": None}
    assert {issue.pointer for issue in plain.source.check(order)} >= {"/ship_to/postal_code"}
    changes = corrector.check(order, {"ship_postal_code": "85001", "ship_city": "Phoenix"})
    assert [change.old for change in changes] == ['{"zip": 1}', ""]
    corrected = corrector.apply(order, {change.field: change.new for change in changes})
    assert plain.source.check(corrected) == []
    assert only(plain, corrected).issues == []


def test_an_empty_value_removes_the_member(corrector: DocumentCorrector, order: Order) -> None:
    (change,) = corrector.check(order, {"notes": ""})
    assert "notes" not in corrector.apply(order, {change.field: change.new})
    assert "is required but missing" in refusal(corrector, order, ship_city="")


def test_missing_objects_are_added(corrector: DocumentCorrector, order: Order) -> None:
    order["ship_to"] = None
    values = {"ship_address1": "1 Main St", "ship_city": "Reno", "ship_country": "US"}
    assert corrector.apply(order, values)["ship_to"] == {"address1": "1 Main St", "city": "Reno", "country": "US"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"total": "1"}, "total cannot be corrected: identities, quantities and amounts"),
        ({"order_number": "X"}, "order_number cannot be corrected"),
        ({"quantity": "3"}, "unknown field 'quantity'"),
        ({"ship_postcode": "3"}, "did you mean ship_postal_code"),
        ({"ship_country": "Atlantis"}, "country"),
        ({"requested_ship_date": "soon"}, "must be a date"),
        ({"notes": "x" * 2_001}, "2001 characters long; maximum: 2000"),
        ({"ship_name": "x" * 1_900}, "longer than"),
        ({"ship_name": "a\x07b"}, "control character"),
        ({"ship_name": "two\nlines"}, "control character"),
        ({"ship_name": "a\u202eb"}, "control character"),
        ({"notes": f"pay with {CARD}"}, "notes contains what looks like card data"),
        ({"ship_city": "Bath"}, "is the value that the source sent"),
    ],
)
def test_what_is_refused(corrector: DocumentCorrector, order: Order, values: dict[str, str], said: str) -> None:
    text = refusal(corrector, order, **values)
    assert said in text
    assert not any(value in text for value in values.values() if len(value) > 3)


def test_a_comment_may_have_several_lines(corrector: DocumentCorrector, order: Order) -> None:
    (change,) = corrector.check(order, {"notes": "Ring twice\r\nThen wait"})
    assert change.new == "Ring twice\nThen wait"


def test_a_member_from_which_card_data_was_removed_can_be_replaced(
    plain: Transformer, corrector: DocumentCorrector, order: Order
) -> None:
    document, places = redact({**order, "ship_to": {**order["ship_to"], "address1": CARD}})
    archived = mark_redactions(document, places)
    assert only(plain, archived).hold == "card_data_removed"
    corrected = corrector.apply(archived, {"ship_address1": "9 Ship Rd"})
    assert redacted_pointers(corrected) == []
    assert sent(plain, corrected)["shippingAddress"]["addressLine1"] == "9 Ship Rd"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"target": "ship_via", "drop": True}, "has no rule for this field"),
        ({"target": "ship_via", "value": "UPS"}, "sets a constant"),
        ({"target": "ship_via", "path": "items[].line"}, "from a list (items[].line)"),
        ({"target": "ship_via", "path": "order_number", "converter": "text"}, "also for order_number"),
        ({"target": "ship_via", "path": "freight", "converter": "text"}, "also for freight"),
        ({"target": "ship_via", "path": "items", "converter": "text"}, "reads a corrected member also for"),
    ],
)
def test_a_field_behind_which_no_single_free_member_stands(
    build: Build, order: Order, rule: dict[str, Any], said: str
) -> None:
    """Whatever the mapping is, a correction never reaches an identity, a line or an amount."""
    corrector = DocumentCorrector(build(source={"order": [rule]}))
    assert said in refusal(corrector, order, ship_via="77")


def test_a_joined_value_is_written_to_its_first_part(build: Build, order: Order) -> None:
    paths = ["ship_to.address1", "ship_to.address2"]
    joined = [
        {"target": "ship_address1", "path": paths, "join": " ", "required": True},
        {"target": "ship_address2", "drop": True},
    ]
    transformer = build(source={"order": joined})
    order["ship_to"] = {**order["ship_to"], "address2": "b"}
    corrector = DocumentCorrector(transformer)
    (change,) = corrector.check(order, {"ship_address1": "12 New Rd"})
    assert change.old == "9 Ship Rd b"
    assert sent(transformer, corrector.apply(order, {change.field: change.new}))["shippingAddress"]["addressLine1"] == (
        "12 New Rd"
    )


def test_an_order_without_readable_text_has_no_correctable_fields(corrector: DocumentCorrector) -> None:
    unreadable: list[Any] = [wrap_malformed("{", [], "order 1"), [], None]
    for document in unreadable:
        with pytest.raises(RecordRejectedError, match="correction_not_applicable"):
            corrector.fields(document)


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)
values = st.dictionaries(
    st.sampled_from(CORRECTABLE), st.one_of(texts, st.sampled_from(["US", "DE", "2030-01-31", ""]))
)
junk = st.one_of(st.none(), st.integers(), st.booleans(), texts, st.lists(st.integers(), max_size=2))


SHARED = ("", "order_number", "total", "items", "id", "currency", "customer_number")
"""Members that a mapping reads for the shipping method, too; empty: none."""


@pytest.fixture(scope="module")
def sharing(plain: Transformer, build: Build) -> dict[str, Transformer]:
    """Transformers whose mapping reads one of these members as the shipping method."""
    rules = {path: {"target": "ship_via", "path": path, "converter": "text"} for path in SHARED if path}
    return {"": plain} | {path: build(source={"order": [rule]}) for path, rule in rules.items()}


@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # the example found first is short enough
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    new=values,
    broken=st.dictionaries(
        st.sampled_from(["ship_to", "bill_to", "notes", "customer_po", "ship_via"]), junk, max_size=2
    ),
    shared=st.sampled_from(SHARED),
)
def test_no_correction_changes_identity_lines_or_amounts(
    sharing: dict[str, Transformer], order: Order, new: dict[str, str], broken: dict[str, Any], shared: str
) -> None:
    """Whatever is corrected, in whatever order and mapping: the money and the identity stay as the source sent them."""
    transformer = sharing[shared]
    document = {**order, **broken}
    archived = copy.deepcopy(document)
    try:
        corrected = DocumentCorrector(transformer).apply(document, new)
    except RecordRejectedError:
        return
    finally:
        assert document == archived
    paths = IdentityPaths.from_mapping(transformer.source.mapping["identity"])
    before, now = identify(document, paths), identify(corrected, paths)
    fixed = before.keys() - {"content_hash", "customer_po"}
    assert {name: now[name] for name in fixed} == {name: before[name] for name in fixed}
    frames = transformer.reader.read([document, corrected])
    for name in UNCHANGEABLE:
        assert frames.orders[name].iloc[0] == frames.orders[name].iloc[1], name
    lines = [frames.lines[frames.lines["order"] == row].drop(columns="order").to_dict("records") for row in (0, 1)]
    assert lines[0] == lines[1]
    old, made = transformer.transform([document, corrected])
    if old.payload is not None and made.payload is not None:
        assert (made.total_minor, made.currency, made.destination_key) == (
            old.total_minor,
            old.currency,
            old.destination_key,
        )
