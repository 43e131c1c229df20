"""A ledger with one imported, one quarantined and one doubtful order."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from order_relay.airflow.installation import Installation
from order_relay.batches.store import BatchStore
from order_relay.batches.writer import BatchWriter
from order_relay.errors import ValidationIssue
from order_relay.ledger import AttemptResult, BatchInfo, Ledger, ReadyPayload
from order_relay.orders.messages import Acknowledgement, SendOutcome, SendResult
from tests.support.command_line import CTX, PAYLOAD, PIPELINE
from tests.support.offers import offer


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


@pytest.fixture
def url(sqlite_url: str, store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(Installation, "ledger_url", sqlite_url)
    monkeypatch.setattr(Installation, "store", store)
    return sqlite_url


@pytest.fixture
def ledger(url: str, store: BatchStore) -> Iterator[Ledger]:
    """Order 1 is imported and acknowledged, 2 is quarantined, 3 is in doubt."""
    ledger = Ledger.open(url)
    ledger.runs.bind(PIPELINE, "supercat:https://shop.example/org", "shopatron:https://oms.example/1")
    ledger.runs.begin(CTX, "run", 0)
    writer = BatchWriter(store, PIPELINE, "b1")
    places = [writer.add(b"{}") for _ in range(3)]
    manifest = writer.close(["1", "2", "3"])
    rows = [
        {**offer(number, customer_po="PO Marked"), "part": part, "row": row}
        for number, (part, row) in zip("123", places, strict=True)
    ]
    info = BatchInfo("b1", manifest.name, 3, datetime(2026, 5, 1, tzinfo=UTC))
    ledger.intake.receive(CTX, info, pd.DataFrame(rows), "t")
    works = {work.source_id: work for work in ledger.worklist.to_validate(PIPELINE, "b1")}
    ledger.validation.quarantine(
        CTX, [(works["2"], [ValidationIssue("total_differs", "/total", "the totals do not add up")])]
    )
    name = f"{PIPELINE}/runs/run-1/payloads-00000.jsonl.gz"
    store.write_jsonl(name, [PAYLOAD, b"{}"])
    ready = [
        ReadyPayload(works[s].id, works[s].revision, f"N-{s}", name, place, f"f{s}", "t", 100, "USD")
        for place, s in enumerate("13")
    ]
    ledger.payloads.make_ready(CTX, ready)
    _send(
        ledger,
        works["1"].id,
        SendResult(SendOutcome.IMPORTED, 200, oms_id="901", body='{"orderID": 901, "said": "Marked"}'),
    )
    _send(ledger, works["3"].id, SendResult(SendOutcome.IN_DOUBT, 504, code="http_504", message="no clear answer"))
    due = ledger.acknowledgements.due(PIPELINE, 10)
    ledger.acknowledgements.mark_sent(CTX, [entry.id for entry in due])
    ledger.acknowledgements.record_answers(CTX, {entry.id: Acknowledgement(True) for entry in due})
    yield ledger
    ledger.close()


def _send(ledger: Ledger, number: int, answer: SendResult) -> None:
    claim = ledger.claims.claim(CTX, [number], "test", 30)[number]
    assert ledger.outcomes.record(CTX, [AttemptResult(number, claim.attempt, answer)]) == {}
