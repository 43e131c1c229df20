"""PATCH, PUT and POST of an order: validation and the resulting order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from order_relay_sandbox.cloudsuite.errors import Refused
from order_relay_sandbox.cloudsuite.reading import STATES
from order_relay_sandbox.cloudsuite.store import Document, Order, OrderStore
from order_relay_sandbox.money import decimal_of

_TEXTS = ("key", "customer_order_number", "erp_order_number", "description", "order_date", "requested_delivery_date")
_SIDES = ("shipment_address", "invoice_address")
_IDS = ("customer", "user", "webshop")
_WRITABLE = (*_TEXTS, *_SIDES, *_IDS, "state", "shipment_state", "currency", "paid_amount", "order_lines")
_READ_ONLY = (
    "id",
    "reference",
    "payment_status",
    "offline",
    "create_date",
    "modified_date",
    "confirm_date",
    "loyalty",
)
_REQUIRED = ("state", "currency", "order_lines", "shipment_address", "webshop")
_LINE_REQUIRED = ("product", "type", "quantity")
_LINE_BLANK: Document = {"description": "", "unit_price": None, "erp_line_number": None}
_STEPS = ("state", "erp_order_number", "shipment_state")

Errors = dict[str, Any]


def parsed(raw: bytes) -> Document:
    """The body as an object with exact numbers; raises ``Refused`` (400)."""
    try:
        body = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(400, {"detail": "JSON parse error"}) from None
    if not isinstance(body, dict):
        raise Refused(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    return body


def patch(store: OrderStore, order: Order, body: Document) -> None:
    """Change the members in the body; raises ``Refused`` (400)."""
    changes = _checked(store, body, order)
    if len(changes) > 1 and not store.switches.combined_patch:
        raise Refused(400, {"non_field_errors": ["One member at a time."]})
    steps = Counter(name for name in _STEPS if name in changes)
    if "order_lines" in changes:
        changes["order_lines"] = _patched_lines(store, order, changes["order_lines"])
        steps.update(_numbered(changes["order_lines"]))
    store.write(order, {**order.document, **changes}, steps)


def put(store: OrderStore, order: Order, body: Document) -> None:
    """Replace the order. Missing members are cleared or kept (``put_omitted``). Raises ``Refused`` (400)."""
    _require(body)
    changes = _checked(store, body, order)
    kept = store.switches.put_omitted == "kept"
    after = dict(order.document) if kept else {**order.document, **dict.fromkeys(_WRITABLE)}
    after |= changes
    after["order_lines"] = _put_lines(store, order, changes["order_lines"])
    steps = Counter(name for name in _STEPS if after[name] != order.document.get(name))
    steps.update(["put", *_numbered(after["order_lines"])])
    store.write(order, after, steps)


def post(store: OrderStore, body: Document, order_id: int | None = None) -> Order:
    """Create an offline order; raises ``Refused`` (400), also if it exists."""
    _require(body)
    document = _checked(store, body, None)
    key = document.get("key")
    if key is not None and store.find(f"ext:{key}") is not None:
        raise Refused(400, {"key": ["order with this key already exists."]})
    if "id" in body and store.find(str(body["id"])) is not None:
        raise Refused(400, {"id": ["order with this id already exists."]})
    lines = [_LINE_BLANK | line for line in document["order_lines"]]
    created = store.create({**document, "payment_status": "account"} | ({} if order_id is None else {"id": order_id}))
    created.document["order_lines"] = [{**line, "id": _line_id(created.id, n)} for n, line in enumerate(lines, start=1)]
    return created


def _checked(store: OrderStore, body: Document, order: Order | None) -> Document:
    """The writable members of a body with exact amounts; raises ``Refused`` with every invalid member."""
    errors: Errors = {}
    unknown = [name for name in body if name not in _WRITABLE and name not in _READ_ONLY]
    if store.switches.unknown_members == "error":
        errors |= {name: ["Unknown member."] for name in unknown}
    checked: Document = {}
    for name in _WRITABLE:
        if name in body:
            try:
                checked[name] = _member(store, name, body[name], order)
            except ValueError as wrong:
                errors[name] = [str(wrong)]
    if errors:
        raise Refused(400, errors)
    return checked


def _member(store: OrderStore, name: str, value: Any, order: Order | None) -> Any:
    if name == "state":
        return _state(store, value, order)
    if name == "shipment_state":
        return _one_of(value, (None, *store.switches.shipment_states))
    if name in _SIDES:
        return _address(store, value)
    if name == "order_lines":
        return _lines(value)
    checks: dict[str, Callable[[Any], Any]] = {
        "currency": _currency,
        "paid_amount": _amount,
        **dict.fromkeys(_TEXTS, _text),
        **dict.fromkeys(_IDS, _id),
    }
    return checks[name](value)


def _state(store: OrderStore, value: Any, order: Order | None) -> str:
    _one_of(value, STATES)
    before = None if order is None else order.document["state"]
    if store.switches.transitions == "forward" and before is not None and value != before:
        backwards = STATES.index(value) < STATES.index(before)
        if backwards or before == "done":
            raise ValueError(f"A {before} order cannot become {value}.")
    state: str = value
    return state


def _one_of(value: Any, choices: tuple[Any, ...]) -> Any:
    if isinstance(value, list | dict) or value not in choices:
        raise ValueError(f'"{value}" is not a valid choice.')
    return value


def _address(store: OrderStore, value: Any) -> int | None:
    if isinstance(value, Mapping) and store.switches.written_addresses == "id_or_object":
        value = value.get("id")
    if value is None:
        return None
    if not isinstance(value, bool) and isinstance(value, int) and value in store.addresses:
        return value
    raise ValueError("Incorrect type or invalid pk: the id of an address is expected.")


def _currency(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 3:
        raise ValueError("Not a valid currency.")
    return value


def _amount(value: Any) -> Decimal | None:
    number = decimal_of(value)
    if value is not None and number is None:
        raise ValueError("A valid number is required.")
    return number


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("Not a valid string.")
    return value


def _id(value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("A valid integer is required.")
    return value


def _lines(value: Any) -> list[Document]:
    if not isinstance(value, list) or not all(isinstance(line, dict) for line in value):
        raise ValueError("Expected a list of items.")
    lines = []
    for line in value:
        checked = dict(line)
        for name, check in (("quantity", _amount), ("unit_price", _amount), ("erp_line_number", _id)):
            if name in line:
                checked[name] = check(line[name])
        lines.append(checked)
    return lines


def _require(body: Document) -> None:
    missing: Errors = {name: ["This field is required."] for name in _REQUIRED if name not in body}
    lines = body.get("order_lines")
    for line in lines if isinstance(lines, list) else []:
        if isinstance(line, dict) and any(name not in line for name in _LINE_REQUIRED):
            missing["order_lines"] = [f"Each line needs {', '.join(_LINE_REQUIRED)}."]
    if missing:
        raise Refused(400, missing)


def _patched_lines(store: OrderStore, order: Order, lines: list[Document]) -> list[Document]:
    way, old = store.switches.patch_lines, order.lines
    if way == "refused":
        raise Refused(400, {"order_lines": ["Lines cannot be changed by PATCH."]})
    if way == "ignored":
        return list(old)
    if way == "replaced":
        return _put_lines(store, order, lines)
    changes = {line.get("id"): line for line in lines}
    return [{**line, **changes.get(line.get("id"), {})} for line in old]


def _put_lines(store: OrderStore, order: Order, lines: list[Document]) -> list[Document]:
    """The lines of a replaced order. Lines keep their ids unless ``put_line_ids`` is ``renewed``."""
    old = {line.get("id"): line for line in order.lines}
    fresh = max((line_id for line_id in old if isinstance(line_id, int)), default=_line_id(order.id, 0))
    replaced = []
    for line in lines:
        known = old.get(line.get("id"))
        blank = {**_LINE_BLANK, **known} if known and store.switches.put_omitted == "kept" else _LINE_BLANK
        line_id = line.get("id")
        if known is None or store.switches.put_line_ids == "renewed":
            fresh += 1
            line_id = fresh
        replaced.append({**blank, **line, "id": line_id})
    return replaced


def _numbered(lines: list[Document]) -> list[str]:
    return ["erp_line_number"] if any(line.get("erp_line_number") is not None for line in lines) else []


def _line_id(order_id: int, position: int) -> int:
    return order_id * 100 + position


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
