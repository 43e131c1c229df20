"""Transforms a source's documents into the destination's payloads by mapping files and settings, a slice at a time.

documents -> canonical frames (``mapping.canonical``) -> check of the amounts (``money.totals``) -> columns with decimal
amounts (``derivation``) and items to send (``items``) -> payload objects (``builder``, ``assembly``) -> the
destination's schema and last check (``checks``) -> bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.identity.source_identity import IdentityPaths
from order_relay.orders.mapping.canonical import LINE_COLUMNS, ORDER_COLUMNS, CanonicalOrders, CanonicalReader
from order_relay.orders.mapping.columns import CONVERSION_ERRORS
from order_relay.orders.mapping.content_hash import ContentPaths
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.mapping.mapping_rules import normalize_words
from order_relay.orders.money.totals import check_totals
from order_relay.orders.notes import OrderNote, limit_notes
from order_relay.orders.payload.assembly import PayloadAssembler
from order_relay.orders.payload.constants import schema_problem
from order_relay.orders.payload.derivation import derive_columns, place_sums
from order_relay.orders.payload.hooks import PayloadHooks
from order_relay.orders.payload.items.charges import Charges
from order_relay.orders.payload.items.item_columns import ItemBuilder
from order_relay.orders.payload.mapping_setup import build_reader, build_tables, check_setup
from order_relay.orders.payload.payload_spec import PayloadSpec
from order_relay.orders.payload.transform_settings import TransformSettings
from order_relay.orders.privacy import redaction_marks
from order_relay.orders.privacy.card_data import REDACTED
from order_relay.orders.schema.validator import VendorFormat, field_name

TRANSFORM_VERSION = 3
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

    ``eligibility``: which of the source's orders may be sent; ``historic_eligibility``: which of those that a history
    import read. ``fingerprint`` changes when a mapping, schema, code
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
        history = settings.overrides.source.get("history_gate", source.mapping.get("history_gate", section))
        self.historic_eligibility = EligibilityRules.from_mapping(
            history, tables, settings.named(f"mapping of {source.name}: history_gate")
        )
        self._reader = build_reader(source, settings, tables, hooks.derived)
        check_setup(source, destination, settings, self._reader)
        targets = [rule.target for rule in self._reader.orders]
        charges = Charges(targets, settings.charges, settings.named("transform"))
        form = PayloadSpec(
            destination,
            settings,
            hooks,
            tables,
            order_columns={*ORDER_COLUMNS, *targets},
            line_columns={*LINE_COLUMNS, *(rule.target for rule in self._reader.lines)},
            with_members={rule.target for rule in (*self._reader.orders, *self._reader.lines) if rule.has_members},
            unmapped={*ORDER_COLUMNS}.difference(targets),
        )
        self._form = form
        self._items = ItemBuilder(form.amounts, charges, form.item_columns)
        self._assembler = PayloadAssembler(form, self._reader, hooks.derived)
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

    def row_problem(self, table: str, key: str) -> str:
        """Why a rule cannot use the value of a code table's row; empty if all rules can."""
        code, schema = normalize_words(key), self._form.format.schema
        read = ((rule, False) for rule in (*self._reader.orders, *self._reader.lines))
        for rule, sent in (*read, *((rule, True) for rule in self._form.rules)):
            if rule.table_name != table or rule.table is None or code not in rule.table:
                continue
            value, problem = rule.table[code], ""
            try:
                value = value if rule.converter is None else rule.converter(value)
                if sent and not rule.target.endswith(".*"):
                    problem = schema_problem(schema, tuple(rule.target.split(".")), value)
            except RecordRejectedError as error:
                problem = error.issues[0].message
            except CONVERSION_ERRORS:
                problem = "cannot be read from it"
            if problem:
                return f"{rule.target}: {problem}"
        return ""

    def transform(
        self, documents: Sequence[dict[str, Any]], key_marks: Sequence[str] = (), historic: Sequence[bool] = ()
    ) -> list[TransformResult]:
        """One result per document, in the same order. No document affects another.

        ``key_marks`` (one per document, or none) are appended to the order numbers in the destination keys.
        ``historic`` (one per document, or none): whether a history import read it.
        """
        if not documents:
            return []
        removed_at = [redaction_marks.redacted_pointers(document) for document in documents]
        canonical = self._reader.read([redaction_marks.remove_marks(document) for document in documents])
        for row, pointers in enumerate(removed_at):
            if pointers:
                self._note_redactions(canonical, row, pointers)
        items = check_totals(canonical, self._reader)
        minor = {str(name): canonical.orders[name].tolist() for name in canonical.orders.columns}
        orders = derive_columns(canonical, minor, self.settings.key_prefix)
        orders["historic"] = list(historic) or [False] * len(documents)
        refuse = partial(self._assembler.refuse, canonical)
        if self._hooks.derive_columns is not None:
            orders |= self._hooks.derive_columns(orders, self.settings, refuse)
        for row, key in enumerate(orders["destination_key"]):
            if key is not None and key_marks:
                orders["destination_key"][row] = f"{key}{key_marks[row]}"
            elif key is None:
                refuse(row, "order_number", "missing_field", "is required but missing")
        good = [row for row, issues in enumerate(canonical.issues) if not issues]
        built = self._items.build(items, canonical, minor, good)
        place_sums(orders, built.sums, minor["scale"])
        made = self._assembler.assemble(canonical, orders, built, good)
        known = {**orders, "total": minor["total"]}
        return [self._result(row, canonical, known, made.get(row), removed_at[row]) for row in range(len(documents))]

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
