"""Refused status records stay open until they are read well, or an operator closes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from order_relay.errors import ValidationIssue
from order_relay.ledger import Ledger
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.messages import RunContext

ACCOUNT = "acommerce_status"
CTX = RunContext(ACCOUNT, "run-1")
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FILE = "status.csv"


@pytest.fixture
def ledger(sqlite_url: str) -> Iterator[Ledger]:
    made = Ledger.open(sqlite_url)
    made.status_history.bind(ACCOUNT, "acommerce:x")
    yield made
    made.close()


def refuse(ledger: Ledger, origin: str = FILE, order: str = "", row: int = 3) -> None:
    refused = RejectedRecord(row, order, (ValidationIssue("no_status", "/status", "names no status"),))
    ledger.status_history.store(CTX, [], refused=[refused], origin=origin)


def read(ledger: Ledger, name: str = FILE, sha256: str = "b", refused: int = 0) -> None:
    ledger.status_reads.record_file(CTX, sha256, name, rows=10, refused=refused)


def report(order: str, *, full: bool) -> StatusReport:
    channel = Channel.BY_ID if full else Channel.POLL
    return StatusReport(order, (StatusEvent("e-1", EventKind.ORDER, "NEW", updated_at=NOW),), channel, NOW, full=full)


def is_open(ledger: Ledger) -> bool:
    return bool(ledger.status_refusals.since(ACCOUNT, LONG_AGO))


def test_the_corrected_file_closes_its_rows(ledger: Ledger) -> None:
    refuse(ledger)
    read(ledger, sha256="a", refused=1)
    assert is_open(ledger), "some rows are refused still"
    read(ledger, name="another.csv", sha256="c")
    assert is_open(ledger), "another file proves nothing"
    read(ledger)
    assert not is_open(ledger)
    [row] = ledger.status_refusals.recent()
    assert (row["closed_by"], row["closed_why"]) == ("", "the same file was read without errors")


def test_where_a_name_is_used_again_and_again_a_good_file_closes_nothing(ledger: Ledger) -> None:
    """The daily status.csv: today's rows are not yesterday's."""
    read(ledger, sha256="monday")
    refuse(ledger)
    read(ledger, sha256="tuesday", refused=1)
    read(ledger, sha256="wednesday")
    assert is_open(ledger)
    assert ledger.status_refusals.close(FILE, "delivered by e-mail", "ann") == 1
    assert not is_open(ledger)


@pytest.mark.parametrize(("full", "closed"), [(True, True), (False, False)])
def test_an_order_is_closed_by_its_whole_history_alone(ledger: Ledger, *, full: bool, closed: bool) -> None:
    refuse(ledger, "poll", "N-1")
    ledger.status_history.store(CTX, [report("N-2", full=True)], origin="by_id")
    assert is_open(ledger), "of another order"
    ledger.status_history.store(CTX, [report("N-1", full=full)], origin="by_id")
    assert is_open(ledger) is not closed


def test_refused_again_it_is_open_again(ledger: Ledger) -> None:
    refuse(ledger)
    ledger.status_refusals.close("all", "told by phone", "ann")
    refuse(ledger)
    assert is_open(ledger)
    [row] = ledger.status_refusals.recent()
    assert (row["closed_at"], row["closed_by"], row["closed_why"]) == (None, "", "")


def test_an_old_refusal_is_not_counted(ledger: Ledger) -> None:
    refuse(ledger)
    assert ledger.status_refusals.since(ACCOUNT, datetime.now(UTC) + timedelta(hours=1)) == []
