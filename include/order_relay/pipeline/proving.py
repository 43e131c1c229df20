"""Starting with a past: orders that may already be at the destination are looked up before their first POST."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from order_relay.ledger.values import Sendable
from order_relay.orders.exchange import Page, RunContext
from order_relay.pipeline import lookup
from order_relay.pipeline.ports import Destination, OmsSession

log = logging.getLogger(__name__)


class ProvingBook(lookup.LookupBook, Protocol):
    """What proving uses of the ledger."""

    def to_send(self, ids: Sequence[int]) -> list[Sendable]:
        """See ``Ledger.to_send``."""

    def unproven(self, pipeline: str) -> list[int]:
        """See ``Ledger.unproven``."""

    def batches(self, pipeline: str) -> list[dict[str, Any]]:
        """See ``Ledger.batches``."""

    def mark_found(self, ctx: RunContext, found: Mapping[int, str], method: str) -> list[int]:
        """See ``Ledger.mark_found``."""

    def mark_proven(self, ctx: RunContext, ids: Sequence[int]) -> None:
        """See ``Ledger.mark_proven``."""


class Listing(Protocol):
    """What proving uses of the batch store."""

    def list(self, prefix: str) -> Iterator[str]:
        """See ``BatchStore.list``."""


@dataclass
class Proving:
    """What the look-ups before the first POST gave.

    ``may_be_sent``: ids in their old order. ``kept``: ids that stay ready, since the search failed.
    ``unsearchable``: ids that stay ready, since this account can not be searched although there is a past.
    """

    may_be_sent: list[int] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    unsearchable: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


NO_METHOD = frozenset({"unsupported", "parameter_ignored"})
"""Problems of a search that will not go away by trying again."""


async def lookup_before_send(
    ctx: RunContext,
    ledger: ProvingBook,
    session: OmsSession,
    destination: Destination,
    ids: Sequence[int],
    *,
    always: bool = False,
    has_past: Callable[[], bool] = lambda: False,
) -> Proving:
    """Look up those of ``ids`` that the ledger calls unproven (or all: ``always``), 100 a search, by external id.

    Found means imported; a complete search that does not show an order lets it be sent, where a positive control is
    known only if the search shows that one too. Where the account has no such search, orders are sent only if there is
    no past: no order is known to be imported, and ``has_past`` says so too (see ``unknown_batches``). That is decided
    once, for all unproven orders of the pipeline.
    Raises ``WrongSetup`` or ``Throttled`` from the session, and the ledger's errors.
    """
    asked = set(ids) if always else set(await asyncio.to_thread(ledger.unproven, ctx.pipeline)) & set(ids)
    prover = _Prover(ctx, ledger, session, destination, has_past)
    passed = await prover.prove([i for i in ids if i in asked]) if asked else []
    open_to_send = (set(ids) - asked) | set(passed)
    prover.result.may_be_sent = [i for i in ids if i in open_to_send]
    return prover.result


@dataclass
class _Prover:
    """One look-up before the first POST."""

    ctx: RunContext
    ledger: ProvingBook
    session: OmsSession
    destination: Destination
    has_past: Callable[[], bool]
    result: Proving = field(default_factory=Proving)
    control: lookup.Control | None = None
    no_past: bool = False

    async def prove(self, ids: list[int]) -> list[int]:
        """Those of ``ids`` that may be sent."""
        sendables = await asyncio.to_thread(self.ledger.to_send, ids)
        self.control = await asyncio.to_thread(self.ledger.known_imported, self.destination.account, [])
        passed: list[int] = []
        for group in lookup.batched(sendables, lookup.SEARCH_AT_ONCE - 1):
            if self.no_past:
                passed += [s.id for s in group]
            else:
                passed += await self._one_search(group)
        self.result.counts += Counter({"sent_without_lookup": len(passed) if self.no_past else 0})
        return passed

    async def _one_search(self, group: list[Sendable]) -> list[int]:
        """Records what was found or proven, and returns the ids that may be sent."""
        keys = [s.destination_key for s in group]
        page = await _search(self.session, self.destination, [*keys, self.control[0]] if self.control else keys)
        oms_ids = {row.destination_key: row.oms_id for row in reversed(page.rows) if row.oms_id}
        found = {s.id: oms_ids[s.destination_key] for s in group if s.destination_key in oms_ids}
        rest = [s.id for s in group if s.id not in found]
        if found:
            done = await asyncio.to_thread(self.ledger.mark_found, self.ctx, found, "external_id")
            self.result.counts["found_before_send"] += len(done)
        if page.complete and (self.control is None or oms_ids.get(self.control[0]) == self.control[1]):
            await asyncio.to_thread(self.ledger.mark_proven, self.ctx, rest)
            return rest
        return await self._without_proof(page, rest)

    async def _without_proof(self, page: Page, rest: list[int]) -> list[int]:
        """A search that proves nothing: only where there is no past may orders go without."""
        unusable = page.problem in NO_METHOD
        if unusable and self.control is None and not await asyncio.to_thread(self.has_past):
            every = await asyncio.to_thread(self.ledger.unproven, self.ctx.pipeline)
            log.warning("%d orders are not looked up before sending: no search at this account, no past", len(every))
            await asyncio.to_thread(self.ledger.mark_proven, self.ctx, every)
            self.no_past = True
            return rest
        (self.result.unsearchable if unusable else self.result.kept).extend(rest)
        self.result.counts["not_proven"] += len(rest)
        return []


def unknown_batches(store: Listing, ledger: ProvingBook, pipeline: str) -> bool:
    """Whether the batch store holds batches that the ledger does not know: then another ledger was before this one."""
    known = {str(batch["batch_id"]) for batch in ledger.batches(pipeline)}
    manifests = (name for name in store.list(f"{pipeline}/batches") if name.endswith("/manifest.json"))
    return any(name.split("/")[-2] not in known for name in manifests)


async def _search(session: OmsSession, destination: Destination, keys: list[str]) -> Page:
    if destination.search_by in ("auto", "external_id"):
        return await session.find_by_key(keys)
    return Page((), complete=False, problem="unsupported")
