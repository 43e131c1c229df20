"""A history import of delivered files: one slice per file, to the OMS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from order_relay.batches.incoming_files import IncomingFile, IncomingFolder
from order_relay.connections import Connection
from order_relay.errors import ConfigurationError, TransientError
from order_relay.ledger import migrate
from order_relay.ledger.delivery.history_imports import HistoryRange
from order_relay.orders.messages import RunContext
from order_relay.pipeline.history.files import DeliveredFiles
from order_relay.pipeline.history.importer import HistoryImporter, check_history
from order_relay.pipeline.load.stage import LoadOptions
from order_relay.pipeline.run import PipelineRun
from order_relay.pipeline.runs.start import start_run
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE, config_folder
from order_relay.wiring.pipeline import Wiring
from order_relay_sandbox import ThreadedSandbox, serve_in_thread

PIPELINE = "orderfiles_to_shopatron"
ADDRESS = ("Ada Example", "1 Main St", "Springfield", "IL", "62701", "US")
PARTY = ("name", "address1", "city", "state", "postal_code", "country")
COLUMNS = (
    "order_number",
    "submitted_at",
    "status",
    "location",
    "uses_inventory",
    "subtotal",
    "total",
    *(f"{side}_{part}" for side in ("bill", "ship") for part in PARTY),
    "line_item_number",
    "line_quantity",
    "line_unit_price",
)


def row(number: str, status: str = "SHIPPED", total: str = "20.00", price: str = "10.00") -> str:
    order = (
        number,
        "2024-03-17T09:30:00Z",
        status,
        "7",
        "false",
        "20.00",
        total,
        *ADDRESS,
        *ADDRESS,
        "MUG",
        "2",
        price,
    )
    return ",".join(order)


def csv(*rows: str) -> str:
    return "\n".join((",".join(COLUMNS), *rows, ""))


class Delivery:
    """The pipeline, its drop folder, and imports of it."""

    def __init__(self, folder: Path, wiring: Wiring, sandbox: ThreadedSandbox) -> None:
        self.drops, self.wiring, self.sandbox, self.runs = folder, wiring, sandbox, 0
        self.reading = wiring.source_connection.fingerprint()

    def put(self, name: str, text: str) -> None:
        self.drops.mkdir(parents=True, exist_ok=True)
        (self.drops / name).write_text(text)

    def files(self, limit: int = 1 << 20) -> DeliveredFiles:
        later = datetime.now(UTC) + timedelta(minutes=1)
        return DeliveredFiles(
            self.wiring.store, PIPELINE, self.wiring.source, limit=limit, reading=self.reading, now=later
        )

    def importer(self, run: str = "", *, again: bool = False, **options: Any) -> HistoryImporter:
        self.runs += 1
        wiring, files = self.wiring, self.files()
        ctx = RunContext(PIPELINE, run or f"history-{self.runs}")
        start_run(ctx, wiring.ledger, wiring.store, (wiring.source.account, wiring.destination.account), "history")
        imports = wiring.ledger.history_imports
        number = imports.begin(ctx, HistoryRange(), list(files.slices()), again=again)
        files.remove_known({one.name for one in imports.unfinished(number)})
        stages = PipelineRun(ctx, wiring, wiring.ledger)
        return HistoryImporter(stages, number, LoadOptions(wiring.settings.load, **options), files=files)

    def counts(self, importer: HistoryImporter) -> tuple[int, int, dict[str, int]]:
        now = self.wiring.ledger.history_imports.progress(importer.number)
        return now.slices, now.done, dict(now.counts)

    def payloads(self) -> list[dict[str, Any]]:
        audit = self.sandbox.pair("cloudsuite", "shopatron")
        return [body for key in (*audit["imported"], *audit["unexpected"]) for body in self.sandbox.bodies(key)]


@pytest.fixture
def delivery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Delivery]:
    shipped = (config_folder() / "supercat_to_shopatron.yaml").read_text()
    changed = shipped.replace("supercat_default", "orderfiles_default").replace(
        "vendor: supercat", "vendor: orderfiles"
    )
    (tmp_path / f"{PIPELINE}.yaml").write_text(changed)
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))
    ledger = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(ledger)
    with serve_in_thread({}, [], sources=["cloudsuite"]) as sandbox:
        found = {
            "orderfiles_default": Connection("orderfiles_default", extra={"origin": "old-shop"}),
            "shopatron_default": Connection("shopatron_default", **sandbox.connections()["shopatron"]),
        }
        with Wiring.for_pipeline(PIPELINE, found.__getitem__, ledger, (tmp_path / "batches").as_uri()) as wiring:
            yield Delivery(tmp_path / "batches" / PIPELINE / "drops", wiring, sandbox)


def test_each_file_is_imported_once_and_removed(delivery: Delivery) -> None:
    check_history(delivery.wiring.source, delivery.wiring.build_transformer(), HistoryRange(), files=True)
    delivery.put("a.csv", csv(row("A-1"), row("A-2", "CANCELLED"), row("A-3", total="99.00")))
    delivery.put("b c.csv", csv(row("B-1", "READY")))
    importer = delivery.importer()
    assert importer.import_all() is False
    assert delivery.counts(importer) == (2, 2, {"imported": 3, "quarantined": 1})
    assert sorted(payload["orderStatus"] for payload in delivery.payloads()) == ["CANCELLED", "READY", "SHIPPED"]
    assert list(delivery.drops.iterdir()) == []
    delivery.put("a again.csv", csv(row("A-1"), row("A-2", "CANCELLED"), row("A-3", total="99.00")))
    delivery.put("c.csv", csv(row("A-1"), row("C-1")))
    later = delivery.importer()
    assert [path.name for path in delivery.drops.iterdir()] == ["c.csv"], "known by its content"
    assert later.import_all() is False
    assert delivery.counts(later) == (3, 3, {"imported": 4, "quarantined": 1})
    assert len(delivery.payloads()) == 4


def test_a_broken_off_import_continues_with_its_file(delivery: Delivery) -> None:
    for name in "AB":
        delivery.put(f"{name}.csv", csv(row(f"{name}-1"), row(f"{name}-2")))
    stopping = delivery.importer(stop=lambda: len(delivery.payloads()) >= 2, stop_every_s=0.01)
    with pytest.raises(TransientError, match="order_relay_stop"):
        stopping.import_all()
    assert delivery.counts(stopping)[:2] == (2, 1)
    assert len(list(delivery.drops.iterdir())) == 1, "a file stays until its slice is done"
    same = delivery.importer(stopping.run.ctx.run)
    assert same.import_all() is False
    assert delivery.counts(same) == (2, 2, {"imported": 4})
    assert len(delivery.payloads()) == 4


def test_a_large_file_is_imported_in_parts_and_continues_with_the_part_that_broke_off(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_relay.pipeline.history.file_parts.PART_ORDERS", 2)
    delivery.put("a.csv", csv(*(row(f"A-{n}") for n in range(1, 5)), row("A-5", total="99.00")))
    delivery.put("b.csv", csv(row("B-1")))
    read = _reads(monkeypatch)
    stopping = delivery.importer(stop=lambda: len(delivery.payloads()) >= 2, stop_every_s=0.01)
    with pytest.raises(TransientError, match="order_relay_stop"):
        stopping.import_all()
    assert read.count("a.csv") == 2, "once by the plan, once by the import of its parts"
    assert len(list(delivery.drops.iterdir())) == 2, "a file stays until all of its parts are done"
    same = delivery.importer(stopping.run.ctx.run)
    left = [one.name[33:] for one in delivery.wiring.ledger.history_imports.unfinished(same.number)]
    assert left == ["3-4", "5-5", ""], "a part that is done is not imported again"
    assert same.import_all() is False
    assert delivery.counts(same) == (4, 4, {"imported": 5, "quarantined": 1})
    assert len(delivery.payloads()) == 5
    assert list(delivery.drops.iterdir()) == []


def test_a_file_whose_reading_changed_begins_anew(delivery: Delivery) -> None:
    delivery.put("a.csv", csv(row("A-1")))
    importer = delivery.importer()
    delivery.reading = "other columns"
    changed = delivery.importer(importer.run.ctx.run)
    with pytest.raises(ConfigurationError, match="connection was changed"):
        changed.import_all()


def test_files_with_the_same_content_are_imported_once(delivery: Delivery) -> None:
    for name in ("a.csv", "b.csv"):
        delivery.put(name, csv(row("A-1")))
    importer = delivery.importer()
    assert [path.name for path in delivery.drops.iterdir()] == ["a.csv"]
    assert importer.import_all() is False
    assert delivery.counts(importer) == (1, 1, {"imported": 1})
    assert list(delivery.drops.iterdir()) == []


def test_a_file_that_is_missing_when_its_turn_comes_is_named(delivery: Delivery) -> None:
    delivery.put("a.csv", csv(row("A-1")))
    importer = delivery.importer()
    (delivery.drops / "a.csv").unlink()
    broken = delivery.importer(importer.run.ctx.run)
    with pytest.raises(ConfigurationError, match="put it back, or trigger the import with 'Read again'"):
        broken.import_all()
    delivery.put("a.csv", csv(row("A-1"), row("A-2")))
    again = delivery.importer(again=True)
    assert again.import_all() is False
    assert delivery.counts(again) == (1, 1, {"imported": 2})


def test_a_file_above_the_limit_is_refused(delivery: Delivery) -> None:
    delivery.put("a.csv", csv(row("A-1")))
    with pytest.raises(ConfigurationError, match=r"'a\.csv' .* more than 100 bytes; .* files\.size_limit_bytes"):
        list(delivery.files(100).slices())


def test_a_file_that_may_still_be_written_is_left(delivery: Delivery) -> None:
    delivery.put("a.csv", csv(row("A-1")))
    wiring = delivery.wiring
    assert list(DeliveredFiles(wiring.store, PIPELINE, wiring.source, limit=1 << 20, reading="").slices()) == []


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    names: list[str] = []
    read = IncomingFolder.read

    def counted(folder: IncomingFolder, file: IncomingFile, limit: int) -> bytes:
        names.append(file.name)
        return read(folder, file, limit)

    monkeypatch.setattr(IncomingFolder, "read", counted)
    return names
