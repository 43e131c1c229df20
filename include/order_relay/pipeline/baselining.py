"""The cut-over from older scripts: what a source offers now was handled elsewhere, and is never sent from here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Protocol

import pandas as pd

from order_relay.batches import BatchStore
from order_relay.connections import Connection
from order_relay.ledger import BatchInfo, Ledger
from order_relay.orders.exchange import RunContext, Selection
from order_relay.orders.transforming import Transformer
from order_relay.pipeline import beginning
from order_relay.pipeline.acknowledge import acknowledge as acknowledge_all
from order_relay.pipeline.extract import extract
from order_relay.pipeline.ports import Destination, Source
from order_relay.pipeline.resting import careful_login


class Parts(Protocol):
    """What a baseline uses of a pipeline's wiring."""

    @property
    def name(self) -> str:
        """The pipeline's name."""

    @property
    def source(self) -> Source:
        """The source account."""

    @property
    def destination(self) -> Destination:
        """The destination account, for binding the ledger; nothing is asked of it."""

    @property
    def transformer(self) -> Transformer:
        """For its fingerprint."""

    @property
    def source_connection(self) -> Connection:
        """For its fingerprint."""


def take_baseline(
    ledger: Ledger, store: BatchStore, parts: Parts, *, who: str, reason: str, acknowledge: bool,
    run: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Read, archive and discard everything that the source offers now, in one transaction. Counts, and the run's name.

    With ``acknowledge`` the source is told (of these and of whatever else is due), else never. Raises what
    ``Source.offers`` and ``Source.acknowledge`` raise.
    """
    ctx = RunContext(parts.name, run or f"baseline-{datetime.now(UTC):%Y%m%dT%H%M%S}", who)
    beginning.begin(ctx, ledger, store, (parts.source.account, parts.destination.account), "baseline")
    counts: dict[str, int] = {}

    def take_in(ctx: RunContext, info: BatchInfo, offers: pd.DataFrame, fingerprint: str) -> dict[str, int]:
        counts.update(ledger.take_baseline(ctx, info, offers, fingerprint, reason=reason, acknowledge=acknowledge))
        return counts

    fingerprint = parts.source_connection.fingerprint()
    extract(
        ctx, parts.source, ledger, store, Selection(), batch_id=ctx.run, take_in=take_in,
        transform_fingerprint=parts.transformer.fingerprint, connection_fingerprint=fingerprint,
    )  # fmt: skip
    told = acknowledge_all(ctx, parts.source, ledger, connection_fingerprint=fingerprint) if acknowledge else {}
    facts = {**counts, **{f"acknowledged_{name}": number for name, number in told.items()}}
    ledger.end_run(ctx, facts)
    return {"run": ctx.run, **facts}


def count_offers(ledger: Ledger, parts: Parts) -> int:
    """How many orders the source offers now; nothing is written but the binding and a refused login."""
    ledger.bind(parts.name, parts.source.account, parts.destination.account)
    ctx = RunContext(parts.name, "baseline-dry")
    with careful_login(ctx, ledger, parts.source_connection.fingerprint()):
        return sum(1 for _ in parts.source.offers(Selection()))
