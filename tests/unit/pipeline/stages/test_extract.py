import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from order_relay.batches import BatchReader, BatchStore
from order_relay.errors import MalformedResponseError, SourceAuthError
from order_relay.ledger import Ledger, migrate
from order_relay.ledger.submissions.unread_orders import read_attempts
from order_relay.orders.identity.source_identity import IDENTITY_COLUMNS
from order_relay.orders.mapping.eligibility import EligibilityRules
from order_relay.orders.messages import DETAIL_UNREADABLE, RunContext, Selection, SourceOrder
from order_relay.pipeline.report.report import write_report
from order_relay.pipeline.retention.order_data import marker_name
from order_relay.pipeline.runs.fetch_plan import FetchPlan, plan_ids
from order_relay.pipeline.stages.extract import extract, replay_archived

CTX = RunContext("shop_to_oms", "run-1")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
IDENTITY = {"source_id": "id", "order_number": "number", "lineage": "uuid", "version": "id", "items": "lines[].sku"}


@dataclass
class Shop:
    """A source that offers what it is told, then fails if it is told so."""

    documents: list[Any] = field(default_factory=list)
    error: Exception | None = None
    account = "source:https://shop.example/a"
    windowed = False
    format = SimpleNamespace(name="shop", mapping={"identity": IDENTITY})
    asked: list[Any] = field(default_factory=list)

    def fetch(self, selection):
        self.asked.append(selection)
        for document in self.documents:
            yield document if isinstance(document, SourceOrder) else SourceOrder(document)
        if self.error:
            raise self.error


@dataclass
class FakeLedger:
    """Remembers what a ledger was told."""

    intake = runs = worklist = cancellations = property(lambda self: self)

    received: list[Any] = field(default_factory=list)
    refused: str | None = None
    told: list[Any] = field(default_factory=list)

    def receive(self, ctx, info, offers, fingerprint):
        self.received.append((info, offers, fingerprint))
        return {"new": 0 if offers is None else len(offers)}

    def follow_offers(self, ctx, cancelled, eligible, as_of):
        assert self.received == [], "before the batch counts, so that a crash in between loses nothing"
        self.told.append((cancelled, eligible, as_of))

    def suspended_for(self, pipeline):
        return self.refused

    def suspend(self, pipeline, fingerprint, why):
        self.refused = fingerprint
        self.told.append(why)

    def resume(self, pipeline):
        self.refused = None

    def replay_interval(self, ctx, start, end, history=None):
        self.told.append((start, end))
        return 3


def order(number, **more):
    return {"id": number, "uuid": f"u-{number}", "number": f"6385-031318-{number}", "lines": [{"sku": "A"}], **more}


@pytest.fixture
def store(tmp_path):
    return BatchStore((tmp_path / "batches").as_uri())


def run(shop, fake_ledger, store, reading=None, connection="c1", eligibility=None):
    return extract(
        CTX,
        shop,
        fake_ledger,
        store,
        reading or FetchPlan(complete=True),
        batch_id="run-1",
        transform_fingerprint="t1",
        connection_fingerprint=connection,
        clock=lambda: NOW,
        eligibility=eligibility,
    )


def test_orders_are_archived_and_their_identities_received(store):
    shop, fake_ledger = Shop([order(1, notes="Zoë"), SourceOrder(order(2), "lone_surrogate")]), FakeLedger()
    manifest = run(shop, fake_ledger, store)
    ((info, offers, fingerprint),) = fake_ledger.received
    assert list(offers.columns) == [*IDENTITY_COLUMNS, "part", "row"]
    assert offers["source_id"].tolist() == ["1", "2"]
    assert offers["problem"].tolist() == ["", "lone_surrogate"]
    assert offers["suffix"].tolist() == [None, None]
    assert (info.batch_id, info.manifest_name, info.records) == (manifest.batch_id, manifest.name, 2)
    assert (info.fetched_at, info.complete, fingerprint) == (NOW, True, "t1")
    reader = BatchReader(store, CTX.pipeline, manifest.batch_id, manifest.sha256)
    assert [json.loads(text) for _, _, text in reader.orders()] == [order(1, notes="Zoë"), order(2)]
    assert list(reader.identities()) == ["1", "2"]
    assert reader.facts["complete"] is True


def test_orders_offered_as_cancelled_and_as_valid_are_followed_before_the_batch_counts(store):
    rules = [{"path": "status", "verdicts": {"open": "go", "void": "cancelled", "done": "withdrawn", "new": "wait"}}]
    words = enumerate(("open", "void", "done", "new", "other"), 1)
    broken = SourceOrder(order(9, status="open"), "lone_surrogate")
    shop, fake_ledger = Shop([*(order(n, status=word) for n, word in words), broken]), FakeLedger()
    run(shop, fake_ledger, store, eligibility=EligibilityRules.from_mapping(rules, {}))
    assert fake_ledger.told == [({"2"}, {"1"}, NOW)]


def test_card_data_reaches_neither_archive_nor_hash(store, tmp_path):
    card = "4111111111111111"
    fake_ledger: Any = FakeLedger()
    manifest = run(Shop([order(1, notes=f"card {card}", payment={"cvv": "987654"})]), fake_ledger, store)
    (text,) = BatchReader(store, CTX.pipeline, manifest.batch_id).rows(0, [0]).values()
    assert card.encode() not in text
    assert b"987654" not in text
    again = FakeLedger()
    run(Shop([order(1, notes="card 5555555555554444", payment={"cvv": "1"})]), again, store)
    assert fake_ledger.received[0][1]["content_hash"].tolist() == again.received[0][1]["content_hash"].tolist()


@pytest.mark.parametrize("documents", [[], [order(n) for n in range(1200)]])
def test_nothing_is_taken_of_an_answer_that_ends_badly(store, documents):
    fake_ledger: Any = FakeLedger()
    with pytest.raises(MalformedResponseError):
        run(Shop(documents, MalformedResponseError("cut off")), fake_ledger, store)
    assert fake_ledger.received == []
    assert list(store.list(CTX.pipeline)) == []


def test_what_is_listed_is_among_the_batchs_identities_whether_or_not_it_is_offered(store):
    class Forgetful(Shop):
        """Lists three orders and offers one: the second is forgotten, the third belongs to somebody else."""

        def fetch(self, selection):
            selection.listing.add(["1", "2", "3"])
            selection.listing.exclude("3")
            yield SourceOrder(order(1))

    manifest = run(Forgetful(), FakeLedger(), store)
    assert list(BatchReader(store, CTX.pipeline, manifest.batch_id).identities()) == ["1", "2"]


def test_a_listed_order_without_a_ledger_row_fails_the_accounting_check(store, tmp_path):
    class Forgetful(Shop):
        def fetch(self, selection):
            selection.listing.add(["1", "2"])
            yield SourceOrder(order(1))

    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(url)
    ledger = Ledger.open(url)
    try:
        ledger.runs.bind(CTX.pipeline, Shop.account, "oms:https://oms.example/1")
        ledger.runs.begin(CTX, "run")
        manifest = run(Forgetful(), ledger, store)
        [breach] = write_report(CTX, ledger, store, batch_id=manifest.batch_id).breaches
        assert "1 listed or archived orders are missing from the ledger" in breach
        offered = run(Shop([order(1), SourceOrder({"id": 2}, DETAIL_UNREADABLE, "HTTP 500")]), ledger, store)
        assert write_report(CTX, ledger, store, batch_id=offered.batch_id).breaches == []
        unread = ledger.database.read(lambda tx: read_attempts(tx, CTX.pipeline, "2"))
        assert unread
        assert unread["why"] == "HTTP 500"
    finally:
        ledger.close()


def test_an_empty_answer_is_a_batch_too(store):
    fake_ledger: Any = FakeLedger()
    manifest = run(Shop(), fake_ledger, store)
    assert manifest.records == 0
    assert fake_ledger.received[0][1] is None, "pandas is not imported for nothing"


def test_a_second_try_never_writes_over_the_first(store):
    fake_ledger: Any = FakeLedger()
    first, second = run(Shop([order(1)]), fake_ledger, store), run(Shop([order(2)]), fake_ledger, store)
    assert first.name != second.name
    assert [json.loads(t) for _, _, t in BatchReader(store, CTX.pipeline, first.batch_id).orders()] == [order(1)]


def test_selected_orders_are_no_complete_answer(store):
    shop, fake_ledger = Shop([order(1)]), FakeLedger()
    run(shop, fake_ledger, store, plan_ids(("1",)))
    assert fake_ledger.received[0][0].complete is False
    assert shop.asked == [Selection(order_ids=("1",))]


def test_after_a_refusal_no_request_is_made_until_the_connection_changed(store):
    shop, fake_ledger = Shop(error=SourceAuthError("HTTP 401")), FakeLedger()
    with pytest.raises(SourceAuthError, match="HTTP 401"):
        run(shop, fake_ledger, store)
    assert fake_ledger.refused == "c1"
    with pytest.raises(SourceAuthError, match="Correct the source's connection"):
        run(shop, fake_ledger, store)
    assert len(shop.asked) == 1
    shop.error = None
    run(shop, fake_ledger, store, connection="c2")
    assert fake_ledger.refused is None
    assert len(fake_ledger.received) == 1


def test_a_store_that_fails_to_clean_up_hides_no_error(store, monkeypatch):
    monkeypatch.setattr("order_relay.batches.writer.BatchWriter.abort", lambda _: 1 / 0)
    with pytest.raises(MalformedResponseError):
        run(Shop([], MalformedResponseError("cut off")), FakeLedger(), store)


def test_a_replay_asks_the_ledger_only(store):
    fake_ledger: Any = FakeLedger()
    manifest = replay_archived(CTX, fake_ledger, store, NOW, NOW)
    assert (manifest.kind, manifest.records, fake_ledger.told) == ("replay", 3, [(NOW, NOW)])


def test_a_replay_reports_data_removed_by_retention(store, caplog):
    store.write_json(marker_name(CTX.pipeline), {"archive": NOW.isoformat()})
    fake_ledger: Any = FakeLedger()
    replay_archived(CTX, fake_ledger, store, NOW, NOW)
    assert "retention removed" not in caplog.text
    replay_archived(CTX, fake_ledger, store, NOW - timedelta(days=1), NOW)
    assert "retention removed" in caplog.text


def test_the_real_ledger_takes_it(store, tmp_path):
    url = f"sqlite:///{tmp_path}/ledger.sqlite"
    migrate(url)
    ledger = Ledger.open(url)
    try:
        ledger.runs.bind(CTX.pipeline, Shop.account, "oms:https://oms.example/1")
        ledger.runs.begin(CTX, "run")
        manifest = run(Shop([order(1), order(2), {"no": "identity"}]), ledger, store)
        works = ledger.worklist.to_validate(CTX.pipeline, manifest.batch_id)
        assert [(w.part, w.row) for w in sorted(works, key=lambda w: w.row)] == [(0, 0), (0, 1), (0, 2)]
        assert {w.batch_id for w in works} == {manifest.batch_id}
        assert run(Shop(), ledger, store).records == 0
    finally:
        ledger.close()
