"""Whole runs: webhooks lost, repeated and disordered beside polls; files; what follows for our orders."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.batches import BatchStore, StoreUnavailableError
from order_relay.errors import TransientError
from order_relay.ledger.fulfilment.status_history import StatusHistory
from order_relay.ledger.fulfilment.status_queries import OwnOrders
from order_relay.ledger.fulfilment.status_reads import StatusReads
from order_relay.orders.fulfilment.status_events import Channel
from order_relay.orders.fulfilment.status_records import StatusPage
from order_relay.pipeline.fulfilment.shipments import record_shipment
from order_relay.pipeline.fulfilment.status_files import DropFolder, read_drops
from order_relay.pipeline.fulfilment.status_poll import record_shipments
from order_relay.pipeline.retention.order_data import RetentionReport
from order_relay.pipeline.retention.status_data import apply_status_retention
from order_relay.pipeline.settings.status_account import FileSettings, ShipmentSettings, StatusRetention
from tests.support.archived_orders import Relay, plain_orders

Make = Callable[..., Any]
HEADER = "orderId,kind,trackingId,eventId,status,updatedTime\n"


def add(order: str, level: str = "order", status: str = "NEW", parcel: str = "") -> dict[str, Any]:
    return {"add": {"order_id": order, "level": level, "status": status, "parcel": parcel}}


def push(here: Any, *records: dict[str, Any]) -> None:
    here.intake.take(StatusPage(records, datetime.now(UTC)), Channel.WEBHOOK)


def test_webhooks_that_are_lost_repeated_and_disordered_end_as_the_vendor_shows(account: Make) -> None:
    here, rng = account(), random.Random(7)
    delivered: list[dict[str, Any]] = []
    for step in range(40):
        order = f"A{rng.randrange(4)}"
        ids = here.sandbox.happen(add(order, rng.choice(("order", "detailed")), rng.choice(("NEW", "IN_TRANSIT"))))
        if step % 5 == 4:
            here.sandbox.happen({"correct": ids[0], "set": {"status": "COMPLETED"}})
        if step % 7 == 6:
            here.sandbox.happen({"delete": ids[0]})
        delivered += [record for record in here.sandbox.status_records() if rng.random() < 0.5]
        if step % 10 == 9:
            here.poll()
    for record in rng.sample(delivered, len(delivered) // 2) + rng.choices(delivered, k=10):
        push(here, record)
    here.poll()
    for row in here.ledger.statuses.recent():
        here.ledger.status_reads.record("acommerce_status", [row["order_number"]], 0.0, 0.0, answered=False)
    with here.ledger.database.engine.begin() as conn:  # an audit that reads everything once
        conn.exec_driver_sql("UPDATE status_order SET doubtful = 1, read_after = NULL")
    here.read_due()
    assert here.states() == here.expected()


class TestFiles:
    def drop(self, here: Any, name: str, text: str) -> None:
        here.wiring.store.write_bytes(f"acommerce_status/drops/{name}", text.encode())

    def read(self, here: Any, **changes: Any) -> Any:
        settings = FileSettings(**{"settled_s": 0.0, **changes})
        drops = DropFolder(here.wiring.store, here.wiring.form, settings, datetime.now(UTC))
        return read_drops(here.intake, drops)

    def names(self, here: Any) -> list[str]:
        return [name.removeprefix("acommerce_status/") for name in here.wiring.store.list("acommerce_status")]

    def test_once_each_and_archived(self, account: Make) -> None:
        here = account()
        text = HEADER + "A,order,,e-1,NEW,2026-05-01T01:00:00Z\nB,order,,e-2,NEW,never\n"
        self.drop(here, "one.csv", text)
        stored = self.read(here)
        assert (stored.new, stored.refused) == (1, 1)
        assert [row["place"] for row in here.ledger.status_refusals.recent()] == ["row 3"]
        self.drop(here, "again.csv", text)
        assert self.read(here).new == 0
        assert [name.partition("-")[2] for name in self.names(here)] == ["again.csv", "one.csv"]
        assert all(name.startswith("archive/") for name in self.names(here))

    def test_an_unreadable_one_is_set_aside(self, account: Make) -> None:
        here = account()
        self.drop(here, "bad.csv", "no,such,columns\n")
        self.drop(here, "huge.csv", HEADER + "x" * 100)
        assert self.read(here, size_limit_bytes=90).refused == 2
        assert [name.split("/")[0] for name in self.names(here)] == ["refused", "refused"]

    @pytest.mark.parametrize(
        "name",
        [
            "Order Status 2026-05-01.csv",
            "report (1).csv",
            "[ok]!.csv",
            "สถานะ.csv",
            "ÄÖ.CSV",
            "no-ending",
            ".hidden.csv",
            "line\nbreak.csv",
            "\x1b[2J.csv",
            "..csv",
            "a/b c/deep.csv",
            "%2e%2e%2fup.csv",
            "x" * 240 + ".csv",
            "~.csv",
            b"\xca\xb6\xd2\xb9\xd0.csv",
        ],
    )
    def test_any_file_name_is_read(self, account: Make, tmp_path: Path, name: str | bytes) -> None:
        here = account()
        path = tmp_path / "acommerce_status" / "drops" / os.fsdecode(name)
        path.parent.mkdir(parents=True)
        path.write_text(HEADER + "A,order,,e-1,NEW,2026-05-01T01:00:00Z\nB,order,,e-2,NEW,never\n")
        assert self.read(here).new == 1
        (kept,) = self.names(here)
        assert kept.startswith("archive/")
        assert not path.exists()
        (refused,) = here.ledger.status_refusals.recent()
        assert refused["origin"].isprintable()

    def test_a_file_beside_the_folder_is_left_alone(self, account: Make, tmp_path: Path) -> None:
        here = account()
        other = tmp_path / "acommerce_status" / "drops-old" / "one.csv"
        other.parent.mkdir(parents=True)
        other.write_text(HEADER)
        assert self.read(here).orders == 0
        assert other.exists()

    def test_one_that_was_refused_is_read_once_the_setting_is_right(self, account: Make) -> None:
        """Keyed by content and settings: whether the file as a whole was refused, or rows of it."""
        here = account()
        for name, text, right in (
            ("whole.csv", "Order No,State\nA,NEW\n", {"columns": {"order_id": "Order No", "status": "State"}}),
            ("rows.csv", HEADER + "B,order,,e-2,NEW,01/02/2026 10:00\n", {"time_format": "%d/%m/%Y %H:%M"}),
            ("wrong.csv", "orderId,status,eventId,note,detail\nC,NEW,e-3,x,y\n", {"columns": {"detail": "note"}}),
        ):
            self.drop(here, name, text)
            self.read(here)
            settings = here.wiring.settings
            files = settings.files.model_copy(update=right)
            here.wiring.settings = settings.model_copy(update={"files": files})
            here.wiring.__dict__.pop("form", None)
            self.drop(here, name, text)
            found = self.read(here)
            assert found.new + found.corrected == 1, name
            self.drop(here, name, text)
            assert self.read(here).orders == 0, "and once only"
            here.wiring.settings = settings
            here.wiring.__dict__.pop("form", None)

    def test_one_with_refused_rows_is_read_again(self, account: Make) -> None:
        here = account()
        text = HEADER + "A,order,,e-1,NEW,2026-05-01T01:00:00Z\nB,order,,e-2,NEW,never\n"
        for _ in range(2):
            self.drop(here, "one.csv", text)
            assert self.read(here).refused == 1
        assert len(here.ledger.status_refusals.recent()) == 1

    def test_one_that_is_too_large_is_kept_whole(self, account: Make, tmp_path: Path) -> None:
        here = account()
        self.drop(here, "huge.csv", HEADER + "x" * 5_000)
        self.read(here, size_limit_bytes=90)
        (kept,) = (tmp_path / "acommerce_status" / "refused").iterdir()
        assert kept.stat().st_size == len(HEADER) + 5_000

    def test_events_of_one_second_keep_the_order_of_the_file(self, account: Make) -> None:
        here = account()
        rows = [f"A,detailed,,{row},2026-05-01T01:00:00Z\n" for row in ("e-9,READY_TO_SHIP", "e-1,IN_TRANSIT")]
        self.drop(here, "one.csv", HEADER + "".join(rows))
        self.read(here)
        assert here.states()["A"][1] == "IN_TRANSIT"

    def test_a_column_mapping_of_ones_own(self, account: Make) -> None:
        here = account(config={"files": {"columns": {"order_id": "Order No", "status": "State"}}})
        self.drop(here, "own.csv", "Order No,State,updatedTime\nA,COMPLETED,2026-05-01T01:00:00Z\n")
        self.read(here)
        assert here.states()["A"][0] == "COMPLETED"

    def test_one_whose_writer_continues_meanwhile_is_read_again(self, account: Make, monkeypatch: Any) -> None:
        here = account()
        first, second = (
            HEADER + "".join(f"{name},order,,e-{name},NEW,2026-05-01T01:00:00Z\n" for name in names)
            for names in ("A", "AB")
        )
        self.drop(here, "one.csv", first)
        noted = StatusReads.record_file

        def meanwhile(*args: Any, **kwargs: Any) -> None:
            noted(*args, **kwargs)
            self.drop(here, "one.csv", second)

        with monkeypatch.context() as writing:
            writing.setattr(StatusReads, "record_file", meanwhile)
            assert self.read(here).new == 1
        assert self.read(here).new == 1
        assert set(here.states()) == {"A", "B"}
        assert all(name.startswith("archive/") for name in self.names(here))


class TestRetention:
    def keep(self, here: Any, days: int, *, dry_run: bool = False) -> RetentionReport:
        settings = StatusRetention(archive_days=30, ledger_days=30)
        now = datetime.now(UTC) + timedelta(days=days)
        return apply_status_retention(
            "acommerce_status", here.ledger.retention, here.wiring.store, settings, now=now, dry_run=dry_run
        )

    def test_files_and_texts_go_after_their_days(self, account: Make) -> None:
        here, files = account(), TestFiles()
        files.drop(here, "bad.csv", "no,such,columns\n")
        files.drop(here, "one.csv", "orderId,status,eventId,detail\nA,NEW,e-1,for Jane\n")
        files.read(here)
        files.drop(here, "waits.csv", HEADER)
        there = files.names(here)
        assert self.keep(here, 29).counts == self.keep(here, 29, dry_run=True).counts
        assert files.names(here) == there
        listed = self.keep(here, 31, dry_run=True)
        assert files.names(here) == there
        removed = self.keep(here, 31)
        assert removed == listed
        assert (len(removed.files), removed.submissions) == (2, 1)
        assert files.names(here) == ["drops/waits.csv"]
        assert self.keep(here, 31).counts == dict.fromkeys(removed.counts, 0)
        assert here.states()["A"][0] == "NEW"
        files.drop(here, "one.csv", "orderId,status,eventId,detail\nA,NEW,e-1,for Jane\n")
        assert files.read(here).orders == 0, "what was read is not read again"


class TestStorageInTrouble:
    def test_a_ledger_that_fails_on_page_two_settles_nothing(self, account: Make, monkeypatch: Any) -> None:
        here, calls = account(page_size=2), []
        here.sandbox.happen(*[add(f"A{n}") for n in range(5)])
        store = StatusHistory.store

        def failing(self: StatusHistory, *args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            if len(calls) == 2:
                raise TransientError("no space left")
            return store(self, *args, **kwargs)

        with monkeypatch.context() as broken:
            broken.setattr(StatusHistory, "store", failing)
            with pytest.raises(TransientError):
                here.poll()
        assert here.ledger.status_reads.watermark("acommerce_status") is None
        here.poll()
        assert here.states() == here.expected()

    def test_a_file_that_cannot_be_archived_is_read_again_without_duplicates(
        self, account: Make, monkeypatch: Any
    ) -> None:
        here = account()
        files = TestFiles()
        files.drop(here, "one.csv", HEADER + "A,order,,e-1,NEW,2026-05-01T01:00:00Z\n")

        def full(*_: Any) -> None:
            raise StoreUnavailableError("no space left")

        with monkeypatch.context() as broken:
            broken.setattr(BatchStore, "write_bytes", full)
            with pytest.raises(StoreUnavailableError):
                files.read(here)
        assert files.names(here) == ["drops/one.csv"]
        assert files.read(here).new == 0
        assert files.names(here)[0].startswith("archive/")


class TestWhatFollows:
    def ours(self, here: Any) -> str:
        (document,) = plain_orders(1)
        relay = Relay(here.ledger, here.wiring.store)
        relay.imported(document)
        number: str = document["order_number"]
        return number

    def follow(self, here: Any, **settings: Any) -> dict[str, int]:
        pipelines = ("supercat_to_shopatron",)
        here.ledger.statuses.match("acommerce_status", OwnOrders(pipelines, "order_number"), 1e9, 0.0)
        return record_shipments(
            here.intake,
            ShipmentSettings(**settings),
            "acommerce",
            lambda delivered: record_shipment(here.ledger, here.wiring.archive, "statuses", delivered),
        )

    def test_a_shipped_parcel_is_a_shipment_once(self, account: Make) -> None:
        here = account()
        number = self.ours(here)
        here.sandbox.happen(add(number, "parcel", "IN_TRANSIT", "PKG1"))
        here.poll()
        assert self.follow(here) == {"followed": 1, "shipments": 1, "asked": 0}
        here.sandbox.happen(add(number, "parcel", "DELIVERED", "PKG1"))
        here.poll()
        assert self.follow(here) == {"followed": 1, "shipments": 0, "asked": 0}
        (life,) = here.ledger.queries.find(number)
        assert life["shipped"] == "shipped"
        assert [(s["origin"], s["tracking_number"]) for s in life["shipments"]] == [("acommerce", "PKG1")]

    def test_of_several_parcels_only_when_all_left(self, account: Make) -> None:
        here = account()
        number = self.ours(here)
        here.sandbox.happen(
            add(number, "parcel", "IN_TRANSIT", "PKG1"), {"announce": {"order_id": number, "parcel": "PKG2"}}
        )
        here.poll()
        assert self.follow(here)["shipments"] == 0
        here.sandbox.happen(add(number, "parcel", "IN_TRANSIT", "PKG2"))
        here.poll()
        assert self.follow(here)["shipments"] == 2

    def test_a_setting_switches_it_off(self, account: Make) -> None:
        here = account()
        number = self.ours(here)
        here.sandbox.happen(add(number, "parcel", "IN_TRANSIT", "PKG1"))
        here.poll()
        assert self.follow(here, record=False) == {"followed": 1, "shipments": 0, "asked": 0}

    def test_a_withdrawn_shipment_opens_a_review_and_reverts_nothing(self, account: Make) -> None:
        here = account(config={"poll": {"full": True}})
        number = self.ours(here)
        (event,) = here.sandbox.happen(add(number, "parcel", "DELIVERED", "PKG1"))
        here.poll()
        self.follow(here)
        here.sandbox.happen({"delete": event})
        here.poll()
        assert self.follow(here)["asked"] == 1
        (row,) = here.ledger.statuses.recent(asked=True)
        assert "PKG1" in row["asks"]
        assert here.ledger.queries.find(number)[0]["shipped"] == "shipped"

    def test_orders_of_others_are_kept_and_nothing_follows(self, account: Make) -> None:
        here = account()
        self.ours(here)
        here.sandbox.happen(add("ELSEWHERE", "parcel", "IN_TRANSIT", "PKG1"))
        here.poll()
        assert self.follow(here)["followed"] == 0
        assert [row["order_number"] for row in here.ledger.statuses.recent(unmatched=True)] == ["ELSEWHERE"]
