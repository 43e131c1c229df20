"""What an archived order must pass before its payload is built: readability, the source's schema, eligibility."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from order_relay.errors import ValidationIssue
from order_relay.ledger import SourceHold, WorkItem
from order_relay.orders.empty_values import drop_empty
from order_relay.orders.identity.source_identity import HASHED_ID_PREFIX, IdentityPaths, read_order_number
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.mapping.eligibility import GO, WAIT
from order_relay.orders.messages import UNREAD_PROBLEMS
from order_relay.orders.notes import READABLE_NUMBER, OrderNote
from order_relay.orders.payload.transformer import Transformer
from order_relay.orders.privacy.redaction_marks import redacted_pointers
from order_relay.orders.schema.malformed import LOCATION_KEY, NUMBER_KEY, is_malformed, malformed_issues
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.archive import REMOVED
from order_relay.pipeline.corrected_orders import UncorrectableOrder
from order_relay.pipeline.report.advice import explain

ARCHIVE_REMOVED = ValidationIssue("archive_removed", "", explain("archive_removed"))


@dataclass(frozen=True)
class SourceCheck:
    """The result for one order: ``issues`` that refuse it, or a ``hold`` while its source does not release it, or
    neither. ``notes`` belong to a refused order."""

    issues: list[ValidationIssue] = field(default_factory=list)
    hold: SourceHold | None = None
    notes: list[OrderNote] = field(default_factory=list)


def check_source(work: WorkItem, document: Any, source: VendorFormat, transformer: Transformer) -> SourceCheck:
    """Check one archived order (``REMOVED`` if retention removed it) with its corrections."""
    if document is REMOVED:
        return SourceCheck([ARCHIVE_REMOVED])
    if isinstance(document, UncorrectableOrder):
        return SourceCheck(document.issues)
    if is_malformed(document):
        return SourceCheck(malformed_issues(document), notes=_malformed_notes(document))
    issues = source_issues(work, document, source, transformer.reader)
    rules = transformer.historic_eligibility if work.history else transformer.eligibility
    verdict = rules.evaluate(document)
    if verdict.refusal and work.problem not in UNREAD_PROBLEMS:  # of those only the id is known
        issues.append(verdict.refusal)
    if issues:
        return SourceCheck(issues, notes=_number_note(_unnamed_number(work, document, source)))
    if verdict.verdict != GO:
        return SourceCheck(hold=SourceHold(work, verdict.reason, ask_again=verdict.verdict == WAIT))
    return SourceCheck()


def historic_flags(works: Sequence[WorkItem]) -> dict[str, Any]:
    """The argument ``historic`` of ``Transformer.transform`` for these submissions; empty if it applies to none."""
    flags = [bool(work.history) for work in works]
    return {"historic": flags} if any(flags) else {}


def source_issues(
    work: WorkItem, document: Any, source: VendorFormat, reader: CanonicalReader
) -> list[ValidationIssue]:
    """Why an archived order cannot be used: problems found while reading it, or violations of the source's schema.

    Empty members count as missing. Members that the mapping calls informational refuse nothing. Neither do members from
    which card data was removed: the transformation decides about those.
    """
    if is_malformed(document):
        return malformed_issues(document)
    issues = [ValidationIssue(work.problem, "", explain(work.problem))] if work.problem else []
    if work.problem in UNREAD_PROBLEMS or source.accepts(document):
        return issues
    removed = redacted_pointers(document)
    found = source.check(drop_empty(document))
    return issues + [
        issue for issue in found if issue.pointer not in removed and not reader.is_informational(issue.pointer)
    ]


def _malformed_notes(document: Mapping[str, Any]) -> list[OrderNote]:
    """Where the order was in the source's response. A note and not an issue, because it differs from run to run."""
    note = OrderNote("position", "", f"{document[LOCATION_KEY]}, when it was read last")
    return [note, *_number_note(document.get(NUMBER_KEY, ""))]


def _number_note(number: str) -> list[OrderNote]:
    return [OrderNote(READABLE_NUMBER, "", number)] if number else []


def _unnamed_number(work: WorkItem, document: Any, source: VendorFormat) -> str:
    """The readable order number of an order that is stored under the hash of its content; empty for all others."""
    if not work.source_id.startswith(HASHED_ID_PREFIX):
        return ""
    return read_order_number(document, IdentityPaths.from_mapping(source.mapping["identity"]))
