"""The preflight check: orders that the destination may already have are looked up before their first POST."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from order_relay.batches import BatchStore
from order_relay.iteration import batched
from order_relay.ledger import Ledger
from order_relay.ledger.schema.records import PositiveControl, Sendable
from order_relay.orders.messages import RunContext, SearchResult
from order_relay.pipeline.lookup.evidence import (
    MAX_KEYS_PER_SEARCH,
    NO_KNOWN_ORDER,
    UNSUPPORTED_SEARCH,
    SearchVerdict,
    controls_among,
    describe_failure,
    is_permanent,
    is_transient,
    usable_as_controls,
)
from order_relay.pipeline.lookup.expectations import ExpectedOrders
from order_relay.pipeline.lookup.search import WINDOW_MARGIN, Search
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay.pipeline.runs import trials

log = logging.getLogger(__name__)

SENT_STATES = frozenset({"sending", "in_doubt", "imported"})
"""States of orders that this ledger sent; finding them at the destination does not indicate another past."""


@dataclass
class PreflightResult:
    """The result of the preflight check.

    ``may_be_sent``: ids in their original order. ``kept``: ids that stay ready because the search failed.
    ``unsearchable``: ids that stay ready because the account has a past but cannot be searched. ``cause``: the problem
    of the search, for ``kept`` and ``unsearchable``.
    """

    may_be_sent: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    unsearchable: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    cause: str = ""


async def run_preflight(
    ctx: RunContext,
    ledger: Ledger,
    session: DestinationSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    payloads: BatchStore | None = None,
    always: bool = False,
    has_past: Callable[[], bool] = lambda: False,
    sent_elsewhere: Callable[[], bool] = lambda: False,
) -> PreflightResult:
    """Look up the unverified orders among ``ids`` (``always``: all of them) by external id.

    A found order is imported; another order with our external id holds ours for an operator. ``evidence``
    decides what a missing row proves. If there is a past, each absence is confirmed by a search for that order alone.
    There is a past if ``has_past`` returns true, or the account shows an order that the ledger does not know. Without a
    past, a complete search is trusted without a positive control.

    An account that shows no order at all has none of ours, unless another ledger may have sent some
    (``sent_elsewhere``): its search must then find something before it is trusted. If the account has no search by
    external id, orders are sent without one only if nothing is imported, neither settings nor batch store know of a
    past, and the account shows none of the orders in question. This is decided once for all unverified orders of the
    pipeline.

    Raises ``ConfigurationError`` or ``ThrottledError`` from the session, and the ledger's errors.
    """
    asked = set(ids) if always else set(await asyncio.to_thread(ledger.preflight.unverified, ctx.pipeline)) & set(ids)
    preflight = _Preflight(ctx, ledger, session, destination, has_past, sent_elsewhere, payloads, always)
    passed = await preflight.check([i for i in ids if i in asked]) if asked else []
    open_to_send = (set(ids) - asked) | set(passed)
    preflight.result.may_be_sent = [i for i in ids if i in open_to_send]
    return preflight.result


@dataclass
class _Preflight:
    """One preflight check."""

    ctx: RunContext
    ledger: Ledger
    session: DestinationSession
    destination: Destination
    has_past: Callable[[], bool]
    sent_elsewhere: Callable[[], bool]
    payloads: BatchStore | None = None
    always: bool = False
    result: PreflightResult = field(default_factory=PreflightResult)
    controls: list[PositiveControl] = field(default_factory=list)
    imported: bool = False  # the ledger knows imported orders
    stated_past: bool = False  # known from settings, the batch store or one of these orders, not only suspected
    past: bool = False
    no_past: bool = False
    works: bool = False  # the search by external id settled some order

    async def check(self, ids: list[int]) -> list[int]:
        """The ids that may be sent."""
        sendables = await asyncio.to_thread(self.ledger.claims.sendable, ids)
        self.past = self.always or await asyncio.to_thread(self.has_past)
        self.stated_past = self.past
        if self._searchable and (failed := await self._find_controls({s.destination_key for s in sendables})):
            return self._postpone(failed, [s.id for s in sendables])
        passed: list[int] = []
        for group in batched(sendables, MAX_KEYS_PER_SEARCH):
            if self.no_past:
                passed += [s.id for s in group]
            else:
                passed += await self._one_search(group)
        self.result.counts += Counter({"sent_without_lookup": len(passed) if self.no_past else 0})
        return passed

    @property
    def _searchable(self) -> bool:
        return self.destination.search_by in ("auto", "external_id")

    async def _find_controls(self, asked: set[str]) -> SearchResult | None:
        """Choose positive controls: imported orders or, if none of them must be visible yet, orders of the account.

        Orders of the account that the ledger does not know are a past. Returns the account's page if it cannot be read
        at the moment: nothing is known then.
        """
        shown_after_s = self.destination.timeout_s + self.destination.visible_after_s
        known = await asyncio.to_thread(
            self.ledger.lookups.positive_controls, self.destination.account, [], shown_after_s
        )
        self.imported = bool(known)
        shown_since = datetime.now(UTC) - timedelta(seconds=shown_after_s)
        self.controls = [control for control in known if control.imported_at <= shown_since]
        if self.controls and self.past:
            return None
        page = await self.session.find_any()
        if is_transient(page.problem):
            return page
        rows = usable_as_controls(page.rows)
        in_ledger = await asyncio.to_thread(
            self.ledger.reconciliation.by_destination_key,
            self.destination.account,
            [row.destination_key for row in rows],
        )
        ours = {key for key, order in in_ledger.items() if order.state in SENT_STATES}
        unknown = [row for row in rows if row.destination_key not in ours]
        self.stated_past = self.stated_past or any(row.destination_key in asked for row in unknown)
        self.past = self.past or bool(unknown)
        if page.complete and not page.rows and not known:
            # an account without any order has none of ours, unless there is a reason to doubt its search
            self.past = self.stated_past = self.past and await asyncio.to_thread(self.sent_elsewhere)
        if not self.controls:
            self.controls = controls_among(rows, asked, datetime.now(UTC)) or (known if self.past else [])
        return None

    async def _one_search(self, group: list[Sendable]) -> list[int]:
        """Record what was found or proven; returns the ids that may be sent."""
        if not self._searchable:
            self.imported = bool(
                await asyncio.to_thread(self.ledger.lookups.positive_controls, self.destination.account, [], 0.0)
            )
            return await self._without_proof(
                SearchResult((), complete=False, problem="unsupported"), [s.id for s in group]
            )
        until = datetime.now(UTC) + WINDOW_MARGIN
        dated = {s.destination_key: ((s.submitted_at - WINDOW_MARGIN, until),) for s in group if s.submitted_at}
        search = Search(
            self.session,
            self.destination,
            self.controls,
            ExpectedOrders(self.destination, self.payloads, group, dated),
            alone=self.past,
            trust_without_controls=not self.past,
        )
        by_key = await search.search_by_key([s.destination_key for s in group])
        verdicts = {s.id: by_key[s.destination_key] for s in group}
        released = await self._adopt_or_hold(verdicts)
        absent = [i for i, verdict in verdicts.items() if verdict.finding.kind == "absent" or i in released]
        if absent:
            await asyncio.to_thread(self.ledger.preflight.mark_verified, self.ctx, absent)
        unclear = [i for i, v in verdicts.items() if v.finding.kind == "unclear" and not v.reason]
        self.works = self.works or len(unclear) < len(group)
        if not unclear:
            return absent
        return absent + await self._without_proof(self._failure(search), unclear)

    @staticmethod
    def _failure(search: Search) -> SearchResult:
        """Why absences are not proven, as a search result; transient problems take precedence over permanent ones."""
        absence_problems = list(search.absence_problems.values())
        why = next((why for why in absence_problems if why not in UNSUPPORTED_SEARCH), next(iter(absence_problems), ""))
        page = search.problem
        if page is not None and (not why or page.problem == why):
            return page
        return SearchResult((), complete=False, problem=why or NO_KNOWN_ORDER, where=page.where if page else "")

    async def _adopt_or_hold(self, verdicts: Mapping[int, SearchVerdict]) -> set[int]:
        """Apply what was found; returns ids that an operator released despite another order with that external id."""
        found = {i: verdict.finding.oms_id for i, verdict in verdicts.items() if verdict.finding.kind == "found"}
        if found:
            done = await asyncio.to_thread(self.ledger.preflight.mark_already_imported, self.ctx, found, "external_id")
            self.result.counts["found_before_send"] += len(done)
        foreign = {i: (verdict.reason, verdict.why) for i, verdict in verdicts.items() if verdict.reason}
        if not foreign:
            return set()
        held, released = await asyncio.to_thread(self.ledger.preflight.hold_key_conflicts, self.ctx, foreign)
        if held:
            self.result.counts["held_before_send"] += len(held)
        return set(released)

    async def _without_proof(self, page: SearchResult, rest: list[int]) -> list[int]:
        """Handle a search that proves nothing: orders are sent without proof only if there is no past."""
        unusable = page.problem in UNSUPPORTED_SEARCH
        if unusable and not (self.imported or self.stated_past or self.works):
            every = await asyncio.to_thread(self.ledger.preflight.unverified, self.ctx.pipeline)
            log.warning(
                "%d orders are sent without a preflight check: the account has neither a search nor earlier orders",
                len(every),
            )
            await asyncio.to_thread(self.ledger.preflight.mark_verified, self.ctx, every)
            self.no_past = True
            return rest
        return self._postpone(page, rest, permanent=is_permanent(page.problem))

    def _postpone(self, page: SearchResult, ids: list[int], *, permanent: bool = False) -> list[int]:
        """Keep these orders ready. ``permanent``: a retry would fail as well."""
        self.result.cause = self.result.cause or describe_failure(page)
        log.warning("%d orders are not sent because the preflight check failed: %s", len(ids), describe_failure(page))
        (self.result.unsearchable if permanent else self.result.kept).extend(ids)
        self.result.counts["not_proven"] += len(ids)
        return []


def unknown_batches(store: BatchStore, ledger: Ledger, pipeline: str) -> bool:
    """Whether the batch store has batches unknown to the ledger, which means that another ledger preceded this one."""
    known = {str(batch["batch_id"]) for batch in ledger.accounting.batches(pipeline)}
    manifests = (name for name in store.list(f"{pipeline}/batches") if name.endswith("/manifest.json"))
    return any(name.split("/")[-2] not in known for name in manifests)


def unknown_payloads(store: BatchStore, ledger: Ledger, pipeline: str) -> bool:
    """Whether the batch store has payloads of a run unknown to the ledger: another ledger may have sent them. Trial
    runs send nothing."""
    folders: dict[str, list[str]] = defaultdict(list)
    for name in store.list(f"{pipeline}/runs"):
        folders[name.removeprefix(f"{pipeline}/runs/").partition("/")[0]].append(name)
    known = ledger.retention.run_start_times(pipeline)
    return any(
        run not in known and not trials.is_trial(names) and any("/payloads-" in name for name in names)
        for run, names in folders.items()
    )
