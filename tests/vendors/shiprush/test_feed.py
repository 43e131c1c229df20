"""The feed's XML: valid against the published schema whatever an order holds, complete, and exact."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from order_relay.errors import RecordRejectedError
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, compute_progress
from order_relay.orders.mapping.canonical import ORDER_COLUMNS
from order_relay.orders.mapping.line_ids import assign_line_ids
from order_relay.vendors.shiprush.dates import read_date, write_date
from order_relay.vendors.shiprush.feed import FeedHeader, order_element, render_page
from order_relay.vendors.shiprush.notice import read_notice
from tests.support.shiprush_schema import SAMPLE, checked, paths

AT = datetime(2026, 5, 1, 5, 58, tzinfo=UTC)
HEAD = FeedHeader("731", "WEB-10731", "paid", AT, AT, "supercat_to_shopatron")


def order(**changes):
    address = {
        "name": "R. Example",
        "company": "Ex Ltd",
        "address1": "9 Sample Road",
        "address2": "Suite 1",
        "city": "Portland",
        "state": "OR",
        "postal_code": "97201",
        "country": "US",
        "phone": "206",
        "email": "r@example.test",
    }
    blank = dict.fromkeys(ORDER_COLUMNS)
    sides = {f"{side}_{part}": value for side in ("bill", "ship") for part, value in address.items()}
    return {
        **blank,
        **sides,
        "scale": 2,
        "submitted_at": AT,
        "subtotal": 5200,
        "discount": -400,
        "tax": 340,
        "freight": 700,
        "total": 5840,
        "ship_via": "Ground",
        "payment_method": "Card",
        "notes": "Ring twice & <wait>",
        "custom_fields": {"Dock": "4"},
        "customer_po": "PO 9",
    } | changes


def line(**changes):
    return {
        "line": "1",
        "position": 0,
        "item_number": "MUG-BLUE",
        "description": "Blue mug",
        "quantity": 4,
        "unit_price": Decimal("13.00"),
        "extended": 5200,
        "discount": 0,
        "tax": 0,
        "upc": None,
        "options": {"Size": "Large"},
    } | changes


def rendered(the_order, *lines, head=HEAD):
    return checked(render_page([order_element(head, the_order, lines)], 1))


def test_discounts_and_taxes_of_lines_are_those_of_the_order():
    element = rendered(order(discount=0, tax=0), line(discount=-100, tax=60), line(line="2", tax=40))
    whole = rendered(order(discount=-100, tax=100), line(), line(line="2"))
    assert etree.tostring(element) == etree.tostring(whole)


def test_the_vendors_sample_is_valid_and_a_wrong_one_is_not():
    checked(SAMPLE)
    for wrong in (b"<Orders><Order/></Orders>", SAMPLE.replace(b"<Country>US<", b"<Country>USA<")):
        with pytest.raises(etree.DocumentInvalid):
            checked(wrong)


def test_we_give_every_element_of_the_vendors_sample():
    weighed = line(
        weight=Decimal("0.35"),
        weight_unit="kg",
        image_url="https://img.example/a.jpg",
        location="A7",
        option_weights={"Size": "0.012"},
    )
    full = order(gift=True, gift_message="For you", internal_notes="afternoon")
    document = render_page([order_element(HEAD, full, [weighed])], 1)
    assert paths(SAMPLE) - paths(document) == set()
    assert checked(document).findtext("Order/Items/Item/Options/Option/Weight") == "12.00"


def test_values_are_exact():
    root = rendered(order(), line(weight="0.35", weight_unit="kg"))
    result = {element.tag: element.text for element in root.find("Order")}
    expected = {
        "OrderID": "731",
        "OrderNumber": "WEB-10731",
        "OrderDate": "05/01/2026 05:58",
        "OrderTotal": "58.40",
        "TaxAmount": "3.40",
        "ShippingAmount": "7.00",
        "CustomerNotes": "Ring twice & <wait>",
        "CustomField1": "PO: PO 9",
        "CustomField2": "Dock: 4",
        "CustomField3": None,
        "OrderStatus": "paid",
    }
    assert {name: result[name] for name in expected} == expected
    item, discount = root.findall("Order/Items/Item")
    assert (item.findtext("Weight"), item.findtext("WeightUnits"), item.findtext("LineItemID")) == (
        "350.00",
        "Grams",
        "1",
    )
    assert (discount.findtext("Adjustment"), discount.findtext("UnitPrice")) == ("true", "-4.00")


def test_a_line_with_a_negative_price_is_an_adjustment():
    item = rendered(order(discount=0), line(unit_price=Decimal("-1.50"), quantity=2)).find("Order/Items/Item")
    assert (item.findtext("Adjustment"), item.findtext("Quantity"), item.findtext("UnitPrice")) == (
        "true",
        "1",
        "-3.00",
    )


def test_an_address_counts_as_a_whole():
    root = rendered(order(ship_address1=None, ship_city="Elsewhere", ship_name=None), line())
    assert root.findtext("Order/Customer/ShipTo/City") == "Portland"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": None}, "no_total"),
        ({"scale": None}, "no_total"),
        ({"ship_city": None}, "missing_field"),
        ({"ship_country": "USA"}, "bad_country"),
        ({"total": 10**12}, "amount_too_large"),
        ({"ship_address1": None, "bill_address1": None}, "missing_field"),
    ],
)
def test_what_shiprush_could_not_take_is_refused(changes, code):
    with pytest.raises(RecordRejectedError) as result:
        order_element(HEAD, order(**changes), [line()])
    assert result.value.issues[0].code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 100_000},
        {"quantity": None},
        {"item_number": "S" * 101},
        {"unit_price": None, "extended": None},
        {"item_number": "A\x00"},
    ],
)
def test_so_is_a_line_like_that(changes):
    with pytest.raises(RecordRejectedError):
        order_element(HEAD, order(), [line(**changes)])


def test_an_identity_is_never_cut():
    with pytest.raises(RecordRejectedError, match="bad_identity"):
        order_element(FeedHeader("1", "N" * 51, "paid", AT, AT), order(), [line()])


long = st.builds(str.__mul__, st.text(min_size=1, max_size=4), st.integers(90, 600))
text = st.one_of(
    st.none(),
    st.text(max_size=30),
    long,
    st.sampled_from(["]]>", "<&>\"'", "\x00\x0b\x1f\ufffe", "\U0001f69a" * 300, "a\r\nb", " "]),
)
money = st.integers(-(10**10), 10**10)
orders = st.fixed_dictionaries(
    {"scale": st.sampled_from([0, 2, 3]), "discount": st.one_of(st.none(), money), "total": money, "tax": money},
    optional={
        **{name: text for name in ORDER_COLUMNS if name.startswith(("bill_", "ship_")) and "country" not in name},
        **dict.fromkeys(
            (
                "notes",
                "payment_method",
                "customer_number",
                "customer_po",
                "internal_notes",
                "warehouse",
                "gift_message",
            ),
            text,
        ),
        "custom_fields": st.dictionaries(st.text(max_size=20), text, max_size=5),
        "gift": st.booleans(),
    },
)
lines = st.fixed_dictionaries(
    {"quantity": st.integers(0, 99_999), "unit_price": st.decimals(-(10**6), 10**6, places=4)},
    optional={
        "item_number": st.one_of(st.text(max_size=20), st.just("S" * 101)),
        "description": text,
        "image_url": text,
        "location": text,
        "weight": st.decimals(0, 9999, places=3),
        "weight_unit": st.sampled_from(["kg", "LB", "oz", "stone", ""]),
        "options": st.dictionaries(st.text(max_size=9), text, max_size=12),
        "line": st.text(max_size=9),
    },
)


def element(changes, many):
    """The order's element; ``None`` where the feed leaves it out."""
    try:
        return order_element(HEAD, order(**changes), [line(**one, position=n) for n, one in enumerate(many)])
    except RecordRejectedError:
        return None


def added_up(order_in_feed):
    """Items, tax and shipping together."""
    items = [
        Decimal(item.findtext("UnitPrice")) * int(item.findtext("Quantity"))
        for item in order_in_feed.iterfind("Items/Item")
    ]
    return sum(items, Decimal(order_in_feed.findtext("TaxAmount")) + Decimal(order_in_feed.findtext("ShippingAmount")))


amounts = st.integers(0, 10**5)
PRICED = st.lists(
    st.tuples(st.decimals(0, 999, places=6) | st.decimals(0, 999, places=2), st.integers(1, 50)), min_size=1, max_size=6
)
CHARGES = st.dictionaries(st.sampled_from(["surcharge", "pallet", "levy", "discount"]), st.integers(-500, 5000))


@settings(max_examples=200, deadline=None)
@given(PRICED, CHARGES, amounts, amounts, amounts, st.sampled_from([0, 2, 3]))
def test_items_tax_and_shipping_are_together_the_order_total(priced, charges, discount, tax, freight, scale):
    """Whatever an order consists of; what is shown as tax and shipping is what the order says."""
    unit = Decimal(1).scaleb(-scale)
    extended = [int((price * quantity).quantize(unit, ROUND_HALF_UP).scaleb(scale)) for price, quantity in priced]
    values = {f"charges.{name}": Decimal(minor).scaleb(-scale) for name, minor in charges.items()}
    total = sum(extended) - discount + tax + freight + sum(charges.values())
    many = [
        line(line=str(n), position=n, item_number=f"I{n}", unit_price=price, quantity=quantity, extended=amount)
        for n, ((price, quantity), amount) in enumerate(zip(priced, extended, strict=True))
    ]
    head = replace(HEAD, taxes=frozenset({"levy"}), total=(total, {0: "JPY", 2: "USD", 3: "KWD"}[scale]))
    whole = order(scale=scale, discount=-discount, tax=tax, freight=freight, **values)
    result = rendered(whole, *many, head=head).find("Order")
    assert added_up(result) == Decimal(result.findtext("OrderTotal"))
    off = [item for item in result.iterfind("Items/Item") if item.findtext("Adjustment")]
    assert all(Decimal(item.findtext("UnitPrice")) < 0 for item in off)
    numbers = [item.findtext("SKU") for item in result.iterfind("Items/Item")]
    assert len(numbers) == len(set(numbers))
    if scale < 3:
        above = {name: minor for name, minor in charges.items() if minor > 0}
        assert Decimal(result.findtext("TaxAmount")).scaleb(scale) == tax + above.get("levy", 0)
        shipping = freight + sum(minor for name, minor in above.items() if name != "levy")
        assert Decimal(result.findtext("ShippingAmount")).scaleb(scale) == shipping


def test_a_deduction_has_the_number_of_no_line():
    result = rendered(order(), line(item_number="discount"), line(line="2", item_number="Discount/2"))
    (off,) = [item for item in result.iterfind("Order/Items/Item") if item.findtext("Name") == "Discount"]
    assert off.findtext("SKU") == "discount/3"


ID = (
    st.text(
        st.characters(codec="utf-8", categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=9
    )
    .map(str.strip)
    .filter(bool)
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.none() | ID, ID, st.integers(1, 5)), min_size=1, max_size=6, unique_by=lambda one: one[0] or one
    ),
    st.data(),
)
def test_a_notice_with_the_ids_of_the_feed_counts_for_the_right_lines(given_lines, data):
    """Also where several lines have the same item, and where ids differ in blanks or capitals only."""
    names = assign_line_ids([name for name, *_ in given_lines], [0] * len(given_lines), range(len(given_lines)))
    many = [
        line(line=name, position=n, item_number=sku, quantity=quantity)
        for n, (name, (_, sku, quantity)) in enumerate(zip(names, given_lines, strict=True))
    ]
    root = rendered(order(), *many)
    result = [item for item in root.iterfind("Order/Items/Item") if item.find("LineItemID") is not None]
    ids = [item.findtext("LineItemID") for item in result]
    assert len(set(ids)) == len(many)
    sent = [data.draw(st.integers(0, one["quantity"])) for one in many]
    root = etree.Element("ShipNotice")
    etree.SubElement(root, "OrderNumber").text = "WEB-10731"
    parts = etree.SubElement(root, "Items")
    for item, units in data.draw(st.permutations(list(zip(result, sent, strict=True)))):
        if units:
            copy = etree.SubElement(parts, "Item")
            for name in ("LineItemID", "SKU"):
                etree.SubElement(copy, name).text = item.findtext(name)
            etree.SubElement(copy, "Quantity").text = str(units)
    parcel = read_notice({}, etree.tostring(root), "USD")
    ordered = [OrderedLine(one["line"], one["item_number"], one["quantity"]) for one in many]
    if any(sent):
        done = compute_progress(ordered, [parcel.lines])
        assert (done.shipped, done.surplus) == (sum(sent), 0)
    assert {one.line: one.quantity for one in parcel.lines} == {
        name: units for name, units in zip(names, sent, strict=True) if units
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(orders, st.lists(lines, max_size=5), st.integers(1, 40)), max_size=3))
def test_any_orders_make_a_valid_page(result):
    """Up to 200 lines an order. What can not be rendered is left out, so each order takes only lines that can be."""
    made = []
    for changes, some, times in result:
        many = [one for one in some if element({}, [one]) is not None] * times
        if (rendered_order := element(changes, many)) is not None:
            made.append(rendered_order)
            whole = order(**changes)
            off = Decimal(whole["discount"] or 0).scaleb(-whole["scale"])
            wanted = sum(1 for one in many if one["quantity"]) + (abs(off) >= Decimal("0.005"))
            rendered_items = rendered_order.findall("Items/Item")
            roundings = sum(1 for item in rendered_items if item.findtext("Name") == "Rounding")
            assert (len(rendered_items) - roundings, roundings <= 1) == (wanted, True)
            assert added_up(rendered_order) == Decimal(rendered_order.findtext("OrderTotal"))
    checked(render_page(made, 1))


def test_two_hundred_lines_are_rendered_and_in_their_order():
    many = [{"line": str(n)} for n in range(200)]
    root = checked(render_page([element({}, many)], 1))
    assert [item.text for item in root.iterfind("Order/Items/Item/LineItemID")] == [one["line"] for one in many]


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("05/01/2026 06:30", "05/01/2026 06:30"),
        ("1/3/2014 8:00", "01/03/2014 08:00"),
        ("3/8/2018 22:26 PM", "03/08/2018 22:26"),
        ("3/8/2018 10:26 PM", "03/08/2018 22:26"),
        ("12/31/2013+23:00", "12/31/2013 23:00"),
        ("3/8/2018 12:05 AM", "03/08/2018 00:05"),
        ("3/8/2018 12:05 pm", "03/08/2018 12:05"),
        ("3/8/2018 10:26:59", "03/08/2018 10:26"),
        ("3/8/2018", "03/08/2018 00:00"),
        (" 3/8/2018 10:26 ", "03/08/2018 10:26"),
    ],
)
def test_dates_are_read_leniently(result, expected):
    assert write_date(read_date(result)) == expected


@pytest.mark.parametrize(
    "result",
    [
        "",
        "13/01/2026 00:00",
        "02/30/2026 00:00",
        "01/01/2026 24:00",
        "01/01/2026 10:60",
        "2026-05-01T06:30",
        "05/01/26 06:30",
        "01/01/2026 22:00 AM",
        "00/01/2026 00:00",
        "01/01/0000 00:00",
        "１/1/2026 00:00",
        "now",
        "01/01/2026 1:5",
    ],
)
def test_impossible_dates_are_not(result):
    with pytest.raises(ValueError, match=r"."):
        read_date(result)


@given(st.integers(0, 4 * 10**9), st.integers(-12, 12))
def test_dates_are_written_in_utc_and_read_back(second, hours):
    moment = datetime.fromtimestamp(second, timezone(timedelta(hours=hours)))
    assert read_date(write_date(moment)) == moment.astimezone(UTC).replace(second=0, microsecond=0)
