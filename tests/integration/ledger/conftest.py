"""A bound ledger, and a driver that moves orders through its states."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from order_relay.ledger import AttemptResult, BatchInfo, Claim, Ledger, LookupFinding, ReadyPayload, WorkItem
from order_relay.ledger.schema.records import LookupResult
from order_relay.orders.messages import RunContext, SendOutcome, SendResult, VersionPolicies
from tests.support.offers import offer
from tests.support.query_plans import statements_read_no_past

PIPELINE = "shop_to_oms"
SOURCE, DESTINATION = "source:https://shop.example/a", "oms:https://oms.example/1"
_ids = itertools.count(100)
__all__ = ["statements_read_no_past"]  # a fixture of all tests here


class LedgerDriver:
    """Does with a ledger what the stages do, in few words."""

    def __init__(self, ledger: Ledger, run: str = "run-1") -> None:
        self.ledger = ledger
        self.ctx = RunContext(PIPELINE, run)
        self.batches = itertools.count(1)

    def receive(
        self,
        *offers: dict[str, Any],
        complete: bool = True,
        fingerprint: str = "t1",
        batch_id: str = "",
        fetched_at: datetime | None = None,
        windowed: bool = False,
    ) -> dict[str, int]:
        """A batch with these offers."""
        rows = [row | {"part": 0, "row": n} for n, row in enumerate(offers)]
        columns = [*offer("1"), "part", "row"]
        frame = pd.DataFrame(rows, columns=columns)
        for name in ("suffix", "items"):
            frame[name] = pd.Series([row[name] for row in rows], dtype=object)
        name = batch_id or f"batch-{next(self.batches)}"
        fetched = fetched_at or datetime.now(UTC)
        info = BatchInfo(
            name, f"{name}/manifest.json", len(rows), fetched, complete and not windowed, windowed=windowed
        )
        self.last_batch = name
        return self.ledger.intake.receive(self.ctx, info, frame if rows else None, fingerprint)

    def work(self, source_id: str) -> WorkItem:
        """The newest edition of a source id."""
        lives = [life for life in self.ledger.queries.find(source_id) if life["source_id"] == source_id]
        return self.ledger.worklist.get([max(lives, key=lambda life: life["edition"])["id"]])[0]

    def state(self, source_id: str) -> str:
        return self.work(source_id).state

    def row(self, source_id: str, edition: int = 1) -> dict[str, Any]:
        """Everything known about one edition."""
        return next(
            life
            for life in self.ledger.queries.find(source_id)
            if life["source_id"] == source_id and life["edition"] == edition
        )

    def resolve(self, policies: VersionPolicies | None = None, limit: int | None = None) -> list[WorkItem]:
        received = [w.id for w in self.ledger.worklist.to_validate(PIPELINE, None)]
        return self.ledger.versions.resolve(self.ctx, received, policies or VersionPolicies(), limit)

    def ready_of(self, work: WorkItem, **changes: Any) -> ReadyPayload:
        payload = ReadyPayload(
            work.id,
            work.revision,
            f"KEY-{work.order_number}",
            "p/payloads-00000.jsonl.gz",
            0,
            f"fp-{work.id}",
            "t1",
            1000,
            "EUR",
            (),
        )
        return replace(payload, **changes)

    def make_ready(self, *works: WorkItem) -> tuple[list[int], list[int]]:
        return self.ledger.payloads.make_ready(self.ctx, [self.ready_of(w) for w in works])

    def all_ready(self, *source_ids: str) -> list[int]:
        """Offered, resolved and made ready; their ids."""
        self.receive(*[offer(s) for s in source_ids])
        return self.make_ready(*self.resolve())[0]

    def claim(self, *ids: int, lease_s: float = 30.0) -> dict[int, Claim]:
        return self.ledger.claims.claim(self.ctx, ids, "worker-1", lease_s)

    def settle(self, number: int, outcome: SendOutcome, attempt: int = 1, **fields: Any) -> list[int]:
        """Record an outcome; the ids for which it is stale."""
        results = [AttemptResult(number, attempt, SendResult(outcome, **fields))]
        return [stale for stale, recorded in self.ledger.outcomes.record(self.ctx, results).items() if recorded is None]

    def imported(self, source_id: str, oms_id: str = "") -> int:
        """Walk one order all the way."""
        number = self.all_ready(source_id)[0]
        self.claim(number)
        assert self.settle(number, SendOutcome.IMPORTED, status=201, oms_id=oms_id or f"OMS{next(_ids)}") == []
        return number

    def in_doubt(self, source_id: str, lease_s: float = -1.0, **fields: Any) -> int:
        """An order whose response was lost; its lease has expired, so that absences count."""
        number = self.all_ready(source_id)[0]
        self.claim(number, lease_s=lease_s)
        self.settle(number, SendOutcome.IN_DOUBT, **({"status": 503} | fields))
        return number

    def look(
        self, number: int, attempt: int, finding: LookupFinding, next_at: datetime | None = None, quiet_s: float = 0.0
    ) -> str:
        """Record one look-up; the state afterwards."""
        looked_up = LookupResult(number, attempt, finding, "external_id", "because", next_at)
        return self.ledger.lookups.record(self.ctx, [looked_up], quiet_s).get(number, "")

    def due(self) -> list[str]:
        return [entry.order_number for entry in self.ledger.acknowledgements.due(PIPELINE, 100)]

    def events(self, source_id: str, edition: int = 1) -> list[tuple[str, str]]:
        return [(e["from_state"], e["to_state"]) for e in self.row(source_id, edition)["events"]]


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An open ledger with one bound pipeline, on each database; the accounting check must pass after every test."""
    opened = Ledger.open(ledger_url)
    opened.runs.bind(PIPELINE, SOURCE, DESTINATION)
    yield opened
    assert opened.accounting.invariant_violations() == []
    opened.close()


@pytest.fixture
def driver(ledger: Ledger) -> LedgerDriver:
    """The driver, with a started run."""
    driver = LedgerDriver(ledger)
    ledger.runs.begin(driver.ctx, "scheduled", 0)
    return driver


@pytest.fixture
def later() -> datetime:
    """A time after every lease and look-up of a test."""
    return datetime.now(UTC) + timedelta(days=1)


@pytest.fixture
def driver_class() -> type[LedgerDriver]:
    """The driver's class, for tests that open their own ledgers."""
    return LedgerDriver
