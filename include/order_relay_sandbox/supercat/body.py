"""The body of a valid order: customer, lines, and totals that add up to the cent."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from order_relay_sandbox.money import text
from order_relay_sandbox.supercat import sample_data

Order = dict[str, Any]
Line = dict[str, Any]
T = TypeVar("T")

# Values repeated by probability: faster than a weighted choice.
_LINE_COUNTS = (1,) * 6 + (2,) * 6 + (3,) * 4 + (5,) * 3 + (8,)
_QUANTITIES = (1,) * 10 + (2,) * 8 + (3,) * 3 + (4,) * 4 + (6,) * 4 + (12,) * 3 + (48,)
_METHODS = ("terms",) * 12 + ("credit_card",) * 5 + (None,) * 3

_START = datetime(2026, 1, 5, 8, 0, tzinfo=timezone(timedelta(hours=-7)))


def pick(rng: random.Random, options: Sequence[T]) -> T:
    """A random element; much faster than ``rng.choice``."""
    return options[int(rng.random() * len(options))]


def order(rng: random.Random, number: int, kind: str = "plain") -> Order:
    """A valid order of a kind. ``number`` makes the order number unique; the caller assigns the id."""
    submitted = _START + timedelta(seconds=97 * number + rng.randrange(60))
    name = pick(rng, sample_data.WORLD_NAMES) if rng.random() < 0.15 else pick(rng, sample_data.PLAIN_NAMES)
    place = pick(rng, sample_data.PLACES_ABROAD) if rng.random() < 0.08 else pick(rng, sample_data.PLACES)
    bill_to = address(rng, name, place)
    made: Order = {
        "uuid": _uuid(rng),
        "order_number": _order_number(number, submitted),
        "submitted_at": submitted.isoformat(),
        "customer_number": f"C-{rng.randrange(1000, 9999)}",
        "customer_po": pick(rng, (None, "EMAIL", "verbal", f"PO {number % 9973}", f"PO {rng.randrange(10000)}")),
        "currency": "CAD" if place[3] == "CA" else "USD",
        "bill_to": bill_to,
        "ship_to": bill_to if rng.random() < 0.7 else address(rng, pick(rng, sample_data.PLAIN_NAMES), place),
        "ship_via": pick(rng, sample_data.SHIP_VIA),
        "requested_ship_date": pick(rng, (None, (submitted + timedelta(days=7)).date().isoformat())),
        "terms": pick(rng, sample_data.TERMS),
        "sales_rep": rep(rng),
        "notes": pick(rng, sample_data.NOTES),
        "items": lines(rng, pick(rng, _LINE_COUNTS)),
        "payment": payment(rng),
        "custom_fields": {},
    }
    charges = _MAKERS.get(kind, _plain)(rng, made)
    return total_up(made, *charges)


def total_up(made: Order, discount: int = 0, freight: int = 0, tax: int = 0) -> Order:
    """Set totals such that subtotal + discount + freight + tax = total (cents in, decimal strings out)."""
    subtotal = sum(cents(line["extended_price"]) for line in made["items"] if line["extended_price"] is not None)
    made["subtotal"], made["discount"] = text(subtotal), text(discount)
    made["freight"], made["tax"] = text(freight), text(tax)
    made["total"] = text(subtotal + discount + freight + tax)
    return made


def cents(amount: str) -> int:
    """``"-12.34"`` → ``-1234``; generated amounts have two decimals."""
    return int(amount.replace(".", ""))


def lines(rng: random.Random, count: int, avoid: frozenset[str] = frozenset()) -> list[Line]:
    """Lines of distinct items, without those in ``avoid``."""
    goods = rng.sample([g for g in sample_data.GOODS if g[0] not in avoid] if avoid else sample_data.GOODS, count)
    return [_line(rng, position, *entry) for position, entry in enumerate(goods, start=1)]


def _line(rng: random.Random, position: int, item: str, description: str, price: int) -> Line:
    quantity = pick(rng, _QUANTITIES)
    return {
        "line": position,
        "item_number": item,
        "description": description,
        "quantity": quantity,
        "unit_price": text(price),
        "extended_price": text(price * quantity),
        "upc": f"{rng.randrange(10**11, 10**12)}" if rng.random() < 0.4 else None,
        "options": {"finish": pick(rng, ("brass", "nickel", "weiß"))} if rng.random() < 0.3 else {},
    }


def address(rng: random.Random, name: str, place: tuple[str, str | None, str, str]) -> dict[str, Any]:
    """An address; one dict may serve as both billing and shipping address."""
    city, state, postal_code, country = place
    return {
        "name": name,
        "company": pick(rng, (None, *sample_data.SHOPS)),
        "address1": f"{rng.randrange(1, 9900)} {pick(rng, sample_data.STREETS)}",
        "address2": pick(rng, (None, None, "Suite 4", "2nd floor")),
        "city": city,
        "state": state,
        "postal_code": postal_code,
        "country": country,
        "phone": f"555-01{rng.randrange(100):02d}",
        "email": f"buyer{rng.randrange(10**6)}@shop.example",
    }


def rep(rng: random.Random) -> dict[str, Any] | None:
    """The sales representative, or none."""
    name = pick(rng, (None, *sample_data.REPS))
    return None if name is None else {"name": name, "email": f"rep{len(name)}@reps.example"}


def payment(rng: random.Random) -> dict[str, Any]:
    """The payment; a card shows only its last four digits."""
    method = pick(rng, _METHODS)
    card = method == "credit_card"
    return {
        "method": method,
        "transaction_id": f"tx-{rng.randrange(10**9):09d}" if card else None,
        "card_last4": f"{rng.randrange(10**4):04d}" if card else None,
    }


def card_number(rng: random.Random) -> str:
    """An invented card number of 16 digits that passes the Luhn check."""
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    weighted = sum(sum(divmod(d * 2, 10)) if position % 2 == 0 else d for position, d in enumerate(digits))
    return "".join(map(str, digits)) + str(-weighted % 10)


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032X}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-A{digits[17:20]}-{digits[20:]}"


def _order_number(number: int, submitted: datetime) -> str:
    # 9000 and 997 are coprime, so pairs repeat only after nine million orders.
    return f"{1000 + number * 7919 % 9000}-{submitted:%m%d%y}-{1 + number % 997}"


# Additions of each kind to a plain order; they return discount, freight and tax in cents.

Charges = tuple[int, int, int]


def _subtotal(made: Order) -> int:
    return sum(cents(line["extended_price"]) for line in made["items"] if line["extended_price"] is not None)


def _plain(rng: random.Random, made: Order) -> Charges:
    return 0, pick(rng, (0, 0, 0, 995, 1250)), 0


def _discount(rng: random.Random, made: Order) -> Charges:
    """An order discount that does not divide evenly over lines and quantities."""
    made["items"] = lines(rng, pick(rng, (2, 3, 5)))
    for line in made["items"]:
        line["quantity"] = pick(rng, (3, 7, 11))
        line["extended_price"] = text(cents(line["unit_price"]) * line["quantity"])
    return -(_subtotal(made) * pick(rng, (5, 10, 15)) // 100 + pick(rng, (1, 2, 3))), 0, 0


def _freight_tax(rng: random.Random, made: Order) -> Charges:
    subtotal = _subtotal(made)
    return 0, rng.randrange(500, 9999), (subtotal * 825 + 5000) // 10000


def _promotion(rng: random.Random, made: Order) -> Charges:
    made["items"].append(
        {
            "line": len(made["items"]) + 1,
            "item_number": "PROMO",
            "description": "Spring show: free freight over $500",
            "quantity": pick(rng, (0, 1, None)),
            "unit_price": None,
            "extended_price": None,
            "upc": None,
            "options": {},
        }
    )
    return 0, 0, 0


def _zero_price(rng: random.Random, made: Order) -> Charges:
    sample = _line(rng, len(made["items"]) + 1, "SWATCH-1", "Fabric sample", 0)
    made["items"].append(sample)
    return 0, 0, 0


def _half_cent(rng: random.Random, made: Order) -> Charges:
    """The unit price is rounded up from half a cent, so the extension is less than price times quantity."""
    line = made["items"][0]
    line["quantity"] = pick(rng, (2, 4, 6, 12))
    line["extended_price"] = text(cents(line["unit_price"]) * line["quantity"] - line["quantity"] // 2)
    return 0, 0, 0


def _custom_fields(rng: random.Random, made: Order) -> Charges:
    made["custom_fields"] = {"show": "Spring Market", "Bereich": "Wohnen & Küche", "buyer_code": str(rng.randrange(99))}
    return 0, 0, 0


def _named(name: str, company: str | None, made: Order) -> Charges:
    for side in ("bill_to", "ship_to"):
        made[side] = {**made[side], "name": name, "company": company}
    return 0, 0, 0


def _long_notes(rng: random.Random, made: Order) -> Charges:
    made["notes"] = " ".join(pick(rng, ("handle", "with", "cœur", "bitte", "🎁", "注意")) for _ in range(400))
    return 0, 0, 0


def _no_currency(rng: random.Random, made: Order) -> Charges:
    made["currency"] = None
    return 0, 0, 0


def _card_in_notes(rng: random.Random, made: Order) -> Charges:
    number = card_number(rng)
    shown = pick(rng, (number, " ".join(number[i : i + 4] for i in range(0, 16, 4))))
    made["notes"] = f"Customer asks to charge {shown} exp 12/29, thanks"
    return 0, 0, 0


def _card_in_payment(rng: random.Random, made: Order) -> Charges:
    number = card_number(rng)
    code = f"{rng.randrange(1000):03d}"
    made["payment"] |= {"method": "credit_card", "card_last4": number[-4:]}
    made["payment"] |= {"card_number": number, "security_code": code}
    return 0, 0, 0


_MAKERS: dict[str, Callable[[random.Random, Order], Charges]] = {
    "discount": _discount,
    "freight_tax": _freight_tax,
    "promotion": _promotion,
    "zero_price": _zero_price,
    "half_cent": _half_cent,
    "custom_fields": _custom_fields,
    "long_notes": _long_notes,
    "no_currency": _no_currency,
    "card_in_notes": _card_in_notes,
    "card_in_payment": _card_in_payment,
    "one_word_name": lambda rng, made: _named(pick(rng, sample_data.ONE_WORD), None, made),
    "company_only": lambda rng, made: _named("", pick(rng, sample_data.SHOPS), made),
}


# Families of versions.


def resubmissions(rng: random.Random, number: int) -> list[Order]:
    """An order and one or two later versions: same uuid, suffixed number, changed quantity."""
    first = order(rng, number)
    versions = [first]
    for suffix in range(1, pick(rng, (2, 2, 3))):
        version = copy.deepcopy(versions[-1])
        line = pick(rng, version["items"])
        line["quantity"] += pick(rng, (1, 2, 5))
        line["extended_price"] = text(cents(line["unit_price"]) * line["quantity"])
        version["order_number"] = f"{first['order_number']}-{suffix}"
        version["submitted_at"] = _later(version["submitted_at"], rng)
        versions.append(total_up(version))
    return versions


def reused_form(rng: random.Random, number: int) -> list[Order]:
    """A new order under an old uuid: the form was emptied and filled with other items."""
    first = order(rng, number)
    second = copy.deepcopy(first)
    old = frozenset(line["item_number"] for line in first["items"])
    second["items"] = lines(rng, pick(rng, (1, 2, 3)), avoid=old)
    second["order_number"] = f"{first['order_number']}-1"
    second["submitted_at"] = _later(second["submitted_at"], rng)
    return [first, total_up(second)]


def _later(moment: str, rng: random.Random) -> str:
    return (datetime.fromisoformat(moment) + timedelta(minutes=rng.randrange(5, 4000))).isoformat()
