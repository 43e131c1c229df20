"""Pipelines between vendors that have stand-ins, found by their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from order_relay.connections import Connection
from order_relay.orders.messages import Selection
from order_relay.pipeline.ports import Source
from order_relay.pipeline.settings.pipeline import load_pipeline, pipeline_files
from order_relay.wiring.pipeline import Wiring
from order_relay_sandbox import with_role


@dataclass(frozen=True)
class Pair:
    """A pipeline and the vendors at its ends."""

    pipeline: str
    source: str
    destination: str

    def wiring(self, connections: Mapping[str, Mapping[str, Any]], ledger_url: str, store_url: str) -> Wiring:
        """The pipeline's parts. ``connections``: by vendor, as the sandbox shows them."""
        settings = load_pipeline(self.pipeline)
        ends = {party.connection: party.vendor for party in (settings.source, settings.destination)}
        made = {name: Connection(name, **connections[vendor]) for name, vendor in ends.items()}
        return Wiring.for_pipeline(self.pipeline, made.__getitem__, ledger_url, store_url)


def pairs() -> list[Pair]:
    """One pair for each source and destination that a pipeline file connects; by destination, other vendors first."""
    sources, destinations = with_role("source"), with_role("destination")
    found: dict[tuple[str, str], str] = {}
    for name in sorted(pipeline_files()):
        settings = load_pipeline(name)
        ends = (settings.source.vendor, settings.destination.vendor)
        if ends[0] in sources and ends[1] in destinations:
            found.setdefault(ends, name)
    made = [Pair(name, *ends) for ends, name in found.items()]
    return sorted(made, key=lambda pair: (pair.destination, pair.source == pair.destination, pair.source))


def everything(source: Source) -> Selection:
    """All orders that a source offers now."""
    if not source.windowed:
        return Selection()
    now = datetime.now(UTC)
    return Selection(start=now - timedelta(days=2), end=now + timedelta(minutes=1))
