"""What sources give, read as it is meant: empties, numbers as text, float noise, identities, removed card data."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.errors import RecordRejectedError
from order_relay.ledger import WorkItem
from order_relay.orders.empty_values import drop_empty, is_empty
from order_relay.orders.identity.identifiers import identifier_problem
from order_relay.orders.mapping.converters import key, number_as_text, quantity
from order_relay.orders.money.amounts import CURRENCIES, amount, from_minor, to_minor
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.transformer import Transformer, TransformResult
from order_relay.orders.privacy.card_data import REDACTED, redact
from order_relay.orders.privacy.redaction_marks import CARD_DATA_REMOVED, MARK_KEY, mark_redactions
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.stages.source_checks import source_issues

VISA = "4111111111111111"

WORK = WorkItem(1, 0, "received", "1", "b", 0, 0)
SetUp = Callable[[dict[str, Any]], TransformResult]


@pytest.fixture
def take(plain: Transformer, source_format: VendorFormat) -> SetUp:
    """As the stages do it: card data is removed, the source's schema looked at, a payload made."""

    def done(order: dict[str, Any]) -> TransformResult:
        document, places = redact(order)
        document = mark_redactions(document, places) if places else document
        refusals = source_issues(WORK, document, source_format, plain.reader)
        if refusals:
            return TransformResult(0, issues=refusals)
        [result] = plain.transform([document])
        return result

    return done


def payload(result: TransformResult) -> dict[str, Any]:
    assert result.payload is not None, result
    found: dict[str, Any] = json.loads(result.payload)
    return found


EMPTIES: list[Any] = ["", "   ", "\u00a0", "\u200b", [], {}, None]
OPTIONAL = [
    "customer_number",
    "customer_po",
    "currency",
    "ship_via",
    "requested_ship_date",
    "terms",
    "sales_rep",
    "notes",
    "discount",
    "freight",
    "tax",
    "payment",
    "custom_fields",
    "sales_rep.name",
    "sales_rep.email",
    "payment.method",
    "payment.transaction_id",
    "payment.card_last4",
    "bill_to.name",
    "bill_to.company",
    "bill_to.address2",
    "bill_to.state",
    "bill_to.postal_code",
    "bill_to.phone",
    "bill_to.email",
    "ship_to.name",
    "ship_to.company",
    "ship_to.address2",
    "ship_to.state",
    "ship_to.postal_code",
    "ship_to.phone",
    "ship_to.email",
    "items.0.line",
    "items.0.description",
    "items.0.upc",
    "items.0.options",
    "items.0.unit_price",
]


def put(order: dict[str, Any], place: str, value: Any) -> None:
    *way, last = place.split(".")
    here: Any = order
    for name in way:
        here = here[int(name)] if isinstance(here, list) else here.setdefault(name, {})
    here[last] = value


@pytest.mark.parametrize("place", OPTIONAL)
def test_an_empty_optional_member_means_missing(take: SetUp, order: dict[str, Any], place: str) -> None:
    order["discount"], order["total"] = 0, Decimal(str(order["total"])) - Decimal(str(order["discount"]))
    order["total"] -= Decimal(str(order["freight"])) + Decimal(str(order["tax"]))
    order["freight"] = order["tax"] = 0
    made = set()
    for empty in EMPTIES:
        changed = copy.deepcopy(order)
        put(changed, place, empty)
        made.add(json.dumps(payload(take(changed)), sort_keys=True))
    assert len(made) == 1, "each of them is as null is"


@pytest.mark.parametrize("value", ["03/20/2018", "2018-02-30", 20180320, True, {"a": 1}, ["2018-03-20"]])
def test_an_unreadable_informational_value_is_a_note(take: SetUp, order: dict[str, Any], value: Any) -> None:
    order["requested_ship_date"] = value
    result = take(order)
    assert payload(result)
    assert ("unreadable_value", "/requested_ship_date") in {(note.code, note.path) for note in result.notes}
    assert str(value) not in repr(result.notes)


def test_an_object_of_informational_values_alone_may_be_something_else(take: SetUp, order: dict[str, Any]) -> None:
    order["sales_rep"] = "R. Epp"
    result = take(order)
    assert payload(result)
    assert {note.path for note in result.notes if note.code == "unreadable_value"} == {
        "/sales_rep/name",
        "/sales_rep/email",
    }


@pytest.mark.parametrize("value", [Decimal("85001.0"), Decimal("85001.00"), 85001, Decimal("8.5001E+4"), "85001"])
def test_a_whole_number_as_text_is_its_digits(take: SetUp, order: dict[str, Any], value: Any) -> None:
    order["bill_to"]["postal_code"] = order["customer_number"] = order["custom_fields"]["Zip"] = value
    order["bill_to"]["phone"] = order["items"][0]["upc"] = order["customer_po"] = value
    sent = payload(take(order))
    billing = sent["orderPayments"][0]["paymentMethod"]["billingAddress"]
    assert billing["postalCode"] == billing["phone"] == "85001"
    assert sent["customOrderData"]["Zip"] == "85001"
    assert sent["orderItems"][0]["product"]["UPC"] == "85001"


@given(st.integers(-(10**30), 10**30), st.integers(0, 5))
def test_numbers_as_text_are_exact(number: int, zeros: int) -> None:
    assert number_as_text(number) == number_as_text(Decimal(f"{number}.{'0' * (zeros + 1)}")) == str(number)
    assert number_as_text(Decimal(number) / 4 if number % 4 else Decimal(number) + Decimal("0.5")) is not None


@pytest.mark.parametrize("value", [True, False, None, [], Decimal("NaN"), Decimal("1E+400"), float("inf")])
def test_what_is_no_number_has_no_text(value: Any) -> None:
    assert number_as_text(value) is None


NO_IDENTITIES = [
    "   ",
    " LAMP-9",
    "LAMP-9 ",
    "LAMP\u200b-9",
    "LAMP\u00a09",
    "\ufeffLAMP",
    "LAMP\u00ad9",
    "LAMP\u202e9",
    "LAMP\u20669",
    "LA\tMP",
    "LAMP\u30009",
    "\u3164",
    "LAMP\ufffd9",
]


@pytest.mark.parametrize("value", NO_IDENTITIES)
def test_a_part_number_that_is_no_identity_is_quarantined(take: SetUp, order: dict[str, Any], value: str) -> None:
    order["items"][0]["item_number"] = value
    result = take(order)
    assert {why.pointer for why in result.issues} == {"/items/0/item_number"}
    assert {why.code for why in result.issues} <= {"bad_identity", "missing_field"}


@given(st.text(min_size=1))
def test_an_identity_is_taken_exactly_or_refused(text: str) -> None:
    if not identifier_problem(text):
        assert key(text) == text == text.strip()
        assert text.isprintable()
    else:
        with pytest.raises(RecordRejectedError, match="bad_identity"):
            key(text)


@given(st.integers(-(10**11), 10**11), st.sampled_from(["USD", "JPY", "KWD"]), st.integers(-9, 9))
def test_float_noise_in_an_amount_is_read_as_meant(minor: int, currency: str, noise: int) -> None:
    scale = CURRENCIES[currency]
    exact = from_minor(minor, scale)
    noisy = exact + Decimal(noise).scaleb(-11)
    for given_ in (noisy, f"{noisy:f}", f"{exact:f}{'' if '.' in f'{exact:f}' else '.'}000000"):
        assert to_minor(amount(given_), scale) == minor


@given(st.floats(0.01, 99_999, allow_nan=False), st.floats(0.01, 99_999, allow_nan=False))
def test_a_sum_of_binary_fractions_of_cents_is_the_sum_of_the_cents(one: float, other: float) -> None:
    one, other = round(one, 2), round(other, 2)
    cents = round(one * 100) + round(other * 100)
    assert to_minor(amount(one + other), 2) == cents


@pytest.mark.parametrize("value", ["19.999", Decimal("0.301"), "0.30000001", Decimal("0.305")])
def test_more_than_noise_is_refused(value: Any) -> None:
    with pytest.raises(RecordRejectedError):
        to_minor(amount(value), 2)


def test_a_unit_price_may_have_any_number_of_decimals(take: SetUp, order: dict[str, Any]) -> None:
    taken = payload(take(order))
    order["items"][0] |= {"unit_price": Decimal("142.4999999999999857891452847979962"), "quantity": "2.0"}
    noisy = payload(take(order))
    assert noisy == taken | {"orderItems": noisy["orderItems"]}
    assert noisy["orderItems"][0]["product"]["retailPrice"] == 142.5
    assert quantity(Decimal("2.0000000000000004")) == 2


@given(
    st.recursive(
        st.sampled_from([*EMPTIES, 0, False, "x"]),
        lambda i: st.lists(i, max_size=3) | st.dictionaries(st.text(max_size=2), i, max_size=3),
        max_leaves=8,
    )
)
def test_without_empties_nothing_empty_is_left_in_an_object_and_nothing_else_is_lost(value: Any) -> None:
    def members(node: Any) -> list[Any]:
        if isinstance(node, dict):
            return [*node.values(), *(found for item in node.values() for found in members(item))]
        return [found for item in node for found in members(item)] if isinstance(node, list) else []

    clean = drop_empty(value)
    assert not any(map(is_empty, members(clean)))
    assert drop_empty(clean) is clean
    full = [item for item in members(value) if item in (0, "x") and not is_empty(item)]
    assert len([item for item in members(clean) if item in (0, "x")]) == len(full)


# --- card data ---


def test_removed_card_data_is_a_note_and_never_sent(take: SetUp, order: dict[str, Any]) -> None:
    order["notes"] = f"card {VISA}, ring twice"
    order["payment"] |= {"transaction_id": VISA, "cvv": "123"}
    order["custom_fields"] |= {"Memo": [f"x {VISA}", "kept"], "CardCode": "C20000", "Gift Card Code": "SPRING25"}
    result = take(order)
    sent = payload(result)
    assert REDACTED.encode() not in (result.payload or b"")
    assert MARK_KEY.encode() not in (result.payload or b"")
    assert "ring twice" not in sent.get("orderComment", "")
    assert (sent["customOrderData"]["CardCode"], sent["customOrderData"]["Gift Card Code"]) == ("C20000", "SPRING25")
    assert sent["customOrderData"]["Memo"] == "kept"
    assert {note for note in result.notes if note.code == CARD_DATA_REMOVED} == {
        OrderNote(CARD_DATA_REMOVED, place, "held card data, which was removed; the member is not sent")
        for place in ("/notes", "/payment/transaction_id", "/payment/cvv", "/custom_fields/Memo/0")
    }


def test_a_reference_that_is_no_card_is_sent_unchanged(take: SetUp, order: dict[str, Any]) -> None:
    order["payment"]["transaction_id"] = "82640562241549909"
    result = take(order)
    assert "82640562241549909" in (result.payload or b"").decode()
    assert not [note for note in result.notes if note.code == CARD_DATA_REMOVED]


@pytest.mark.parametrize("place", ["ship_to.address1", "bill_to.city"])
def test_an_order_whose_needed_member_held_card_data_is_held(take: SetUp, order: dict[str, Any], place: str) -> None:
    put(order, place, f"{VISA[:4]} {VISA[4:8]} {VISA[8:12]} {VISA[12:]}")
    result = take(order)
    assert (result.hold, result.payload, result.issues) == (CARD_DATA_REMOVED, None, [])
    assert [note.path for note in result.notes if note.code == CARD_DATA_REMOVED] == [f"/{place.replace('.', '/')}"]


def test_a_redaction_without_its_path_holds_the_order_too(plain: Transformer, order: dict[str, Any]) -> None:
    order["notes"] = f"card {REDACTED}"
    [result] = plain.transform([order])
    assert (result.hold, result.payload) == (CARD_DATA_REMOVED, None)
