"""Load: look up the orders in doubt that are due, then send every ready order of the chunk once.

Each order goes through claim, POST and outcome; many orders share one commit (``group_commit``). A problem of one order
never stops the others. A problem of the whole destination (wrong configuration, throttling, repeated failures) stops
the chunk and leaves everything unsent ``ready``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from order_relay import COMMAND
from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger import Ledger, Sendable
from order_relay.orders.messages import RunContext
from order_relay.pipeline.load.concurrency import MAX_ORDERS_PER_CONNECTION
from order_relay.pipeline.load.group_commit import GroupCommit
from order_relay.pipeline.load.payload_reader import read_payloads
from order_relay.pipeline.load.sender import Sender
from order_relay.pipeline.lookup import in_doubt
from order_relay.pipeline.lookup.evidence import OPERATOR_REASONS
from order_relay.pipeline.lookup.preflight import PreflightResult, run_preflight, unknown_batches, unknown_payloads
from order_relay.pipeline.ports import Destination, DestinationSession
from order_relay.pipeline.settings.sections import LoadSettings

log = logging.getLogger(__name__)


def never_stopped() -> bool:
    """The default stop check."""
    return False


@dataclass(frozen=True)
class LoadOptions:
    """How one chunk is loaded; times in seconds.

    ``settings``: the pipeline's ``load`` section. ``share``: the number of chunks loaded in parallel; each gets that
    fraction of the destination's limits. ``stop``: called before the first request, before the first order and every
    ``stop_every_s``; true ends the chunk and unsent orders stay ready. The chunk also ends if ``stop`` fails, or does
    not answer within ``stop_answer_s``, ``stop_tries`` times in a row. ``settle_patience_s``: how long the commit of an
    outcome is retried. ``dry_run``: nothing is sent and nothing is looked up. ``has_past``: whether the batch store has
    batches of another ledger; by default, that is checked when it matters.
    """

    settings: LoadSettings = field(default_factory=LoadSettings)
    share: int = 1
    stop: Callable[[], bool] = never_stopped
    stop_every_s: float = 2.0
    stop_answer_s: float = 15.0
    stop_tries: int = 3
    settle_patience_s: float = 60.0
    dry_run: bool = False
    has_past: bool | None = None


def load(  # noqa: PLR0917 - the shape that all stages have
    ctx: RunContext,
    ledger: Ledger,
    store: BatchStore,
    destination: Destination,
    chunk_name: str,
    options: LoadOptions | None = None,
) -> dict[str, int]:
    """Load the chunk stored as ``chunk_name``: ``{"look_up": ids, "send": ids}``. Returns counts by outcome.

    Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError`` after everything in flight was settled.
    Unsent orders are then still ``ready``, and the call may be repeated.
    """
    options = options or LoadOptions()
    chunk = store.read_json(chunk_name)
    send = list(dict.fromkeys(int(i) for i in chunk.get("send", ())))
    due = list(dict.fromkeys(int(i) for i in chunk.get("look_up", ())))
    if options.dry_run:
        return {"would_send": len(ledger.claims.sendable(send)), "would_look_up": len(due)}
    counts: Counter[str] = Counter()
    expired = ledger.leases.expire(ctx, destination.timeout_s)
    if expired:
        counts["lease_expired"] = expired
    if send or due:
        asyncio.run(_Load(ctx, ledger, store, destination, options, counts).run(send, due))
    log.info("load %s: %s", chunk_name, dict(counts))
    return dict(counts)


@dataclass
class _Load:
    """The load of one chunk."""

    _ctx: RunContext
    _ledger: Ledger
    _store: BatchStore
    _destination: Destination
    _options: LoadOptions
    _counts: Counter[str]

    async def run(self, send: list[int], due: list[int]) -> None:
        if await self._stopped():
            self._counts["stopped"] = len(send)
            return
        async with self._destination.session(self._options.share) as session:
            if due and not (self._destination.idempotent and self._destination.search_by == "none"):
                await self._look_up(session, due)
            again = await self._to_send_again(due)
            if send or again:
                preflight = await self._run_preflight(session, send)
                self._counts.update(preflight.counts)
                if await self._stopped():  # the preflight check may have taken minutes
                    self._counts["stopped"] = len(preflight.may_be_sent)
                    return
                sender = await self._send(session, preflight.may_be_sent, again)
                _raise_first_error(sender, preflight)

    async def _look_up(self, session: DestinationSession, due: list[int]) -> None:
        found = await in_doubt.look_up(
            self._ctx,
            self._ledger.lookups,
            session,
            self._destination,
            due,
            payloads=self._store,
            max_attempts=self._options.settings.max_attempts,
        )
        self._counts.update({f"looked_up_{kind}": number for kind, number in found.items()})

    async def _to_send_again(self, due: list[int]) -> list[int]:
        """The orders in doubt that an idempotent destination is sent again."""
        if not due or not self._destination.idempotent:
            return []
        allowed = await asyncio.to_thread(
            self._ledger.resends.allowed,
            self._ctx,
            due,
            timeout_s=self._destination.timeout_s,
            max_attempts=self._options.settings.max_attempts,
            excluded=OPERATOR_REASONS,
        )
        self._counts.update({"sent_again": len(allowed)} if allowed else {})
        return allowed

    async def _run_preflight(self, session: DestinationSession, send: list[int]) -> PreflightResult:
        """Leave out orders that the destination has, or might have."""
        mode = self._options.settings.lookup_before_send
        if mode == "never" or (mode == "auto" and self._destination.idempotent):
            return PreflightResult(may_be_sent=send)
        return await run_preflight(
            self._ctx,
            self._ledger,
            session,
            self._destination,
            send,
            payloads=self._store,
            always=mode == "always",
            has_past=self._has_past,
            sent_elsewhere=lambda: unknown_payloads(self._store, self._ledger, self._ctx.pipeline),
        )

    def _has_past(self) -> bool:
        known = self._options.has_past
        return unknown_batches(self._store, self._ledger, self._ctx.pipeline) if known is None else known

    async def _send(self, session: DestinationSession, ids: list[int], again: list[int]) -> Sender:
        settings = self._options.settings
        connections = max(1, self._destination.connections // max(1, self._options.share))
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        committer = GroupCommit(
            self._ledger,
            self._ctx,
            owner,
            settings.lease_s,
            full=int(connections * MAX_ORDERS_PER_CONNECTION),
            patience_s=self._options.settle_patience_s,
            resend_after_s=self._destination.timeout_s if self._destination.idempotent else None,
        )
        async with committer:
            sender = Sender(session, committer, settings, self._counts, connections=connections)
            watch = asyncio.create_task(self._watch(sender))
            try:
                await sender.run(self._payloads(ids, again, committer, sender))
            finally:
                watch.cancel()
            if sender.put_back:
                why = "the first answers of the run were all HTTP 400"
                await committer.run(self._ledger.outcomes.return_to_received, self._ctx, sender.put_back, why)
                self._counts["put_back"] = len(sender.put_back)
            if sender.to_rebuild:  # from the archive, by the next run
                why = "the stored payload is damaged"
                await committer.run(self._ledger.outcomes.return_to_received, self._ctx, sender.to_rebuild, why)
        return sender

    async def _payloads(
        self, ids: list[int], again: list[int], committer: GroupCommit, sender: Sender
    ) -> AsyncIterator[tuple[Sendable, bytes]]:
        """Orders to send again first, then ready ones."""
        claims, store = self._ledger.claims, self._store
        async for item in read_payloads(again, lambda some: committer.run(claims.to_send_again, some), store, sender):
            yield item
        async for item in read_payloads(ids, lambda some: committer.run(claims.sendable, some), store, sender):
            yield item

    async def _stopped(self) -> bool:
        """Whether sending is stopped. Raises ``TransientError`` if that cannot be read in time: then nothing may be
        sent.
        """
        try:
            async with asyncio.timeout(self._options.stop_answer_s):
                return await asyncio.to_thread(self._options.stop)
        except TimeoutError:
            waited = f"{self._options.stop_answer_s:g} s"
            raise TransientError(f"the stop switch could not be read within {waited}; nothing was sent") from None

    async def _watch(self, sender: Sender) -> None:
        """Check the stop switch every few seconds. If it cannot be read several times in a row, sending stops."""
        failures = 0
        while True:
            await asyncio.sleep(self._options.stop_every_s)
            try:
                stop = await self._stopped()
            except Exception as exc:
                failures += 1
                what = f"the stop switch could not be read ({type(exc).__name__}), {failures} times in a row"
                if failures < self._options.stop_tries:
                    log.warning("%s; trying again", what)
                    continue
                sender.stop(TransientError(f"{what}: sending is stopped to be safe; unsent orders stay ready"))
                return
            failures = 0
            if stop:
                sender.stop()
                return


def _raise_first_error(sender: Sender, preflight: PreflightResult) -> None:
    """Raise the error with which the chunk ends, if any. Called after everything in flight was settled."""
    if sender.error is not None:
        raise sender.error
    if preflight.unsearchable:
        raise ConfigurationError(
            f"{len(preflight.unsearchable)} orders may have been imported before this ledger knew them, and a search "
            f"cannot prove that they were not ({preflight.cause}): mark the old ones with '{COMMAND} baseline', or set "
            "load.lookup_before_send: never"
        )
    unsent = sender.unsent + len(preflight.kept)
    if unsent:
        cause = f"; {len(preflight.kept)} of them could not be looked up: {preflight.cause}" if preflight.kept else ""
        raise TransientError(f"{unsent} orders could not be sent and are still ready{cause}")
