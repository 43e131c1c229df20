"""Extract: archive the source's orders as one batch and enter their identities into the ledger.

Orders are streamed: card data is removed, the text is archived, and only the identity columns stay in memory. Nothing
counts until the source's response has ended without an error; the batch is then closed and received in one transaction.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from order_relay.batches import BatchStore, BatchWriter, Manifest
from order_relay.errors import redacted_trace
from order_relay.ledger import BatchInfo, Ledger
from order_relay.ledger.schema.records import HistoryMark
from order_relay.orders.identity.source_identity import (
    HASHED_ID_PREFIX,
    IDENTITY_COLUMNS,
    POSITION_COLUMNS,
    IdentityPaths,
    identify,
    read_order_number,
)
from order_relay.orders.json_text import encode
from order_relay.orders.mapping.content_hash import ContentPaths
from order_relay.orders.mapping.eligibility import CANCELLED_THERE, GO, EligibilityRules
from order_relay.orders.messages import UNREAD_PROBLEMS, RunContext, Selection, SourceListing, SourceOrder
from order_relay.orders.privacy.card_data import is_clean, redact, redact_text
from order_relay.orders.privacy.redaction_marks import mark_redactions
from order_relay.orders.schema.malformed import wrap_malformed
from order_relay.pipeline.ports import Source
from order_relay.pipeline.retention.order_data import removed_before
from order_relay.pipeline.runs.fetch_plan import FetchPlan
from order_relay.pipeline.runs.login_guard import guarded_login
from order_relay.pipeline.stages.content_fingerprints import renew_fingerprints

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

MAX_WARNINGS = 50
"""Maximum distinct warnings kept per fetch."""

ReceiveBatch = Callable[[RunContext, BatchInfo, "pd.DataFrame", str], dict[str, int]]
"""What happens to a closed batch: as ``Intake.receive``."""


def extract(
    ctx: RunContext,
    source: Source,
    ledger: Ledger,
    store: BatchStore,
    reading: FetchPlan,
    *,
    batch_id: str,
    transform_fingerprint: str,
    connection_fingerprint: str,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    take_in: ReceiveBatch | None = None,
    contents: ContentPaths | None = None,
    eligibility: EligibilityRules | None = None,
) -> Manifest:
    """Fetch the orders of the plan ``reading`` once, archive them, and receive them in the ledger.

    The batch id is ``batch_id`` plus a random suffix, so that a retry (or a second worker with the same run) never
    overwrites a batch to which the ledger refers; ``Manifest.batch_id`` is the full id.
    ``take_in`` replaces ``Intake.receive``. ``contents``: the members whose change counts as a change of the order;
    default: those in the source's own mapping, or every member if it has no rules. ``eligibility``: the source's rules;
    without them, an order that is offered as cancelled after its import is not noticed.
    Raises what ``Source.fetch`` raises; the open batch is then removed and nothing is received.
    """
    paths = IdentityPaths.from_mapping(source.format.mapping.get("identity", {}), f"{source.format.name}: identity")
    mapping = source.format.mapping
    contents = contents or (ContentPaths.of_mapping(mapping, paths) if "order" in mapping else None)
    unique_id = f"{batch_id}-{secrets.token_hex(4)}"
    writer = BatchWriter(store, ctx.pipeline, unique_id)
    offers, listing = _IdentityColumns(), SourceListing()
    fetched_at = clock()  # before the request: later orders are not part of this response
    warnings = SourceWarnings()
    try:
        with guarded_login(ctx, ledger, connection_fingerprint):
            selection = replace(reading.selection, listing=listing, warn=warnings)
            _archive(source, selection, writer, offers, paths=paths, contents=contents, eligibility=eligibility)
        facts = {
            "fetched_at": fetched_at.isoformat(),
            "source": source.account,
            "run": ctx.run,
            **reading.facts(),
            "warnings": warnings.texts,
        }
        # including listed ids, so that the accounting check reports an order that was listed but never offered
        manifest = writer.close(dict.fromkeys([*offers.columns["source_id"], *listing.expected]), facts)
    except BaseException:
        _discard(writer)
        raise
    batch = BatchInfo(
        unique_id,
        manifest.name,
        manifest.records,
        fetched_at,
        reading.complete,
        reading.read_to,
        reading.from_past,
        offers.unread,
        reading.unread_rules,
        source.windowed,
        reading.history,
    )
    frame = offers.frame() if offers.columns["source_id"] else None
    if contents is not None and frame is not None:
        renew_fingerprints(ctx, ledger.fingerprints, store, frame, unique_id, contents=contents)
    _follow_cancellations(ctx, ledger, offers.columns, fetched_at)
    if take_in is not None:
        actions = take_in(ctx, batch, offers.frame() if frame is None else frame, transform_fingerprint)
    else:
        actions = ledger.intake.receive(ctx, batch, frame, transform_fingerprint)
    if missing := set(reading.asked_again) - set(offers.columns["source_id"]):
        log.info(
            "%d orders requested by id are no longer offered by the source",
            ledger.source_holds.mark_withdrawn(ctx, missing),
        )
    if offers.unread:
        log.warning("%d orders could not be read; they are fetched again", len(offers.unread))
    log.info("batch %s: %d orders, card data removed from %d; %s", unique_id, manifest.records, offers.cuts, actions)
    return manifest


def _follow_cancellations(
    ctx: RunContext, ledger: Ledger, columns: Mapping[str, Sequence[Any]], fetched_at: datetime
) -> None:
    """Record which orders that were sent are offered as cancelled, or as valid again.

    Before the batch is received: after a crash in between, the orders are fetched and offered again.
    """
    by_verdict: dict[str, set[str]] = {CANCELLED_THERE: set(), GO: set()}
    for source_id, verdict in zip(columns["source_id"], columns["verdict"], strict=True):
        by_verdict.setdefault(verdict, set()).add(source_id)
    if by_verdict[CANCELLED_THERE] or by_verdict[GO]:
        ledger.cancellations.follow_offers(ctx, by_verdict[CANCELLED_THERE], by_verdict[GO], fetched_at)


def replay_archived(  # noqa: PLR0917 - the shape that all stages have
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    start: datetime,
    end: datetime,
    history: HistoryMark | None = None,
) -> Manifest:
    """Put archived orders fetched in [start, end) back to ``received``: the backfill of a source without dates.

    ``history``: as in ``BatchInfo``. Makes no request. ``Manifest.records``: how many were put back; sent orders are
    not affected. Logs a warning if retention removed raw orders of this interval.
    """
    count = ledger.worklist.replay_interval(ctx, start, end, history)
    if not count:
        log.info("no archived order fetched between %s and %s can be evaluated again", start, end)
    cutoff = removed_before(store, ctx.pipeline, "archive")
    if cutoff is not None and start < cutoff:
        log.warning(
            "retention removed raw orders fetched before %s (except open ones): they are not evaluated again", cutoff
        )
    return Manifest("replay", ctx.pipeline, records=count)


class SourceWarnings:
    """Distinct warnings about a source's responses: logged, and kept with the batch for the report."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, text: str) -> None:
        """Log and keep a warning, unless it is known or there are ``MAX_WARNINGS``."""
        if text not in self.texts and len(self.texts) < MAX_WARNINGS:
            self.texts.append(text)
            log.warning("%s", text)


class _IdentityColumns:
    """The identity columns of a batch, kept column by column (a dict per order would take three times the memory)."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in (*IDENTITY_COLUMNS, "verdict", *POSITION_COLUMNS)}
        self.cuts = 0
        self.unread: dict[str, str] = {}

    def add(self, identity: dict[str, Any], position: tuple[int, int], verdict: str = "") -> None:
        columns = self.columns
        columns["verdict"].append(verdict)
        for name, value in identity.items():
            columns[name].append(value)
        columns["part"].append(position[0])
        columns["row"].append(position[1])

    def frame(self) -> pd.DataFrame:
        """The frame for the ledger; missing suffixes stay ``None``."""
        import pandas as pd

        columns: dict[str, Any] = {name: self.columns[name] for name in (*IDENTITY_COLUMNS, *POSITION_COLUMNS)}
        for name in ("suffix", "items"):
            columns[name] = pd.Series(columns[name], dtype=object)
        return pd.DataFrame(columns)


def _archive(
    source: Source,
    selection: Selection,
    writer: BatchWriter,
    offers: _IdentityColumns,
    *,
    paths: IdentityPaths,
    contents: ContentPaths | None,
    eligibility: EligibilityRules | None,
) -> None:
    fingerprint = contents.fingerprint if contents else None
    for offered in source.fetch(selection):
        if offered.text:
            identity, text = _unreadable(offered, paths, offers)
            offers.add(identity, writer.add(text))
            continue
        document = offered.document
        text = encode(document)
        if not is_clean(document, text):
            document, places = redact(document)
            if places:
                text = encode(mark_redactions(document, places))
                offers.cuts += 1
        identity = identify(document, paths, offered.problem, fingerprint=fingerprint)
        if offered.problem in UNREAD_PROBLEMS:
            offers.unread[identity["source_id"]] = offered.explanation
        verdict = eligibility.evaluate(document).verdict if eligibility and not offered.problem else ""
        offers.add(identity, writer.add(text), verdict)


def _unreadable(offered: SourceOrder, paths: IdentityPaths, offers: _IdentityColumns) -> tuple[dict[str, Any], bytes]:
    """An order with unusable text: identified by its readable members; the text is archived without card data."""
    text, text_cuts = redact_text(offered.text)
    document, places = redact(offered.document)
    offers.cuts += bool(text_cuts or places)
    identity = identify(document, paths, offered.problem, text)
    number = read_order_number(document, paths)
    named = f"number {number}" if number else "number not readable"
    log.warning("%s (%s) cannot be read: %s", offered.where, named, offered.problem)
    issues = [
        replace(why, pointer=redact_text(why.pointer)[0], message=redact_text(why.message)[0]) for why in offered.issues
    ]
    unnamed = number if identity["source_id"].startswith(HASHED_ID_PREFIX) else ""
    return identity, encode(wrap_malformed(text, issues, offered.where, unnamed))


def _discard(writer: BatchWriter) -> None:
    """Remove the open batch; if that fails, retention removes its unreferenced objects."""
    try:
        writer.abort()
    except Exception as exc:
        log.warning("batch %s could not be removed (nothing refers to it): %s", writer.prefix, redacted_trace(exc))
