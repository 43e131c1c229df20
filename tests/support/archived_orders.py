"""Orders in archive and ledger as a run leaves them, for tests of the code that reads them back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pandas as pd

from order_relay.batches import BatchStore, BatchWriter
from order_relay.connections import Connection
from order_relay.ledger import AttemptResult, BatchInfo, Ledger, ReadyPayload
from order_relay.orders.identity.source_identity import IdentityPaths, identify
from order_relay.orders.json_text import encode
from order_relay.orders.messages import RunContext, SendOutcome, SendResult, VersionPolicies
from order_relay.pipeline.archive import OrderArchive
from order_relay.pipeline.settings.pipeline import load_pipeline
from order_relay.vendors.supercat.vendor import VENDOR
from order_relay.wiring.transformation import canonical_reader
from order_relay_sandbox.supercat import generator

PIPELINE = "supercat_to_shopatron"
FORMAT = VENDOR.format()
CONNECTIONS = {
    "supercat_default": Connection(
        "supercat_default", host="https://shop.example", login="u", password="p", extra={"org": "demo"}
    ),
    "shopatron_default": Connection(
        "shopatron_default",
        host="https://oms.example/api",
        login="k",
        password="s",
        extra={"token_url": "https://oms.example/token", "manufacturer_id": 1, "catalog_id": 0},
    ),
}
"""The connections of the pipeline; nothing answers there."""


def plain_orders(number: int, seed: int = 3) -> list[dict[str, Any]]:
    """``number`` generated orders without errors."""
    made = (made.order for made in generator.orders(number * 2 + 40, seed) if made.kind == "plain")
    return list(itertools.islice(made, number))


class Relay:
    """A ledger bound to a pipeline, its archive, and the steps of orders through both."""

    def __init__(self, ledger: Ledger, store: BatchStore, first_batch: int = 1) -> None:
        self.ledger, self.store = ledger, store
        self.ctx = RunContext(PIPELINE, "run-1")
        self.archive = OrderArchive(store, cache(lambda name: canonical_reader(load_pipeline(name))))
        self._batches = itertools.count(first_batch)
        ledger.runs.bind(PIPELINE, "supercat:https://shop.example/demo", "shopatron:https://oms.example/1")
        ledger.runs.begin(self.ctx, "run", 0)

    def receive(self, *documents: Mapping[str, Any]) -> list[int]:
        """Archive orders and record them; returns their ids."""
        name = f"b{next(self._batches)}"
        paths = IdentityPaths.from_mapping(FORMAT.mapping["identity"])
        writer = BatchWriter(self.store, PIPELINE, name)
        rows = []
        for document in documents:
            part, row = writer.add(encode(document))
            rows.append({**identify(document, paths), "part": part, "row": row})
        manifest = writer.close([row["source_id"] for row in rows])
        frame = pd.DataFrame(rows)
        for column in ("suffix", "items"):
            frame[column] = pd.Series([row[column] for row in rows], dtype=object)
        self.ledger.intake.receive(self.ctx, BatchInfo(name, manifest.name, len(rows), datetime.now(UTC)), frame, "t")
        return [work.id for work in self.ledger.worklist.to_validate(PIPELINE, name) if work.batch_id == name]

    def make_ready(self, ids: Sequence[int], sent_as: str = "") -> list[int]:
        """Resolve orders and make them ready, with the totals of the archived orders."""
        works = self.ledger.versions.resolve(self.ctx, ids, VersionPolicies())
        orders = {number: found.order for number, found in self.archive.read(works).items()}
        rows = [
            ReadyPayload(
                w.id,
                w.revision,
                w.order_number,
                "p",
                0,
                f"f{w.id}",
                "t",
                orders[w.id].get("total") or 0,
                orders[w.id].get("currency") or "USD",
                sent_as=sent_as,
            )
            for w in works
        ]
        return self.ledger.payloads.make_ready(self.ctx, rows)[0]

    def imported(self, *documents: Mapping[str, Any], sent_as: str = "") -> list[int]:
        """Import orders; returns their ids in the order of ``documents``."""
        return self.send(self.make_ready(self.receive(*documents), sent_as))

    def send(self, ids: Sequence[int]) -> list[int]:
        """Import ready orders."""
        claims = self.ledger.claims.claim(self.ctx, ids, "test", 30)
        results = [
            AttemptResult(i, c.attempt, SendResult(SendOutcome.IMPORTED, 201, oms_id=f"OMS{i}"))
            for i, c in claims.items()
        ]
        assert self.ledger.outcomes.record(self.ctx, results) == {}
        return sorted(ids)
