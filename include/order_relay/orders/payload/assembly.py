"""Assembles payloads from columns, and checks each against the destination's schema and last check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.json_text import encode
from order_relay.orders.mapping import columns
from order_relay.orders.mapping.canonical import CanonicalOrders, CanonicalReader
from order_relay.orders.notes import OrderNote
from order_relay.orders.payload.builder import PayloadBuilder
from order_relay.orders.payload.items.item_columns import BuiltItems
from order_relay.orders.payload.payload_spec import ListSpec, PayloadSpec
from order_relay.orders.schema.validator import field_name

_ORIGINS = {"destination_key": "order_number", "comment": "notes"}
"""The canonical column of each derived one, to report an issue at the source's member."""


class PayloadAssembler:
    """Assembles the payloads of one destination. ``derived``: see ``PayloadHooks``."""

    def __init__(self, form: PayloadSpec, reader: CanonicalReader, derived: Mapping[str, str]) -> None:
        self._form = form
        self._reader = reader
        self._origins = {**_ORIGINS, **derived}

    def assemble(
        self, canonical: CanonicalOrders, orders: dict[str, list[Any]], items: BuiltItems, good: Sequence[int]
    ) -> dict[int, tuple[bytes, str]]:
        """Payload and status of the orders that the destination's schema accepts; the others are rejected.

        ``orders``: the columns that the rules read. Adds to the issues and notes of ``canonical``.
        """
        heads = PayloadBuilder(self._form.order_targets, orders, len(canonical.orders), self._form.keys)
        owner = items.columns["order"]
        lifted = {
            name: [column[row] for row in owner]
            for name, column in orders.items()
            if name in self._form.item_columns and name not in items.columns
        }
        bodies = PayloadBuilder(self._form.item_targets, {**lifted, **items.columns}, len(owner), self._form.keys)
        lists = {name: self._entries(form, canonical, orders, good) for name, form in self._form.lists.items()}
        for row, issue in heads.wrong:
            if row in items.spans:
                canonical.issues[row].append(self._at_source(issue))
        for of_row, part in ((owner, bodies), *lists.values()):
            for index, issue in part.wrong:
                canonical.issues[of_row[index]].append(issue)
        still = [row for row in good if not canonical.issues[row]]
        bodies_made = bodies.build(range(len(owner)))
        entries = {name: _by_order(of_row, part.build(range(len(of_row)))) for name, (of_row, part) in lists.items()}
        payloads = {}
        for row, head in zip(still, heads.build(still), strict=True):
            span = items.spans[row]
            payload = {**head, self._form.items: bodies_made[span.start : span.stop]}
            for name, of_orders in entries.items():
                if given := [entry for entry in of_orders.get(row, ()) if entry]:
                    payload[name] = given
            issues = self._form.format.check(payload) or self._form.check.issues(payload, orders, row)
            if issues:
                canonical.issues[row] += [self._at_source(issue, items, span) for issue in issues]
            else:
                payloads[row] = self._encoded(canonical, row, payload), self._form.status(payload)
        self._note(canonical, heads, (owner, bodies), *lists.values())
        return {row: (payload, status) for row, (payload, status) in payloads.items() if payload is not None}

    def _entries(
        self, form: ListSpec, canonical: CanonicalOrders, orders: Mapping[str, list[Any]], good: Sequence[int]
    ) -> tuple[list[int], PayloadBuilder]:
        """The entries of one list of the payload, at least one per order, and the row of the order of each."""
        owner: list[int] = []
        documents: list[Any] = []
        for row in good:
            given = orders[form.column][row] if form.column else None
            if given is not None and not (isinstance(given, list) and all(isinstance(one, dict) for one in given)):
                self.refuse(canonical, row, form.column, "wrong_type", "must be a list of objects")
                given = None
            documents += given or [{}]
            owner += [row] * len(given or [{}])
        paths = {path for aim in form.targets for path in aim.rule.paths}
        rows = columns.DocumentRows(documents)
        found = {path: rows.column(member) for path in paths if (member := form.member(path))}
        for name in {columns.column_of(path, orders) for path in paths - found.keys()}:
            found[name] = [orders[name][row] for row in owner]
        return owner, PayloadBuilder(form.targets, found, len(owner), self._form.keys)

    def _encoded(self, canonical: CanonicalOrders, row: int, payload: dict[str, Any]) -> bytes | None:
        try:
            return encode(payload)
        except (UnicodeEncodeError, TypeError, RecursionError):
            canonical.issues[row].append(
                ValidationIssue("not_encodable", "", "the payload holds a value that JSON cannot represent")
            )
            return None

    def _note(
        self, canonical: CanonicalOrders, heads: PayloadBuilder, *parts: tuple[Sequence[int], PayloadBuilder]
    ) -> None:
        """Add the builders' notes to the orders, each once."""
        found: list[tuple[int, OrderNote]] = list(heads.notes)
        for owner, part in parts:
            found += [(owner[index], note) for index, note in part.notes]
        for row, note in found:
            if note not in canonical.notes[row]:
                canonical.notes[row].append(note)

    def refuse(self, canonical: CanonicalOrders, row: int, column: str, code: str, problem: str) -> None:
        """Reject an order for a canonical column, unless the column has been rejected before."""
        location = self._reader.order_pointer(column)
        if not any(known.pointer == location for known in canonical.issues[row]):
            canonical.issues[row].append(ValidationIssue(code, location, f"{field_name(location)} {problem}"))

    def _at_source(
        self, issue: ValidationIssue, items: BuiltItems | None = None, span: range = range(0)
    ) -> ValidationIssue:
        """An issue of the payload, reported at the member of the source's document that the value came from."""
        parts = issue.pointer.split("/")[1:]
        of_item = len(parts) > 1 and parts[0] == self._form.items and parts[1].isdigit()
        names = [part for part in parts if not part.isdigit()]
        for shape in (names, [f"{names[0]}[]", *names[1:]] if names else []):
            origin = next(iter(self._form.sources.get(".".join(shape), ())), "")
            if not origin:
                continue
            if of_item and items is not None:
                location = self._line_place(origin, items, span.start + int(parts[1]))
            else:
                location = self._reader.order_pointer(self._origins.get(origin, origin))
            if location:
                message = f"{field_name(location)}, sent as {issue.message}"
                return replace(issue, pointer=location, message=message)
        return issue

    def _line_place(self, column: str, items: BuiltItems, index: int) -> str:
        position = items.columns["position"][index]
        return self._reader.line_pointer(column, position) if position >= 0 else ""


def _by_order(owner: Sequence[int], entries: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row, entry in zip(owner, entries, strict=True):
        found.setdefault(row, []).append(entry)
    return found
