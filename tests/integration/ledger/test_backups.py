"""Backups: whole or not at all, from each kind of database into each, and what a restored ledger then distrusts."""

from __future__ import annotations

import gzip
import json
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_relay.errors import ConfigurationError
from order_relay.ledger import Alert, Ledger
from order_relay.ledger.backups import back_up, restore
from order_relay.ledger.delivery.history_imports import HistoryRange, HistorySlice
from order_relay.ledger.operators.code_tables import RowKey
from order_relay.ledger.operators.completed_checks import BACKUP
from order_relay.ledger.schema.tables import metadata
from order_relay.ledger.write_back.due_steps import OMS_NUMBER
from order_relay.ledger.write_back.feedback import FeedbackStep
from order_relay.orders.corrections.correctable_fields import FieldCorrection
from order_relay.orders.fulfilment.shipment_progress import OrderedLine, Shipment, ShippedLine
from order_relay.orders.fulfilment.status_events import Channel, EventKind, StatusEvent, StatusReport
from order_relay.orders.fulfilment.status_records import RejectedRecord
from order_relay.orders.messages import DETAIL_UNREADABLE, Acknowledgement, RunContext
from tests.support.offers import offer

NAME = "shop_to_oms"


def content(ledger):
    """Every row of every table, but for what a backup and a restore change on purpose."""
    with ledger.database.engine.connect() as conn:
        return {
            table.name: [
                {name: value for name, value in row.items() if name not in ("proven", "unproven")}
                for row in conn.execute(sa.select(table).order_by(*table.primary_key)).mappings()
                if row.get("name") != "backup:"
            ]
            for table in metadata.sorted_tables
        }


@pytest.fixture
def full(driver):
    """A ledger with something in every table."""
    driver.imported("1", "OMS1")
    driver.in_doubt("2")
    driver.receive(offer("1", content_hash="changed"), offer("3", customer_po="Zoë \u2603 PO"))
    driver.ledger.decisions.decide("N-1", "separate", "x", "ann")
    driver.ledger.decisions.settle_in_doubt("N-2", None, "called", "ann")
    from order_relay.errors import ValidationIssue

    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("3"), [ValidationIssue("bad", "/x", "is bad")])])
    parcel = Shipment("shiprush", "k", ("N-1",), lines=(ShippedLine(1, "1"),), submission_id=driver.row("1")["id"])
    driver.ledger.shipments.record(driver.ctx, parcel, [OrderedLine("1", "A", 2)])
    driver.ledger.feed_index.key()
    status = RunContext("acommerce_status", "poll")
    driver.ledger.status_history.bind("acommerce_status", "acommerce:https://vendor.example")
    result = StatusReport("N-1", (StatusEvent("e-1", EventKind.ORDER, "NEW"),), Channel.POLL, datetime.now(UTC))
    unusable = [RejectedRecord(1, "", (ValidationIssue("bad", "", "is bad"),))]
    driver.ledger.status_history.store(status, [result], refused=unusable, origin="poll")
    driver.ledger.status_reads.record_file(status, "ab", "drop.csv", rows=1, refused=0)
    driver.ledger.feedback.due(NAME, OMS_NUMBER, 1)  # from now on the pipeline writes back
    driver.ledger.acknowledgements.record_answers(driver.ctx, {driver.row("1")["id"]: Acknowledgement(True)})
    driver.ledger.feedback.claim(driver.ctx, [FeedbackStep(driver.row("1")["id"], OMS_NUMBER)])
    driver.ledger.feed_errors.record({driver.row("1")["id"]: "no_price"})
    driver.receive(offer("4", problem=DETAIL_UNREADABLE), complete=False)
    driver.ledger.fingerprints.save_reading("reading", "{}")
    driver.ledger.offline_orders.record_answers(driver.ctx, [("9", Acknowledgement(False, "no"))], 5)
    driver.ledger.activity.note([driver.row("1")["id"]], "customer phoned", "ann")
    third, zip_code = driver.work("3"), FieldCorrection("ship_postal_code", "8500", "85001")
    driver.ledger.corrections.correct(driver.ctx, third.id, revision=third.revision, changes=[zip_code], why="x")
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("3"), [ValidationIssue("bad", "/x", "is bad")])])
    driver.ledger.attention.assign({driver.row("1")["id"]: None}, "bob", "ann")
    driver.ledger.code_tables.put(driver.ctx, RowKey("ship_via", "UPS"), "U", "new")
    driver.ledger.oms_questions.enrol(NAME, first_days=1)
    driver.ledger.history_imports.begin(driver.ctx, HistoryRange(), [HistorySlice(0, "orders.csv")], again=False)
    driver.ledger.portal_files.claim(driver.ctx, "order_data.csv", "portal:/data", "task")
    driver.ledger.saved_views.save("ann", "mine", "state=held")
    driver.ledger.runs.end(driver.ctx, {"n": 1})
    driver.ledger.alerts.record(NAME, [Alert("stuck", "stuck:held", "1 order is held")])
    return driver


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/ledger.sqlite"
    return request.getfixturevalue("postgres_url")


@pytest.mark.parametrize("name", ["ledger.backup", "ledger.jsonl.gz"])
def test_a_backup_brings_everything_back(full, driver_class, empty_url, tmp_path, name):
    facts = back_up(str(full.ledger.database.url.render_as_string(hide_password=False)), tmp_path / name)
    assert all(facts["rows"].values())
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    result = restore(empty_url, tmp_path / name, replace=empty_url.startswith("postgres"))
    assert (result["rows"], result["pipelines"]) == (facts["rows"], [NAME])
    other = Ledger.open(empty_url)
    try:
        assert content(other) == content(full.ledger)
        assert other.accounting.invariant_violations() == []
        ready = [work.id for work in other.worklist.get(range(10)) if work.state == "ready"]
        assert other.preflight.unverified(NAME) == ready != []
        again = driver_class(other, "run-1")
        again.batches = iter(range(50, 60))
        again.imported("7")  # new rows get new numbers
        assert other.accounting.invariant_violations() == []
    finally:
        other.close()


def url_of(ledger):
    return ledger.database.url.render_as_string(hide_password=False)


def test_a_ledger_with_data_is_overwritten_only_on_request(full, tmp_path):
    file = tmp_path / "b.jsonl.gz"
    back_up(url_of(full.ledger), file)
    before = content(full.ledger)
    full.receive(offer("9"))
    with pytest.raises(ConfigurationError, match="--replace"):
        restore(url_of(full.ledger), file)
    assert full.state("9") == "received"
    restore(url_of(full.ledger), file, replace=True)
    assert content(full.ledger) == before


def test_the_last_backup_is_known(full, tmp_path):
    assert full.ledger.completed_checks.latest(BACKUP) == {}
    for name in ("ledger.backup", "ledger.jsonl.gz"):
        facts = back_up(url_of(full.ledger), tmp_path / name)
        last = full.ledger.completed_checks.latest(BACKUP)[""]
        assert last.facts == {"bytes": facts["bytes"], "format": facts["format"]}
        assert datetime.now(UTC) - last.at < timedelta(minutes=1)


def test_a_backup_is_never_written_over_a_file(full, tmp_path):
    file = tmp_path / "b"
    file.write_text("precious")
    with pytest.raises(ConfigurationError, match="already exists"):
        back_up(url_of(full.ledger), file)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        back_up(url_of(full.ledger), tmp_path / "no folder" / "b")
    assert file.read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def damage_cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def damage_line_missing(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[:3] + lines[4:])))


def damage_no_end(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    file.write_bytes(gzip.compress(b"".join(lines[:-1])))


def damage_other_revision(file: Path) -> None:
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    head = json.loads(lines[0]) | {"revision": "9999"}
    file.write_bytes(gzip.compress(json.dumps(head).encode() + b"\n" + b"".join(lines[1:])))


@pytest.mark.parametrize(
    "damage",
    [
        damage_cut,
        damage_line_missing,
        damage_no_end,
        damage_other_revision,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(gzip.compress(b"hello\n")),
        lambda file: file.write_bytes(gzip.compress(b"")),
        lambda file: file.write_bytes(b"hello, this is text"),
        lambda file: file.unlink(),
    ],
)
def test_a_damaged_backup_changes_nothing(full, tmp_path, damage):
    file = tmp_path / "b.jsonl.gz"
    back_up(url_of(full.ledger), file)
    damage(file)
    before = content(full.ledger)
    with pytest.raises(ConfigurationError):
        restore(url_of(full.ledger), file, replace=True)
    assert content(full.ledger) == before


def test_a_sqlite_file_that_is_no_ledger_is_refused(full, tmp_path):
    file = tmp_path / "other.sqlite"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE order_relay_revision (version_num TEXT)")
    other.execute("INSERT INTO order_relay_revision VALUES ('9999')")
    other.commit()
    other.close()
    with pytest.raises(ConfigurationError):
        restore(url_of(full.ledger), file, replace=True)
    assert full.state("3") == "quarantined"
