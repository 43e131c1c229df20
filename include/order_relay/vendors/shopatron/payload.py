"""What importOrder needs beyond the mapping file: names, address lines, and the account's spelling of statuses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from order_relay.orders.mapping.converters import split_name
from order_relay.orders.payload.hooks import OrderColumns, PayloadHooks, Refuse
from order_relay.orders.schema.validator import VendorFormat
from order_relay.vendors.shopatron.payload_checks import NEEDED, check_payload, read_status
from order_relay.vendors.shopatron.transform import STATUSES, ShopatronTransform, is_public_ipv4

STATUS = "orderStatus"
_STATUS_COLUMN = "fulfilment_status"

DERIVED = {
    "bill_first": "bill_name",
    "bill_last": "bill_name",
    "ship_first": "ship_name",
    "ship_last": "ship_name",
    "ship_custom_name": "ship_name",
    "ship_line1": "ship_address1",
    "ship_line2": "ship_address2",
    "ship_line3": "ship_address2",
    "status_word": _STATUS_COLUMN,
    "mail_customer": "historic",
}


def derive_columns(orders: OrderColumns, settings: ShopatronTransform, refuse: Refuse) -> dict[str, list[Any]]:
    """First and last names, the address lines of the recipient, the order's own status, and whether it may be mailed.

    The OMS requires a last name: a company, or the other party, replaces a missing one. Orders without any name
    are refused.
    """
    columns: dict[str, list[Any]] = {}
    for side, other in (("bill", "ship"), ("ship", "bill")):
        first, last = columns[f"{side}_first"], columns[f"{side}_last"] = [], []
        for name, company, other_name, other_company in zip(
            orders[f"{side}_name"],
            orders[f"{side}_company"],
            orders[f"{other}_name"],
            orders[f"{other}_company"],
            strict=True,
        ):
            given, family = split_name(name)
            if family is None:
                given, family = None, company
            if family is None:
                given, family = split_name(other_name)
            first.append(given)
            last.append(family or other_company)
    names = zip(*(orders[name] for name in ("bill_name", "bill_company", "ship_name", "ship_company")), strict=True)
    for row, of_order in enumerate(names):
        if not any(of_order):
            problem = "and the company name are missing; enter one of them"
            refuse(row, "bill_name", "missing_field", problem)
    columns["status_word"] = _own_statuses(orders[_STATUS_COLUMN], settings, refuse)
    columns["mail_customer"] = [
        settings.send_email and (settings.send_email_for_history or not historic) for historic in orders["historic"]
    ]
    return columns | _recipient(orders, columns, settings.ship_to_name)


def _own_statuses(given: Iterable[Any], settings: ShopatronTransform, refuse: Refuse) -> list[str | None]:
    """The orders' own statuses as the account spells them; ``None`` without one. Unknown statuses are refused."""
    found: list[str | None] = []
    words = settings.status_values or {word: word for word in STATUSES}
    for row, value in enumerate(given):
        status = str(value).strip().upper() if value is not None else None
        found.append(words.get(status) if status else None)
        if status and status not in words:
            problem = f"is not a status of the OMS. Known: {', '.join(words)}. Add a row to the code table of its rule"
            refuse(row, _STATUS_COLUMN, "not_allowed", problem)
    return found


def _recipient(orders: OrderColumns, names: OrderColumns, placement: str) -> dict[str, list[Any]]:
    first, second = list(orders["ship_address1"]), list(orders["ship_address2"])
    none: list[Any] = [None] * len(first)
    whole = [
        " ".join(part for part in (given, family) if part) or None
        for given, family in zip(names["ship_first"], names["ship_last"], strict=True)
    ]
    lines = (whole, first, second) if placement == "address_line" else (first, second, none)
    found = {"ship_custom_name": whole if placement == "custom_data" else none}
    found |= dict(zip(("ship_line1", "ship_line2", "ship_line3"), lines, strict=True))
    if placement != "names":
        found["ship_first"] = found["ship_last"] = none
    return found


def adapt_format(form: VendorFormat, settings: ShopatronTransform) -> VendorFormat:
    """The format with the name and values of the status as the translated platform spells them."""
    field, words = settings.status_field, settings.status_values
    if field == STATUS and not words:
        return form
    members = dict(form.schema["properties"])
    allowed = sorted(set(words.values())) or members[STATUS]["enum"]
    members.pop(STATUS)
    members[field] = {"enum": allowed}
    required = [field if name == STATUS else name for name in form.schema["required"]]
    fields = [{**rule, "target": field} if rule["target"] == STATUS else rule for rule in form.mapping["fields"]]
    return VendorFormat(
        form.name,
        {**form.schema, "properties": members, "required": required},
        {**form.mapping, "fields": fields},
    )


def check_constants(
    constants: Mapping[str, Any], filled: Set[str], settings: ShopatronTransform
) -> Iterator[tuple[str, str]]:
    """Constants that the last check would refuse in every order, and what a constant status requires."""
    address = constants.get("customerIP")
    if address is not None and not is_public_ipv4(str(address)):
        yield "customerIP", "must be a public IPv4 address, not an internal or reserved one"
    status = read_status(constants, settings) or settings.order_status  # of orders without a status of their own
    for needed in NEEDED.get(status, ()):
        if needed not in filled:
            yield (
                settings.status_field,
                f"order_status {status} requires {needed}: set it in the pipeline's file or by a mapping rule",
            )


HOOKS = PayloadHooks(
    derived=DERIVED,
    adapt_format=adapt_format,
    derive_columns=derive_columns,
    check_constants=check_constants,
    check_payload=check_payload,
    read_status=read_status,
)
