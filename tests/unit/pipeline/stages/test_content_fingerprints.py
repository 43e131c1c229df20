"""Imported orders that come again after the mapping, or the program, has changed what is read of an order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from order_relay.batches import ArchiveRemovedError, BatchReader
from order_relay.ledger import AttemptResult
from order_relay.orders.mapping.content_hash import ContentPaths, document_hash
from order_relay.orders.messages import SendOutcome, SendResult
from tests.support.stages import PIPELINE, Relay, order

PATHS = ("id", "no", "group", "rows.sku")
NARROW, WIDE = ContentPaths(PATHS), ContentPaths((*PATHS, "colour"))


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    made.contents = NARROW
    yield made
    made.ledger.close()


def imported(relay: Relay, *documents: dict[str, Any]) -> None:
    relay.run(*documents)
    claims = relay.ledger.claims.claim(relay.ctx, relay.ledger.claims.ready(PIPELINE), "test", 30)
    relay.ledger.outcomes.record(
        relay.ctx,
        [
            AttemptResult(i, claim.attempt, SendResult(SendOutcome.IMPORTED, 201, oms_id=f"OMS{i}"))
            for i, claim in claims.items()
        ],
    )


def fingerprint(relay: Relay) -> str:
    (life,) = relay.ledger.queries.find("N1")
    return str(life["content_hash"])


def without_archive(monkeypatch: pytest.MonkeyPatch, batch: str) -> None:
    """Retention removed the raw orders of this batch."""
    read = BatchReader.rows

    def rows(self: BatchReader, part: int, wanted: Any) -> dict[int, bytes]:
        if f"/{batch}-" in self.prefix:
            raise ArchiveRemovedError("removed by retention")
        return read(self, part, wanted)

    monkeypatch.setattr(BatchReader, "rows", rows)


@pytest.mark.parametrize("archived", [True, False])
def test_a_mapping_that_reads_more_holds_no_imported_order(
    relay: Relay, archived: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported(relay, order(1, colour="red", touched=1))
    if not archived:
        without_archive(monkeypatch, "b1")
    relay.contents = WIDE
    relay.extract(order(1, colour="red", touched=2))
    assert relay.states() == {"1": "imported"}
    assert fingerprint(relay) == WIDE.fingerprint(order(1, colour="red"))
    relay.extract(order(1, colour="blue"))
    assert [row["reason"] for row in relay.ledger.queries.held()] == ["changed_after_import"]


def test_a_mapping_that_reads_less_forgets_what_it_no_longer_reads(relay: Relay) -> None:
    relay.contents = WIDE
    imported(relay, order(1, colour="red"))
    relay.contents = NARROW
    relay.extract(order(1, colour="blue"))
    assert relay.states() == {"1": "imported"}


def test_a_change_is_found_although_the_mapping_changed_with_it(relay: Relay) -> None:
    imported(relay, order(1, colour="red"))
    relay.contents = WIDE
    relay.extract(order(1, items=("A", "C"), colour="red"))
    assert [row["reason"] for row in relay.ledger.queries.held()] == ["changed_after_import"]


@pytest.mark.parametrize(
    ("again", "archived", "held"),
    [
        ({"touched": 1}, False, 0),  # the same document: the old fingerprint says so by itself
        ({"touched": 2}, True, 0),  # another one, of which only what nobody reads has changed
        ({"items": ("C",)}, True, 1),
        ({"touched": 2}, False, 1),  # nobody can know any more: an operator decides
    ],
)
def test_a_ledger_of_an_older_release_is_migrated(
    relay: Relay, again: dict[str, Any], archived: bool, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = order(1, touched=1)
    imported(relay, first)
    relay.ledger.database.write(
        lambda tx: tx.run(sa.text("UPDATE submission SET content_hash = :old"), {"old": document_hash(first, ())})
    )
    if not archived:
        without_archive(monkeypatch, "b1")
    relay.extract(order(1, **again))
    assert len(relay.ledger.queries.held()) == held
