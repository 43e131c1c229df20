"""Load: first look up what is due, then send every ready order of the chunk, once each.

Each order goes claim, POST, outcome; the claims and outcomes of many share a commit (``committer``). What one order
does never stops the others; what the whole destination does (wrong set-up, throttling, failures in a row) stops the
chunk, with everything unsent still ``ready``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger.schema.records import Sendable
from order_relay.orders.messages import MAX_ATTEMPTS, RunContext
from order_relay.pipeline.load.circuit_breaker import SendingLimits
from order_relay.pipeline.load.group_commit import CommitLedger, GroupCommit
from order_relay.pipeline.load.payload_reader import PayloadStore, read_payloads
from order_relay.pipeline.load.sender import Sender
from order_relay.pipeline.lookup import in_doubt
from order_relay.pipeline.lookup.preflight import (
    ObjectLister,
    PreflightLedger,
    PreflightResult,
    run_preflight,
    unknown_batches,
    unknown_payloads,
)
from order_relay.pipeline.ports import Destination, DestinationSession

log = logging.getLogger(__name__)


class LoadLedger(CommitLedger, PreflightLedger, Protocol):
    """What load uses of the ledger."""

    def expire_leases(self, ctx: RunContext, timeout_s: float) -> int:
        """See ``Ledger.expire_leases``."""

    def to_send(self, ids: Sequence[int]) -> list[Sendable]:
        """See ``Ledger.to_send``."""

    def put_back(self, ctx: RunContext, ids: Sequence[int], why: str) -> int:
        """See ``Ledger.put_back``."""


class ChunkStore(PayloadStore, ObjectLister, Protocol):
    """What load uses of the batch store."""

    def read_json(self, name: str) -> Any:
        """See ``BatchStore.read_json``."""


def never_stopped() -> bool:
    """The stop that is never pulled."""
    return False


@dataclass(frozen=True)
class LoadOptions:
    """How a chunk is loaded. Times in seconds.

    ``share``: into how many chunks this run was divided; each gets so much of the destination's limits.
    ``lease_s``: no request starts later than this after its claim.
    ``max_wait_s``: throttling is waited out this long, then left to Airflow's retry.
    ``failures_in_a_row``: so many answers that speak of the whole OMS's failure stop the chunk.
    ``refused_at_first``: if so many first answers are all 400, the set-up is wrong and not the orders.
    ``lookup_before_send``: ``auto`` (orders that the ledger calls unproven), ``always`` or ``never``.
    ``past_known``: orders of this pipeline were sent before under another ledger (found out by itself where the batch
    store holds batches that this ledger does not know).
    ``max_attempts``: an order whose attempts ended alike so often, and was absent each time, is rejected.
    ``stop``: asked before the first request, before the first order and every ``stop_every_s``; true ends the chunk,
    unsent orders stay ready. Where it fails or does not answer ``stop_tries`` times in a row, the chunk ends as well.
    ``dry_run``: nothing is sent, nothing is looked up.
    """

    share: int = 1
    lease_s: float = 30.0
    max_wait_s: float = 120.0
    failures_in_a_row: int = 5
    refused_at_first: int = 20
    lookup_before_send: str = "auto"
    past_known: bool = False
    max_attempts: int = MAX_ATTEMPTS
    stop: Callable[[], bool] = never_stopped
    stop_every_s: float = 2.0
    stop_answer_s: float = 15.0
    stop_tries: int = 3
    settle_patience_s: float = 60.0
    dry_run: bool = False


def load(  # noqa: PLR0917 - the shape that all stages have
    ctx: RunContext,
    ledger: LoadLedger,
    store: ChunkStore,
    destination: Destination,
    chunk_name: str,
    options: LoadOptions | None = None,
) -> dict[str, int]:
    """Send the chunk whose object ``chunk_name`` lists ids under ``send`` and ``look_up``. Returns counts.

    Raises ``ConfigurationError``, ``ThrottledError`` or ``TransientError`` after everything in flight was settled; what
    is then unsent
    is still ``ready``, and the same call may be made again.
    """
    options = options or LoadOptions()
    chunk = store.read_json(chunk_name)
    send = list(dict.fromkeys(int(i) for i in chunk.get("send", ())))
    due = list(dict.fromkeys(int(i) for i in chunk.get("look_up", ())))
    if options.dry_run:
        return {"would_send": len(ledger.to_send(send)), "would_look_up": len(due)}
    counts: Counter[str] = Counter()
    expired = ledger.expire_leases(ctx, destination.timeout_s)
    if expired:
        counts["lease_expired"] = expired
    if send or due:
        asyncio.run(_Load(ctx, ledger, store, destination, options, counts).run(send, due))
    log.info("load %s: %s", chunk_name, dict(counts))
    return dict(counts)


@dataclass
class _Load:
    """One chunk's load."""

    _ctx: RunContext
    _ledger: LoadLedger
    _store: ChunkStore
    _destination: Destination
    _options: LoadOptions
    _counts: Counter[str]

    async def run(self, send: list[int], due: list[int]) -> None:
        if await self._stopped():
            self._counts["stopped"] = len(send)
            return
        async with self._destination.session(self._options.share) as session:
            if due:
                found = await in_doubt.look_up(
                    self._ctx,
                    self._ledger,
                    session,
                    self._destination,
                    due,
                    payloads=self._store,
                    max_attempts=self._options.max_attempts,
                )
                self._counts.update({f"looked_up_{kind}": number for kind, number in found.items()})
            if send:
                proving = await self._run_preflight(session, send)
                self._counts.update(proving.counts)
                if await self._stopped():  # proving may have taken minutes
                    self._counts["stopped"] = len(proving.may_be_sent)
                    return
                sender = await self._send(session, proving.may_be_sent)
                _raise_first_error(sender, proving)

    async def _run_preflight(self, session: DestinationSession, send: list[int]) -> PreflightResult:
        """Leave out what was found at the destination, or might be there."""
        mode = self._options.lookup_before_send
        if mode == "never":
            return PreflightResult(may_be_sent=send)
        return await run_preflight(
            self._ctx,
            self._ledger,
            session,
            self._destination,
            send,
            payloads=self._store,
            always=mode == "always",
            past_known=self._options.past_known,
            has_past=lambda: unknown_batches(self._store, self._ledger, self._ctx.pipeline),
            sent_elsewhere=lambda: unknown_payloads(self._store, self._ledger, self._ctx.pipeline),
        )

    async def _send(self, session: DestinationSession, ids: list[int]) -> Sender:
        connections = max(1, self._destination.connections // max(1, self._options.share))
        owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        committer = GroupCommit(
            self._ledger, self._ctx, owner, self._options.lease_s, patience_s=self._options.settle_patience_s
        )
        limits = SendingLimits(
            connections, self._options.max_wait_s, self._options.failures_in_a_row, self._options.refused_at_first
        )
        async with committer:
            sender = Sender(session, committer, limits, self._counts)
            watch = asyncio.create_task(self._watch(sender))
            try:
                await sender.run(
                    read_payloads(ids, lambda some: committer.run(self._ledger.to_send, some), self._store, sender)
                )
            finally:
                watch.cancel()
            if sender.put_back:
                why = "the first answers of the run were all 400"
                await committer.run(self._ledger.put_back, self._ctx, sender.put_back, why)
                self._counts["put_back"] = len(sender.put_back)
            if sender.to_rebuild:  # from the archive, by the next run
                why = "the stored payload is damaged"
                await committer.run(self._ledger.put_back, self._ctx, sender.to_rebuild, why)
        return sender

    async def _stopped(self) -> bool:
        """Whether sending is stopped. Raises ``TransientError`` where nobody can say in time: nothing may be sent
        then.
        """
        try:
            async with asyncio.timeout(self._options.stop_answer_s):
                return await asyncio.to_thread(self._options.stop)
        except TimeoutError:
            waited = f"{self._options.stop_answer_s:g} s"
            raise TransientError(f"the stop switch could not be read within {waited}; nothing was sent") from None

    async def _watch(self, sender: Sender) -> None:
        """Ask every few seconds whether sending was stopped. One that cannot be read stops it after some tries."""
        failures = 0
        while True:
            await asyncio.sleep(self._options.stop_every_s)
            try:
                stop = await self._stopped()
            except Exception as exc:
                failures += 1
                what = f"the stop switch could not be read ({type(exc).__name__}), {failures} times in a row"
                if failures < self._options.stop_tries:
                    log.warning("%s; asking again", what)
                    continue
                sender.stop(TransientError(f"{what}: sending is stopped to be safe; unsent orders stay ready"))
                return
            failures = 0
            if stop:
                sender.stop()
                return


def _raise_first_error(sender: Sender, proving: PreflightResult) -> None:
    """The error with which the chunk ends, if any: after everything in flight was settled."""
    if sender.error is not None:
        raise sender.error
    if proving.unsearchable:
        raise ConfigurationError(
            f"{len(proving.unsearchable)} orders may have been imported before this ledger knew them, and a search for "
            f"them proves nothing ({proving.cause}): mark the old ones with 'baseline', or set "
            "lookup_before_send: never"
        )
    unsent = sender.unsent + len(proving.kept)
    if unsent:
        because = f"; {len(proving.kept)} of them could not be looked up: {proving.cause}" if proving.kept else ""
        raise TransientError(f"{unsent} orders could not be sent this time and are still ready{because}")
