"""Trials of a destination that creates or updates by key: orders in doubt are sent again, and end as one order each."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from order_relay import failpoints
from order_relay.batches import BatchStore
from order_relay.errors import OrderRelayError
from order_relay.http.sending.session import DestinationApi
from order_relay.ledger import BatchInfo, Ledger, ReadyPayload
from order_relay.orders.messages import RunContext, VersionPolicies
from order_relay.pipeline.load.chunks import chunk_name, plan_chunks
from order_relay.pipeline.load.stage import load
from order_relay.pipeline.settings.sections import ChunkSettings
from tests.support.ledger_rows import let_leases_end
from tests.support.load_options import load_options
from tests.support.offers import offer
from tests.support.upserting_oms import UpsertingOms, upserting_api, upserting_destination, upserting_oms

PIPELINE = "p"


class IdempotentRelay:
    """A pipeline with ready orders ``N-1`` to ``N-number`` and the stand-in as its destination."""

    def __init__(self, ledger_url: str, folder: Path, number: int) -> None:
        self.ledger = Ledger.open(ledger_url)
        self.store = BatchStore(folder.as_uri())
        self.runs = 0
        self.ledger.runs.bind(PIPELINE, "source", "upserting:test")
        self._offer(self._begin(), number)

    def _begin(self) -> RunContext:
        self.runs += 1
        ctx = RunContext(PIPELINE, f"run-{os.getpid()}-{self.runs}")
        self.ledger.runs.begin(ctx, "run", 0)
        return ctx

    def _offer(self, ctx: RunContext, number: int) -> None:
        rows = [offer(str(n)) | {"part": 0, "row": n} for n in range(1, number + 1)]
        frame = pd.DataFrame(rows)
        for name in ("suffix", "items"):
            frame[name] = pd.Series([row[name] for row in rows], dtype=object)
        self.ledger.intake.receive(ctx, BatchInfo("b", "m", number, datetime.now(UTC), False), frame, "t")
        received = [w.id for w in self.ledger.worklist.to_validate(PIPELINE, None)]
        works = self.ledger.versions.resolve(ctx, received, VersionPolicies(), None)
        bodies = [json.dumps({"orderKey": w.order_number}).encode() for w in works]
        self.store.write_jsonl("p/payloads.jsonl.gz", bodies)
        self.ledger.payloads.make_ready(
            ctx,
            [
                ReadyPayload(w.id, w.revision, w.order_number, "p/payloads.jsonl.gz", n, _sha(b), "t", 1000, "USD")
                for n, (w, b) in enumerate(zip(works, bodies, strict=True))
            ],
        )

    def run(self, oms: UpsertingOms, api: DestinationApi | None = None, **options: Any) -> Counter[str]:
        """One run: its counts. Errors that stop it are left to the next one."""
        ctx = self._begin()
        destination = upserting_destination(oms, api)
        counts: Counter[str] = Counter()
        for chunk in plan_chunks(ctx, self.ledger, self.store, ChunkSettings(), destination.timeout_s):
            name = chunk_name(ctx, chunk)
            with suppress(OrderRelayError):
                counts.update(load(ctx, self.ledger, self.store, destination, name, load_options(**options)))
        return counts

    def let_leases_end(self) -> None:
        """See ``ledger_rows``."""
        let_leases_end(self.ledger)

    def until_quiet(self, oms: UpsertingOms, api: DestinationApi | None = None, most: int = 6) -> None:
        """Run until nothing is left to do."""
        for _ in range(most):
            self.let_leases_end()
            if not self.run(oms, api):
                return

    def states(self) -> dict[str, int]:
        """Number of orders by state."""
        return {k: v for k, v in self.ledger.accounting.counts(PIPELINE)["states"].items() if v}

    def breaches(self, oms: UpsertingOms) -> list[str]:
        """What breaks the promise: accounting, an order that was changed, or one imported under a wrong id."""
        found = self.ledger.accounting.invariant_violations(PIPELINE)
        for key, body in oms.orders.items():
            (row,) = self.ledger.queries.find(key)
            if row["fingerprint"] != _sha(body):
                found.append(f"{key} has other content")
            if row["state"] == "imported" and row["oms_id"] != str(oms.ids[key]):
                found.append(f"{key} has another id")
            if row["state"] not in ("sending", "in_doubt", "imported"):
                found.append(f"{key} is stored, but {row['state']}")
        return found


def _sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def kill(params: dict[str, Any]) -> dict[str, Any]:
    """A run with lost answers dies at a failpoint; later runs finish. The child is forked before any thread exists."""
    url, folder = params["ledger"], Path(params["folder"])
    relay = IdempotentRelay(url, folder, 6)
    relay.ledger.close()
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        _die(params["at"], os.read(read_end, 200).decode(), url, folder)
    with upserting_oms() as oms:
        oms.behaviour = {"N-2": ["lost", "ok"], "N-4": ["cut", "ok"]}
        os.write(write_end, oms.url.encode())
        _, status = os.waitpid(pid, 0)
        relay.ledger = Ledger.open(url)
        after_death = relay.states()
        relay.until_quiet(oms)
        result = {
            "killed": os.WIFSIGNALED(status),
            "after_death": after_death,
            "states": relay.states(),
            "stored": sorted(oms.orders),
            "breaches": relay.breaches(oms),
        }
    relay.ledger.close()
    return result


def _die(at: str, url: str, ledger_url: str, folder: Path) -> None:
    def hook(name: str) -> None:
        if name == at:
            os.kill(os.getpid(), signal.SIGKILL)

    relay = IdempotentRelay.__new__(IdempotentRelay)
    relay.ledger, relay.store, relay.runs = Ledger.open(ledger_url), BatchStore(folder.as_uri()), 10
    oms = UpsertingOms()
    oms.url = url
    failpoints.hook = hook
    relay.run(oms, upserting_api())
    os._exit(0)
