"""Realistic web-shop orders, repeatable by seed.

The members of an order's detail are assumed (see the README). Each order has a ``kind``; ``KINDS`` holds its frequency
and expected result.
"""

from __future__ import annotations

import json
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

from order_relay_sandbox.cloudsuite import sample_data

Document = dict[str, Any]
T = TypeVar("T")

FIRST_ID = 48_001
_PAID = ("paid",) * 5 + ("closed_success",) * 3 + ("account",) * 4
_LINE_COUNTS = (1,) * 6 + (2,) * 6 + (3,) * 4 + (5,) * 3 + (8,)
_QUANTITIES = (1,) * 8 + (2,) * 8 + (3, 4, 5, 6, 10, 12, 24, 100)
_VAT = Decimal("1.21")


class Kind(NamedTuple):
    """``weight`` per thousand orders; ``fate``: the expected result with default policies."""

    weight: int
    fate: str


KINDS: dict[str, Kind] = {
    "plain": Kind(740, "imported"),
    "external_key": Kind(20, "imported"),
    "shared_reference": Kind(15, "imported: another web shop has an order with the same reference"),
    "zero_price": Kind(10, "imported"),
    "long_description": Kind(5, "imported"),
    "fine_price": Kind(10, "a unit price with four decimals: imported if the destination can express it exactly"),
    "started": Kind(35, "waits for the payment"),
    "closed_canceled": Kind(15, "waits for another attempt to pay"),
    "none": Kind(15, "waits, unless its web shop sells without payment"),
    "fraction": Kind(15, "quarantined"),
    "unknown_type": Kind(15, "quarantined"),
    "offline": Kind(45, "never listed with offline=false, never imported"),
    "draft": Kind(15, "not offered"),
    "quotation": Kind(10, "not offered"),
    "processing": Kind(15, "not offered: already taken over by another system"),
    "done": Kind(10, "not offered"),
    "cancel": Kind(10, "not offered"),
}
_KIND_NAMES = tuple(KINDS)
_WEIGHTS = tuple(accumulate(kind.weight for kind in KINDS.values()))


@dataclass(slots=True)
class Made:
    """One generated order. ``age`` (0 to 1): fraction of the spread between its confirmation and now."""

    kind: str
    document: Document
    addresses: list[Document]
    age: float
    offline: bool = field(default=False)


def orders(count: int, seed: int = 0, first: int = 0) -> Iterator[Made]:
    """``count`` orders starting with number ``first``, by rising id and mostly by falling age."""
    for number in range(first, first + count):
        rng = random.Random(f"cloudsuite:{seed}:{number}")
        kind = _KIND_NAMES[bisect(_WEIGHTS, rng.random() * _WEIGHTS[-1])]
        made = Made(kind, _document(rng, number), [], _age(rng, number - first, count))
        made.addresses = _addresses(rng, made.document)
        _CHANGES.get(kind, _as_it_is)(rng, made)
        made.document["paid_amount"] = _paid_amount(made.document)
        yield made


def whole(made: Made) -> Document:
    """An order as the shops take it: with its addresses, and amounts as JSON numbers."""
    order: Document = json.loads(json.dumps(made.document, default=float))
    addresses = {address["id"]: address for address in made.addresses}
    return {**order, **{side: addresses[order[side]] for side in ("shipment_address", "invoice_address")}}


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """A random element; much faster than ``rng.choice``."""
    return options[int(rng.random() * len(options))]


def _age(rng: random.Random, position: int, count: int) -> float:
    """Later orders are mostly younger; ids and confirm dates are not in the same order."""
    return min(max(1 - (position + rng.uniform(-2, 3)) / count, 0.0), 1.0)


def _document(rng: random.Random, number: int) -> Document:
    order_id = FIRST_ID + 3 * number
    webshop = pick(rng, (1, 1, 1, 2, 2, 3))
    return {
        "id": order_id,
        "reference": f"CS{order_id}",
        "key": None,
        "customer_order_number": pick(rng, (None, None, f"PO-{rng.randrange(10**4)}", "telefonisch", "7/½")),
        "erp_order_number": None,
        "description": pick(rng, sample_data.REMARKS),
        "state": "confirmed",
        "payment_status": pick(rng, _PAID),
        "shipment_state": None,
        "requested_delivery_date": None,
        "currency": pick(rng, sample_data.CURRENCIES[webshop]),
        "paid_amount": None,
        "customer": rng.randrange(1000, 1999),
        "user": rng.randrange(2000, 2999),
        "webshop": webshop,
        "order_lines": [_line(rng, order_id, n) for n in range(1, pick(rng, _LINE_COUNTS) + 1)],
    }


def _line(rng: random.Random, order_id: int, position: int) -> Document:
    key, description, price = pick(rng, sample_data.GOODS)
    return {
        "id": order_id * 100 + position,
        "type": "line",
        "product": {"key": key, "origin": "erp"},
        "description": description,
        "quantity": Decimal(pick(rng, _QUANTITIES)),
        "unit_price": Decimal(price).scaleb(-2),
        "erp_line_number": None,
    }


def _addresses(rng: random.Random, document: Document) -> list[Document]:
    """Add one shared address or two, and set their ids in the document."""
    base = document["id"] * 2
    made = [_address(rng, base)]
    if rng.random() < 0.3:
        made.append(_address(rng, base + 1))
    document["shipment_address"], document["invoice_address"] = made[0]["id"], made[-1]["id"]
    return made


def _address(rng: random.Random, address_id: int) -> Document:
    zip_code, city, country, subdivision = pick(rng, sample_data.PLACES)
    person = pick(rng, sample_data.NAMES)
    return {
        "id": address_id,
        "name": pick(rng, sample_data.COMPANIES) or person,
        "attention": person,
        "street1": pick(rng, sample_data.STREETS),
        "house_number": str(rng.randrange(1, 400)),
        "addition": pick(rng, sample_data.ADDITIONS),
        "street2": pick(rng, (None, None, None, "Gebouw C")),
        "zip": zip_code,
        "city": city,
        "country": country,
        "subdivision": subdivision,
        "company_telephone_number": pick(rng, (None, "+31 20 555 01 23", "020-5550123")),
        "email": f"koper{rng.randrange(10**6)}@winkel.example",
    }


def _paid_amount(document: Document) -> Decimal | None:
    if document["payment_status"] not in ("paid", "closed_success"):
        return None
    net = sum((line["quantity"] * line["unit_price"] for line in document["order_lines"]), Decimal(0))
    return (net * _VAT).quantize(Decimal("0.01"), ROUND_HALF_UP)


# Changes of each kind to a plain order.


def _as_it_is(rng: random.Random, made: Made) -> None:
    """A plain order."""


def _external_key(rng: random.Random, made: Made) -> None:
    made.document["key"] = f"web-{made.document['id']}"


def _shared_reference(rng: random.Random, made: Made) -> None:
    """The previous order's reference, in another web shop."""
    made.document["reference"] = f"CS{made.document['id'] - 3}"
    made.document["webshop"] = 4


def _zero_price(rng: random.Random, made: Made) -> None:
    lines = made.document["order_lines"]
    lines.append(_line(rng, made.document["id"], len(lines) + 1) | {"unit_price": Decimal("0.00")})


def _long_description(rng: random.Random, made: Made) -> None:
    words = ("voorzichtig", "café", "注意", "🎁", "à bientôt")
    made.document["description"] = " ".join(pick(rng, words) for _ in range(300))


def _fine_price(rng: random.Random, made: Made) -> None:
    made.document["order_lines"][0] |= {"unit_price": Decimal("0.0425"), "quantity": Decimal(pick(rng, (1000, 2500)))}


def _fraction(rng: random.Random, made: Made) -> None:
    key, description, price = pick(rng, sample_data.BY_WEIGHT)
    made.document["order_lines"][0] |= {
        "product": {"key": key, "origin": "erp"},
        "description": description,
        "quantity": Decimal(pick(rng, ("0.5", "2.25", "12.3750"))),
        "unit_price": Decimal(price).scaleb(-2),
    }


def _unknown_type(rng: random.Random, made: Made) -> None:
    lines = made.document["order_lines"]
    kind, price = pick(rng, (("shipping", "6.95"), ("discount", "-5.00"), ("text", "0.00")))
    extra = {"type": kind, "product": None, "quantity": Decimal(1), "unit_price": Decimal(price)}
    lines.append(_line(rng, made.document["id"], len(lines) + 1) | extra)


def _offline(rng: random.Random, made: Made) -> None:
    """Loaded by the ERP; some are confirmed, so a list without ``offline=false`` includes them by mistake."""
    made.offline = True
    state = pick(rng, ("confirmed", "confirmed", "processing", "done"))
    made.document |= {
        "state": state,
        "payment_status": "account",
        "erp_order_number": f"ERP-{made.document['id']}",
    }


def _payment(status: str) -> Callable[[random.Random, Made], None]:
    return lambda rng, made: made.document.update(payment_status=status)


def _state(state: str) -> Callable[[random.Random, Made], None]:
    return lambda rng, made: made.document.update(state=state)


_CHANGES: dict[str, Callable[[random.Random, Made], None]] = {
    "external_key": _external_key,
    "shared_reference": _shared_reference,
    "zero_price": _zero_price,
    "long_description": _long_description,
    "fine_price": _fine_price,
    "fraction": _fraction,
    "unknown_type": _unknown_type,
    "offline": _offline,
    **{status: _payment(status) for status in ("started", "closed_canceled", "none")},
    **{state: _state(state) for state in ("draft", "quotation", "processing", "done", "cancel")},
}
