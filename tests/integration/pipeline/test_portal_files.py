"""Files for a sales portal: what is in them, when they are written, and what a fault may do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from order_relay import failpoints
from order_relay.batches import BatchStore
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger import Ledger
from order_relay.orders.fulfilment.oms_order import AskingPace, OmsOrder, OmsReading
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine
from order_relay.pipeline.fulfilment.portal_files import PortalContext, write_portal_files
from order_relay.pipeline.settings.sections import PortalFileSettings
from order_relay.vendors.supercat.connection import SuperCatSettings
from order_relay.vendors.supercat.portal import SuperCatPortal
from tests.support.archived_orders import CONNECTIONS, PIPELINE, Relay, plain_orders
from tests.support.failpoints import killed_at
from tests.support.portal_folder import PortalFolder
from tests.support.query_plans import statements_read_no_past

__all__ = ["statements_read_no_past"]
ORDERS, TRACKING = "order_data.csv", "invoice_tracking_data.csv"
DOCUMENTS = plain_orders(3)
NUMBERS = [document["order_number"] for document in DOCUMENTS]
AT_END = {NUMBERS[0]: "Shipped", NUMBERS[1]: "Open", NUMBERS[2]: "Open"}
SETTINGS = SuperCatSettings.from_connection(CONNECTIONS["supercat_default"])


class World:
    """A ledger with orders and a clock, and the portal."""

    def __init__(self, relay: Relay, portal: PortalFolder) -> None:
        self.relay, self.portal = relay, portal
        self.now = datetime.now(UTC)

    def write(self, minutes: int = 2, **settings: Any) -> dict[str, int]:
        """Write the files some minutes later, when the minute of the last changes is over."""
        self.now += timedelta(minutes=minutes)
        relay, chosen = self.relay, PortalFileSettings(enabled=True, **settings)
        parts = PortalContext(relay.ledger, relay.archive, self.portal, SuperCatPortal(SETTINGS), chosen)
        return write_portal_files(relay.ctx, parts)

    def ship(self, number: int, tracking: str, *lines: ShippedLine, carrier: str = "UPS") -> None:
        work = self.relay.ledger.worklist.get([number])
        ordered = self.relay.archive.read(work)[number].ordered()
        parcel = Shipment("x", tracking, (NUMBERS[0],), carrier, "", tracking, submission_id=number, lines=lines)
        self.relay.ledger.shipments.record(self.relay.ctx, parcel, ordered)

    def cancel(self, number: int) -> None:
        """As the OMS reports it."""
        self.relay.ledger.oms_questions.enrol(PIPELINE, first_days=1)
        answer = {number: OmsOrder("CANCELLED", OmsReading.CANCELLED)}
        self.relay.ledger.oms_statuses.record(self.relay.ctx, answer, AskingPace(), datetime.now(UTC))


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    ledger = Ledger.open(sqlite_url)
    (tmp_path / "data").mkdir()
    made = World(Relay(ledger, BatchStore((tmp_path / "batches").as_uri())), PortalFolder(tmp_path / "data"))
    monkeypatch.setattr("order_relay.ledger.store.database.read_clock", lambda _: made.now)
    yield made
    ledger.close()


def test_the_portal_learns_of_statuses_parcels_and_cancellations(world: World) -> None:
    first, second, third = world.relay.imported(*DOCUMENTS)
    world.portal.takes = True
    line = DOCUMENTS[0]["items"][0]
    world.ship(first, "1Z1", ShippedLine(1, str(line["line"])))
    world.ship(second, "1Z2", carrier="Federal Express")
    assert world.write()[f"{TRACKING}_written"] == 2
    assert world.portal.orders() == dict(zip(NUMBERS, ("Partially Shipped", "Shipped", "Open"), strict=True))
    table = world.portal.tables[ORDERS][0]
    assert [number for number, _ in itertools.groupby(row["OrderNumber"] for row in table)] == NUMBERS  # contiguous
    assert (table[0]["ItemNumber"], table[0]["QuantityInvoiced"]) == (line["item_number"], "1")
    assert Decimal(table[0]["TotalAmount"]) == Decimal(DOCUMENTS[0]["total"])
    assert all(table[0][name] for name in ("OrderDate", "CustomerBillToNumber", "CustomerBillToName", "UnitPrice"))
    shipped = [row for row in table if row["OrderNumber"] == NUMBERS[1]]
    assert [row["QuantityInvoiced"] for row in shipped] == [row["QuantityOrdered"] for row in shipped]
    parcels = [tuple(row.values()) for row in world.portal.tables[TRACKING][0]]
    assert parcels == [(NUMBERS[0], "UPS", "1Z1"), (NUMBERS[1], "FEDEX", "1Z2")]
    assert world.write() == {}  # nothing changed
    world.cancel(third)
    assert world.write() == {f"{ORDERS}_written": len(DOCUMENTS[2]["items"])}
    assert world.portal.orders()[NUMBERS[2]] == "Cancelled"
    assert [row["OrderNumber"] for row in world.portal.tables[ORDERS][1] if row["Complete"] == "true"] == [NUMBERS[2]]


def test_a_file_that_was_not_taken_is_waited_for_and_nothing_is_missing_afterwards(world: World) -> None:
    first, *_ = world.relay.imported(*DOCUMENTS)
    world.write()
    before = (world.portal.folder / ORDERS).read_bytes()
    world.ship(first, "1Z1")
    assert world.write() == {f"{ORDERS}_waiting": 1, f"{TRACKING}_written": 1}
    assert (world.portal.folder / ORDERS).read_bytes() == before
    world.portal.take()
    world.write()
    world.portal.take()
    assert world.portal.orders() == AT_END


def test_a_portal_that_leaves_files_in_place_gets_all_changes_of_the_last_days(world: World) -> None:
    first, *_ = world.relay.imported(*DOCUMENTS)
    world.write(not_taken="replace")
    world.ship(first, "1Z1")
    world.write(not_taken="replace")
    world.portal.take()
    assert world.portal.orders() == AT_END
    assert len(world.portal.tables[ORDERS]) == 1  # in one file
    world.write(not_taken="replace")
    world.relay.imported(*plain_orders(6)[3:])
    world.write(not_taken="replace")
    with pytest.raises(ConfigurationError, match=r"3 orders changed .*most_orders \(2\)"):
        world.write(not_taken="replace", most_orders=2)
    assert world.write(not_taken="replace") == {}


@pytest.mark.parametrize("not_taken", ["wait", "replace"])
def test_a_file_of_another_system_is_never_touched(world: World, not_taken: str) -> None:
    world.ship(world.relay.imported(*DOCUMENTS)[0], "1Z1")
    theirs = world.portal.folder / ORDERS
    for content in (b"", b"from the ERP"):
        theirs.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"order_data.csv .* not the file .* wrote last.*enabled: false"):
            world.write(not_taken=not_taken)
        assert theirs.read_bytes() == content
    assert world.portal.content(TRACKING)  # the other file is not affected
    theirs.unlink()
    assert world.write(not_taken=not_taken)[f"{ORDERS}_written"]
    theirs.write_bytes(b"from the ERP, instead of ours")
    with pytest.raises(ConfigurationError, match="wrote last"):
        world.write(not_taken=not_taken)


def test_more_orders_than_fit_are_written_in_several_files(world: World) -> None:
    for document in DOCUMENTS:
        world.relay.imported(document)
        world.now += timedelta(minutes=3)
    world.portal.takes = True
    files = [world.write(most_orders=1) for _ in range(5)]
    assert sum(f"{ORDERS}_written" in counts for counts in files) == 3
    assert sorted(world.portal.orders()) == sorted(NUMBERS)


def test_another_folder_says_nothing_about_the_file_in_the_first(world: World) -> None:
    world.relay.imported(*DOCUMENTS)
    world.write()
    (world.portal.folder / ORDERS).unlink()
    world.write(folder="/other")
    world.portal.take()
    assert sorted(world.portal.orders()) == sorted(NUMBERS)


def test_more_parcels_than_allowed_write_no_partial_table(world: World) -> None:
    for number, tracking in zip(world.relay.imported(*DOCUMENTS), ("1Z1", "1Z2", "1Z3"), strict=True):
        world.ship(number, tracking)
    with pytest.raises(ConfigurationError, match=r"more than 2 parcels .*portal_files.tracking_days"):
        world.write(most_parcels=2)
    assert not (world.portal.folder / TRACKING).exists()


def test_a_content_that_the_archive_has_lost_is_counted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.relay.imported(*DOCUMENTS)
    for path in (Path(world.portal.folder).parent / "batches").rglob("*.jsonl*"):
        path.unlink()
    assert world.write()[f"{ORDERS}_left_out"] == 3
    assert "order_data.csv: left out 3" in caplog.text
    assert not (world.portal.folder / ORDERS).exists()


def _finish(world: World, orders: dict[str, str] = AT_END, newest: str = "1Z1") -> None:
    """The portal takes what is there, as often as there is something."""
    for _ in range(3):
        world.portal.take()
        world.write(20)  # a killed task's claim has ended
    world.portal.take()
    assert [path.name for path in world.portal.folder.iterdir()] == []
    assert world.portal.orders() == orders
    assert world.portal.tables[TRACKING][-1][-1]["Number"] == newest


@pytest.mark.parametrize("not_taken", ["wait", "replace"])
def test_killed_at_every_point(world: World, not_taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with an older file of ours in place, which is replaced."""
    first, *_ = world.relay.imported(*DOCUMENTS)
    passed: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "hook", passed.append)
        world.write(not_taken=not_taken)
    assert {"after portal file renamed", "after ledger PortalFiles.settle"} <= set(passed)
    world.ship(first, "1Z1")
    for place in itertools.count():
        if not killed_at(place, lambda: world.write(20, not_taken=not_taken)):
            break
        if place % 2:  # the portal takes the file now and then
            world.portal.take()
    assert place > len(passed) // 2
    _finish(world)


@pytest.mark.parametrize("rename", ["refused", "lost", "misreported"])
def test_a_rename_that_fails_or_whose_answer_is_lost(world: World, rename: str) -> None:
    world.ship(world.relay.imported(*DOCUMENTS)[0], "1Z1")
    world.portal.rename = rename
    if rename == "misreported":
        assert world.write()[f"{TRACKING}_written"] == 1
    else:
        with pytest.raises(TransientError):
            world.write()
    world.portal.rename = "works"
    world.write(20)  # before the portal takes it: a file in its place is recognized as ours
    _finish(world)
    assert len(world.portal.tables[ORDERS]) == 1


def test_two_tasks_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second begins while the first is uploading: it leaves the file alone, or takes it over for good."""
    world.ship(world.relay.imported(*DOCUMENTS)[0], "1Z1")
    seen: list[Any] = []
    upload = world.portal.write

    def during(name: str, data: bytes) -> None:
        upload(name, data)
        if len(seen) == 0:
            seen.append(None)
            seen[0] = world.write(0)

    monkeypatch.setattr(world.portal, "write", during)
    world.write()
    assert seen[0][f"{ORDERS}_busy"] == 1
    world.portal.take()

    seen.clear()
    world.ship(world.relay.imported(plain_orders(4)[3])[0], "1Z9")
    monkeypatch.setattr("order_relay.ledger.write_back.portal_files.LEASE", timedelta(0))
    with pytest.raises(TransientError, match="another task has taken over"):
        world.write()
    assert seen[0][f"{ORDERS}_written"]
    monkeypatch.setattr(world.portal, "write", upload)
    _finish(world, {**AT_END, plain_orders(4)[3]["order_number"]: "Shipped"}, "1Z9")
