import copy
import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.orders.json_text import encode
from order_relay.orders.privacy.card_data import REDACTED, is_clean, redact, redact_text
from order_relay.orders.privacy.field_names import FieldKind, classify_field

VISA = "4111111111111111"
AMEX = "378282246310005"
CARDS = [VISA, AMEX, "5555555555554444", "2223003122003222", "6011111111111117", "3530111333300000", "6212345678901232"]
OLD = ["4222222222222", "30569309025904", "6304000000000000000"]  # 13, 14 and 19 digits: only payment fields have them


def luhn_check_digit(body):
    total = 0
    for position, char in enumerate(reversed(body)):
        value = int(char) * (2 if position % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def full_cut(document):
    """As extract does it: the quick look first, and it must never let pass what the close look would cut."""
    redacted, found = redact(document)
    if found:
        assert not is_clean(document, encode(document))
    return redacted


def grouped(card, gap):
    cuts = (4, 10) if len(card) == 15 else (4, 8, 12)
    parts = [card[a:b] for a, b in zip((0, *cuts), (*cuts, len(card)), strict=True)]
    return gap.join(parts)


@pytest.mark.parametrize("gap", ["", " ", "-", ".", "  ", " - ", "\u00a0", "\u2013", "\n", "\t", "/"])
@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("frame", ["{}", "card {} exp 12/29", "CC{}ok", "call 775 555 0101, {}", "1234 {} 99", "12-{}"])
def test_cards_in_free_text_go(card, gap, frame):
    text = frame.format(grouped(card, gap))
    document = {"notes": text, "custom_fields": {"Wish": text}, "items": [{"description": text}]}
    redacted = full_cut(document)
    for found in (redacted["notes"], redacted["custom_fields"]["Wish"], redacted["items"][0]["description"]):
        assert found == frame.format(REDACTED)


def test_digits_of_other_scripts_are_digits():
    wide = "".join(chr(0xFF10 + int(char)) for char in VISA)
    assert full_cut({"notes": f"card {wide}"}) == {"notes": f"card {REDACTED}"}


@pytest.mark.parametrize("card", CARDS + OLD)
@pytest.mark.parametrize(
    "document",
    [
        {"payment": {"card": "X"}},
        {"payment": {"transaction_id": "X"}},
        {"payment": {"details": [{"deep": "ref X."}]}},
        {"payment": {"numbers": ["X"]}},
        {"credit_card": "X"},
        {"creditCardNumber": "X"},
        {"CC Number": "X"},
        {"custom_fields": {"Card #": "X"}},
        {"cardNumbers": ["X"]},
    ],
)
def test_payment_fields_lose_every_card_number(card, document):
    filled = eval(repr(document).replace("X", card))
    redacted = full_cut(filled)
    assert card not in repr(redacted)
    assert REDACTED in repr(redacted)
    spaced = eval(repr(document).replace("X", " ".join(card)))
    assert "".join(re.findall(r"\d", repr(full_cut(spaced)))) == ""


def test_cards_as_numbers_go():
    document = {"payment": {"card_number": int(VISA)}, "custom_fields": {"x": int(VISA)}}
    assert full_cut(document) == {"payment": {"card_number": REDACTED}, "custom_fields": {"x": REDACTED}}


def test_a_card_number_within_more_digits_is_removed_from_payments():
    assert VISA not in repr(full_cut({"payment": {"swipe": VISA + "1229101"}}))


def test_cards_as_names_go():
    assert full_cut({"custom_fields": {grouped(VISA, " "): "x"}}) == {"custom_fields": {REDACTED: "x"}}


SECRET_KEYS = ["cvv", "CVV2", "card_cvc", "securityCode", "security code", "cardCode", "card_verification_value", "CVN"]


@pytest.mark.parametrize("key", [*SECRET_KEYS, "track1", "trackData"])
def test_security_codes_inside_a_payment_are_removed_with_any_value(key):
    for value in ("123", ["1", "2"], {"a": "b"}, "987654", 5):
        assert full_cut({"payment": [{key: value}]}) == {"payment": [{key: REDACTED}]}
        assert redact({"payment": [{key: value}]})[1] == [f"/payment/0/{key}"]


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_outside_a_payment_a_name_is_a_security_code_only_with_three_or_four_digits(key):
    for value in ("123", "1234", 123, " 123 "):
        assert full_cut({key: value, "custom_fields": {key: value}}) == {
            key: REDACTED,
            "custom_fields": {key: REDACTED},
        }
    harmless: tuple[Any, ...] = ("C20000", "12", "12345", "SPRING25", "12a", True, None, ["C20000"])
    for value in harmless:
        assert full_cut({key: value, "custom_fields": {key: value}}) == {key: value, "custom_fields": {key: value}}


@pytest.mark.parametrize(
    "custom",
    [
        {"CardCode": "C20000"},
        {"Gift Card Code": "SPRING25"},
        {"Gift Card Code": "1234"},
        {"Loyalty Card Code": "777"},
        {"Promotion Security Code": "123"},
        {"Backtrack1": "x"},
    ],
)
def test_codes_of_other_things_stay(custom):
    assert full_cut({"custom_fields": custom, **custom}) == {"custom_fields": custom, **custom}


def test_a_magnetic_stripe_with_a_card_is_removed_entirely():
    stripe = f"%B{VISA}^BYRON/ADA^29121010000000000?"
    assert full_cut({"track1": stripe, "custom_fields": {"Mag Stripe": stripe}}) == {
        "track1": REDACTED,
        "custom_fields": {"Mag Stripe": REDACTED},
    }
    assert full_cut({"track1": "Lane 1"}) == {"track1": "Lane 1"}


@pytest.mark.parametrize("key", ["csc", "cid", "pin"])
def test_short_names_are_security_codes_in_payment_only(key):
    assert full_cut({"payment": {key: "123"}}) == {"payment": {key: REDACTED}}
    assert full_cut({"options": {key: "123"}}) == {"options": {key: "123"}}


def test_an_empty_security_code_stays():
    document = {"payment": {"cvv": None, "security_code": ""}}
    assert redact(document) == (document, [])


IDENTITIES = [
    "id",
    "uuid",
    "order_number",
    "orderNumber",
    "item_number",
    "upc",
    "customer_number",
    "line",
    "quantity",
    "unit_price",
    "extended_price",
    "subtotal",
    "total",
    "freight",
    "tax",
    "discount",
    "sku",
    "externalOrderID",
    "part_number",
    "shipmentID",
    "ean",
    "gtin",
    "order_ref",
    "number",
]


@given(
    st.dictionaries(st.sampled_from(IDENTITIES), st.sampled_from(CARDS + OLD) | st.integers(10**12, 10**19 - 1)),
    st.sampled_from(["", "items", "order"]),
)
def test_no_identity_ever_changes(members, inside):
    document = {inside: [members, members]} if inside else members
    before = copy.deepcopy(document)
    redacted, found = redact(document)
    assert (redacted, found, document) == (before, [], before)
    assert redacted is document


@given(st.from_regex(r"[0-9]{4}-[0-9]{6}-[0-9]{3,6}(-[0-9]{1,2})?", fullmatch=True))
def test_order_numbers_survive_even_where_they_pass_luhn(number):
    document = {"order_number": number, "payment": {"order_number": number, "id": number}}
    assert full_cut(document) == document


@given(st.sampled_from(["4", "51", "2221", "6011", "65", "3528", "62"]), st.data())
def test_generated_cards_never_survive(prefix, data):
    body = prefix + data.draw(st.text("0123456789", min_size=15 - len(prefix), max_size=15 - len(prefix)))
    card = body + luhn_check_digit(body)
    message = st.text(st.characters(exclude_categories=("Cs", "Nd")), max_size=20)
    text = f"{data.draw(message)} {grouped(card, data.draw(st.sampled_from(['', ' ', '-'])))} {data.draw(message)}"
    redacted = full_cut({"notes": text, "payment": {"memo": text}})
    assert not re.search(r"\d", redacted["notes"])
    assert REDACTED in redacted["payment"]["memo"]


def test_what_only_looks_like_a_card_stays_in_free_text():
    texts = [
        "4111111111111112",
        "1234567890123452",
        "41111111111111111",
        "tracking 9400111899223857268499",
        "ISBN 9783161484100",
        "30569309025904",
    ]
    document = {"notes": " / ".join(texts)}
    assert redact({"notes": texts}) == ({"notes": texts}, [])
    assert full_cut(document) == document


def test_the_argument_is_not_changed_and_untouched_parts_are_shared():
    document = {"notes": VISA, "items": [{"id": 1}]}
    redacted, found = redact(document)
    assert found == ["/notes"]
    assert document["notes"] == VISA
    assert redacted["items"] is document["items"]
    assert redact(redacted) == (redacted, [])


@given(st.recursive(st.none() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_any_document_can_be_looked_at(document):
    full_cut(document)


@given(
    st.text(' -./\\nrt\n\r\t\x01"\u2013x', max_size=3),
    st.sampled_from(CARDS),
    st.sampled_from(["", " ", "\n", "\r\t", "-\\"]),
)
def test_the_quick_check_sees_cards_behind_any_json_escapes(before, card, gap):
    full_cut({"notes": [f"{before}{grouped(card, gap)}{before}"]})


def test_an_order_number_of_fifteen_digits_needs_no_close_look():
    document = {"order_number": "6385-031318-39221", "notes": "none"}
    assert is_clean(document, encode(document))


def test_a_clean_order_needs_no_close_look():
    document = {
        "order_number": "6385-031318-392",
        "notes": "ring twice\nthen wait, Zoë",
        "phone": "+1 775 555 0101",
        "payment": {"method": "credit_card", "card_last4": "1111", "transaction_id": "ch_1"},
    }
    assert is_clean(document, encode(document))


def test_kinds():
    assert classify_field("discardedAt", in_payment=False) is FieldKind.TEXT
    assert classify_field("payment_total", in_payment=False) is FieldKind.IDENTITY
    assert classify_field("customer_po", in_payment=False) is FieldKind.TEXT


def check_digit(body):
    return body + luhn_check_digit(body)


def number(rng, prefix, length):
    return check_digit(prefix + "".join(rng.choices("0123456789", k=length - 1 - len(prefix))))


BRANDS = [
    ("Visa", ["4"], [13, 16, 19]),
    ("Mastercard", ["51", "52", "53", "54", "55", "2221", "2229", "223", "229", "23", "26", "270", "2720"], [16]),
    ("American Express", ["34", "37"], [15]),
    ("Discover", ["6011", "622126", "622925", "644", "649", "65"], [16, 17, 18, 19]),
    ("Diners Club", ["300", "305", "3095", "36", "38", "39"], [14, 16, 19]),
    ("JCB", ["3528", "3589", "354"], [16, 17, 18, 19]),
    ("UnionPay", ["62"], [16, 17, 18, 19]),
    ("Maestro", ["5018", "5020", "5038", "5612", "5893", "6304", "6390", "6759", "6761", "6763"], [13, 16, 18, 19]),
    ("Mir", ["2200", "2204"], [16, 19]),
    ("Troy", ["9792"], [16]),
    ("Hipercard", ["606282"], [16]),
]
FORMS: list[Callable[[str], Any]] = [
    str,
    int,
    lambda card: grouped(card, " "),
    lambda card: grouped(card, "-"),
    " ".join,
    lambda card: "".join(chr(0xFF10 + int(char)) for char in card),
    lambda card: f"card {card}, exp 12/29",
    lambda card: f"{grouped(card, ' ')} 12/29",
]
PLACES = ["card_number", "transaction_id", "reference", "memo"]


def test_a_thousand_cards_of_every_brand_are_removed_from_payment_fields():
    rng = random.Random(20261126)
    for turn in range(1_000):
        name, prefixes, lengths = BRANDS[turn % len(BRANDS)]
        card = number(rng, rng.choice(prefixes), rng.choice(lengths))
        form = FORMS[turn // len(BRANDS) % len(FORMS)](card)
        place = rng.choice(PLACES)
        redacted, found = redact({"payment": {place: form}})
        assert found == [f"/payment/{place}"], (name, card, form)
        assert REDACTED in redacted["payment"][place]
        assert not re.search(r"\d{5}", str(redacted)), (name, card, form)


ISSUERS = re.compile("4|5|34|37|30|3095|35|36|38|39|6|2[2-7]|1800|2131|9792")
"""A generous list: what does not begin like this belongs to nobody who issues cards."""


def test_of_a_hundred_thousand_numeric_references_none_without_an_issuers_prefix_is_touched():
    rng = random.Random(20261126)
    touched = with_prefix = 0
    for _ in range(100):
        lengths = rng.choices(range(13, 21), k=1_000)
        references = [str(rng.randrange(10**20))[-length:].zfill(length) for length in lengths]
        forms = [(r, int(r), f"{r[:4]} {r[4:8]}-{r[8:]}")[at % 3] for at, r in enumerate(references)]
        for place in redact({"payment": {"references": forms}})[1]:
            touched += 1
            form = forms[int(place.rpartition("/")[2])]
            assert ISSUERS.match(str(form)), form
        with_prefix += sum(ISSUERS.match(reference) is not None for reference in references)
    assert touched < with_prefix / 12, "most of those with a prefix have another length or fail Luhn"


@pytest.mark.parametrize(
    "reference",
    [
        "82640562241549909",
        82640562241549909,
        "1234567890123452",
        "4111111111111112",
        "12345678901234567890",
        "41111111111111111111",
    ],
)
def test_references_that_are_no_card_stay_in_payment(reference):
    document = {"payment": {"transaction_id": reference}}
    assert full_cut(document) == document


def test_a_card_number_as_fraction_or_exponent_is_removed():
    for value in (Decimal("4111111111111111.0"), Decimal("4.111111111111111E+15")):
        assert full_cut({"payment": {"card": value}}) == {"payment": {"card": REDACTED}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f'{{"id": 7, "payment": {{"number": "{VISA}", "cvv": "123"}}, "x": NaN}}',
            f'{{"id": 7, "payment": {{"number": "{REDACTED}", "cvv": "{REDACTED}"}}, "x": NaN}}',
        ),
        (
            '{"cvv": 123, "order_number": "6385-031318-392",}',
            f'{{"cvv": "{REDACTED}", "order_number": "6385-031318-392",}}',
        ),
        ('{"Security Code": "9", "note": "4222222222222"', f'{{"Security Code": "{REDACTED}", "note": "{REDACTED}"'),
    ],
)
def test_a_text_that_is_no_json_loses_cards_and_codes(text, expected):
    assert redact_text(text)[0] == expected
