"""Transforms a source's documents into the destination's payloads by mapping files and settings, a slice at a time.

documents -> canonical frames (``mapping.canonical``) -> check of the amounts (``totals``) -> items to send
(``derivation``, ``money.allocation``) -> payload objects (``builder``) -> the destination's schema and last check
(``checks``) -> bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.json_text import encode
from order_relay.orders.mapping import columns
from order_relay.orders.mapping.canonical import LINE_COLUMNS, ORDER_COLUMNS, CanonicalOrders, CanonicalReader
from order_relay.orders.mapping.content_hash import ContentPaths
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.notes import OrderNote, limit_notes
from order_relay.orders.payload.builder import PayloadBuilder
from order_relay.orders.payload.charges import Charges
from order_relay.orders.payload.derivation import allocate_items, derive_columns
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.mapping_setup import build_reader, build_tables, check_setup
from order_relay.orders.payload.payload_spec import ListSpec, PayloadSpec
from order_relay.orders.payload.totals import check_totals
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.privacy import redaction_marks
from order_relay.orders.privacy.card_data import REDACTED
from order_relay.orders.schema.validator import VendorFormat, field_name

TRANSFORM_VERSION = 2
"""Part of the fingerprint: increase it when this code produces other payloads for the same input."""


@dataclass(slots=True)
class TransformResult:
    """The result for one document: the ``payload`` to send, or the ``issues`` that reject it, or ``hold``.

    ``index``: position in the input. ``total_minor``: minor units of ``currency``. ``submitted_at`` (UTC): when the
    customer submitted the order; a search by date may use it. ``sent_as``: the order status in the payload (the hook
    ``read_status``). ``notes``: what was changed, left out or defaulted. ``hold``: the reason why an
    operator must decide before the order is sent.
    """

    index: int
    payload: bytes | None = field(default=None, repr=False)
    destination_key: str = ""
    total_minor: int = 0
    currency: str = ""
    submitted_at: datetime | None = None
    sent_as: str = ""
    notes: list[OrderNote] = field(default_factory=list)
    issues: list[ValidationIssue] = field(default_factory=list)
    hold: str = ""


class Transformer:
    """Turns documents of ``source`` into payloads of ``destination``.

    ``eligibility``: which of the source's orders may be sent. ``fingerprint`` changes when a mapping, schema, code
    table or setting changes. Raises ``ConfigurationError`` if mappings, overrides, constants and settings do not fit
    together.
    """

    def __init__(
        self,
        source: VendorFormat,
        destination: VendorFormat,
        settings: TransformSettings,
        hooks: PayloadHooks | None = None,
    ) -> None:
        self._hooks = hooks = hooks or PayloadHooks()
        self.source = source
        self.destination = destination
        self.settings = settings
        tables = build_tables(source, destination, settings)
        section = settings.overrides.source.get("gate", source.mapping.get("gate"))
        self.eligibility = EligibilityRules.from_mapping(
            section, tables, settings.named(f"mapping of {source.name}: gate")
        )
        self._reader = build_reader(source, settings, tables, hooks.derived)
        check_setup(source, destination, settings, self._reader)
        self._origins = {**COLUMN_ORIGINS, **hooks.derived}
        targets = [rule.target for rule in self._reader.orders]
        self._charges = Charges(targets, settings.charges, settings.named("transform"))
        self._form = PayloadSpec(
            destination,
            settings,
            hooks,
            tables,
            order_columns={*ORDER_COLUMNS, *targets},
            line_columns={*LINE_COLUMNS, *(rule.target for rule in self._reader.lines)},
            with_members={rule.target for rule in (*self._reader.orders, *self._reader.lines) if rule.has_members},
        )
        own = {**settings.rule_values(), **settings.model_dump(mode="json")}
        parts = [TRANSFORM_VERSION, source.fingerprint, destination.fingerprint, own]
        text = json.dumps(parts, sort_keys=True, default=str)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def reader(self) -> CanonicalReader:
        """Reads the source's documents into canonical frames with the rules of this pipeline."""
        return self._reader

    @property
    def contents(self) -> ContentPaths:
        """Fingerprints of the source's documents, over the members that this pipeline reads."""
        section = self.source.mapping.get("identity", {})
        identity = IdentityPaths.from_mapping(section, f"{self.source.name}: identity")
        return ContentPaths.of(self._reader, self.eligibility, identity)

    def transform(self, documents: Sequence[dict[str, Any]], key_marks: Sequence[str] = ()) -> list[TransformResult]:
        """One result per document, in the same order. No document affects another.

        ``key_marks`` (one per document, or none) are appended to the order numbers in the destination keys.
        """
        if not documents:
            return []
        removed_at = [redaction_marks.redacted_pointers(document) for document in documents]
        canonical = self._reader.read([redaction_marks.remove_marks(document) for document in documents])
        for row, pointers in enumerate(removed_at):
            if pointers:
                self._note_redactions(canonical, row, pointers)
        items = check_totals(canonical, self._reader)
        orders = derive_columns(canonical, self.settings.key_prefix)
        if self._hooks.derive_columns is not None:
            refuse = partial(self._refuse, canonical)
            orders |= self._hooks.derive_columns(orders, self.settings, refuse)
        for row, key in enumerate(orders["destination_key"]):
            if key is not None and key_marks:
                orders["destination_key"][row] = f"{key}{key_marks[row]}"
            elif key is None:
                self._refuse(canonical, row, "order_number", "missing_field", "is required but missing")
        good = [row for row, issues in enumerate(canonical.issues) if not issues]
        whole, of_order = allocate_items(
            items,
            canonical,
            orders,
            good,
            each_unit=self._form.each_unit,
            charges=self._charges,
            needed=self._form.item_columns,
        )
        built = self._build(canonical, orders, whole, of_order, good)
        return [self._result(row, canonical, orders, built.get(row), removed_at[row]) for row in range(len(documents))]

    def _note_redactions(self, canonical: CanonicalOrders, row: int, removed_at: Sequence[str]) -> None:
        """Note the redacted members of an order; a required value joined from one of them is incomplete."""
        canonical.notes[row] += redaction_marks.redaction_notes(removed_at)
        for location in filter(self._reader.is_required_part, removed_at):
            canonical.issues[row].append(
                ValidationIssue(
                    redaction_marks.CARD_DATA_REMOVED,
                    location,
                    f"{field_name(location)} held card data, which was removed",
                )
            )

    def _build(
        self,
        canonical: CanonicalOrders,
        orders: dict[str, list[Any]],
        whole: dict[str, list[Any]],
        of_order: Mapping[int, range],
        good: Sequence[int],
    ) -> dict[int, tuple[bytes, str]]:
        """Payload and status of the orders that the destination's schema accepts; the others are rejected."""
        heads = PayloadBuilder(self._form.order_targets, orders, len(canonical.orders), self._form.keys)
        owner = whole["order"]
        lifted = {
            name: [column[row] for row in owner]
            for name, column in orders.items()
            if name in self._form.item_columns and name not in whole
        }
        bodies = PayloadBuilder(self._form.item_targets, {**lifted, **whole}, len(owner), self._form.keys)
        lists = {name: self._entries(form, canonical, orders, good) for name, form in self._form.lists.items()}
        for row, issue in heads.wrong:
            if row in of_order:
                canonical.issues[row].append(self._at_source(issue, {}, range(0)))
        for of_row, part in ((owner, bodies), *lists.values()):
            for index, issue in part.wrong:
                canonical.issues[of_row[index]].append(issue)
        still = [row for row in good if not canonical.issues[row]]
        items = bodies.build(range(len(owner)))
        entries = {name: _by_order(of_row, part.build(range(len(of_row)))) for name, (of_row, part) in lists.items()}
        payloads = {}
        for row, head in zip(still, heads.build(still), strict=True):
            span = of_order[row]
            payload = {**head, self._form.items: items[span.start : span.stop]}
            for name, of_orders in entries.items():
                if given := [entry for entry in of_orders.get(row, ()) if entry]:
                    payload[name] = given
            issues = self._form.format.check(payload) or self._form.check.issues(payload, orders, row)
            if issues:
                canonical.issues[row] += [self._at_source(issue, whole, span) for issue in issues]
            else:
                payloads[row] = self._encoded(canonical, row, payload), self._status(payload)
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
                self._refuse(canonical, row, form.column, "wrong_type", "must be a list of objects")
                given = None
            documents += given or [{}]
            owner += [row] * len(given or [{}])
        paths = {path for aim in form.targets for path in aim.rule.paths}
        rows = columns.DocumentRows(documents)
        found = {path: rows.column(member) for path in paths if (member := form.member(path))}
        for name in {columns.column_of(path, orders) for path in paths - found.keys()}:
            found[name] = [orders[name][row] for row in owner]
        return owner, PayloadBuilder(form.targets, found, len(owner), self._form.keys)

    def _status(self, payload: Mapping[str, Any]) -> str:
        read = self._hooks.read_status
        return read(payload, self.settings) if read is not None else ""

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

    def _at_source(self, issue: ValidationIssue, whole: Mapping[str, list[Any]], span: range) -> ValidationIssue:
        """An issue of the payload, reported at the member of the source's document that the value came from."""
        parts = issue.pointer.split("/")[1:]
        of_item = len(parts) > 1 and parts[0] == self._form.items and parts[1].isdigit()
        names = [part for part in parts if not part.isdigit()]
        for shape in (names, [f"{names[0]}[]", *names[1:]] if names else []):
            origin = next(iter(self._form.sources.get(".".join(shape), ())), "")
            if not origin:
                continue
            if of_item and span:
                location = self._line_place(origin, whole, span.start + int(parts[1]))
            else:
                location = self._reader.order_pointer(self._origins.get(origin, origin))
            if location:
                return ValidationIssue(issue.code, location, f"{field_name(location)}, sent as {issue.message}")
        return issue

    def _line_place(self, column: str, whole: Mapping[str, list[Any]], index: int) -> str:
        position = whole["position"][index]
        return self._reader.line_pointer(column, position) if position >= 0 else ""

    def _refuse(self, canonical: CanonicalOrders, row: int, column: str, code: str, problem: str) -> None:
        location = self._reader.order_pointer(column)
        if not any(known.pointer == location for known in canonical.issues[row]):
            canonical.issues[row].append(ValidationIssue(code, location, f"{field_name(location)} {problem}"))

    def _result(
        self,
        row: int,
        canonical: CanonicalOrders,
        orders: Mapping[str, list[Any]],
        built: tuple[bytes, str] | None,
        removed: Sequence[str],
    ) -> TransformResult:
        payload, status = built or (None, "")
        result = TransformResult(row, payload, sent_as=status, notes=limit_notes(canonical.notes[row]))
        marked = payload is not None and REDACTED.encode() in payload
        if marked or (payload is None and redaction_marks.caused_by_redaction(canonical.issues[row], removed)):
            result.payload, result.hold = None, redaction_marks.CARD_DATA_REMOVED
            return result
        if payload is None:
            result.issues = sorted(set(canonical.issues[row]), key=lambda issue: (issue.pointer, issue.code))
            return result
        result.destination_key = orders["destination_key"][row]
        result.total_minor = orders["total"][row]
        result.currency = orders["currency"][row]
        result.submitted_at = orders["submitted_at"][row]
        return result


def _by_order(owner: Sequence[int], entries: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row, entry in zip(owner, entries, strict=True):
        found.setdefault(row, []).append(entry)
    return found


COLUMN_ORIGINS = {"destination_key": "order_number", "comment": "notes"}
"""The canonical column of each derived one, to report an issue at the source's member."""
