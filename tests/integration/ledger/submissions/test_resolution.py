"""Quarantine, resolving versions, making ready."""

from __future__ import annotations

from dataclasses import replace

import pytest

from order_relay.errors import ValidationIssue
from order_relay.orders.messages import SendOutcome, VersionPolicies
from order_relay.orders.notes import OrderNote, notes_to_json
from tests.support.offers import offer

NAME = "shop_to_oms"
CUT = OrderNote("text_cut", "orderComment", "cut to 1000 characters")
CUT_TOO = OrderNote("text_cut", "customOrderData.*", "cut to 1000 characters")
BAD = [ValidationIssue("missing", "/a", "is missing"), ValidationIssue("too_long", "/b/0", "is too long")]


def test_every_reason_is_kept(driver):
    driver.receive(offer("1"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    row = driver.row("1")
    assert [(r["code"], r["pointer"]) for r in row["refusals"]] == [("missing", "/a"), ("too_long", "/b/0")]
    assert row["reason"] == "missing"
    listed = driver.ledger.queries.quarantined()
    assert [(r["order_number"], r["code"], r["pointer"]) for r in listed] == [
        ("N-1", "missing", "/a"),
        ("N-1", "too_long", "/b/0"),
    ]
    assert len(driver.ledger.queries.quarantined(code="too_long")) == 1
    assert driver.ledger.queries.quarantined(numbers=["N-2"]) == []
    assert len(driver.ledger.queries.quarantined(numbers=["N-1"], since=row["changed_at"])) == 2


def test_only_the_newest_reasons_are_listed(driver):
    driver.receive(offer("1"))
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), [ValidationIssue("other", "", "is other")])])
    assert [r["code"] for r in driver.ledger.queries.quarantined()] == ["other"]
    assert len(driver.row("1")["refusals"]) == 3, "the life shows all of them"


def test_texts_that_no_column_holds_are_kept_readable(driver):
    driver.receive(offer("1"))
    odd = ValidationIssue("bad_text", "/a\x00b\ud800", "x" * 5_000)
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), [odd])])
    assert driver.row("1")["refusals"][0]["code"] == "bad_text"


def test_what_was_moved_since_is_skipped(driver):
    driver.receive(offer("1"))
    seen = driver.work("1")
    driver.receive(offer("1", content_hash="changed"))
    assert driver.ledger.validation.quarantine(driver.ctx, [(seen, BAD)]) == 0
    assert driver.make_ready(seen) == ([], [])
    assert driver.state("1") == "received"
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)])
    assert driver.ledger.validation.recover(driver.ctx, [seen]) == []


def test_a_ready_order_can_be_quarantined(driver):
    driver.all_ready("1")
    assert driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)]) == 1
    assert driver.state("1") == "quarantined"


def test_the_newest_wins_and_the_older_are_superseded(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert [w.source_id for w in driver.resolve()] == ["2"]
    assert driver.state("1") == "superseded"


def test_a_ready_version_gives_way_to_a_newer_one(driver):
    driver.receive(offer("1", lineage="L"))
    driver.make_ready(*driver.resolve())
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert [w.source_id for w in driver.resolve()] == ["2"]
    assert driver.state("1") == "superseded"
    assert driver.row("1")["destination_key"] is None


def test_older_versions_wait_for_a_quarantined_one_and_win_when_it_is_discarded(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    winners = driver.resolve()
    driver.ledger.validation.quarantine(driver.ctx, [(winners[0], BAD)])
    ids = [winners[0].id]
    assert driver.ledger.versions.resolve(driver.ctx, ids, VersionPolicies()) == [], "resolved again after the refusal"
    assert (driver.state("1"), driver.state("2")) == ("waiting", "quarantined")
    driver.ledger.bulk.discard(driver.ctx, ids, "not wanted")
    assert [w.source_id for w in driver.ledger.versions.resolve(driver.ctx, ids, VersionPolicies())] == ["1"]


def test_versions_wait_while_one_is_under_way(driver):
    driver.receive(offer("1", lineage="L"))
    number = driver.make_ready(*driver.resolve())[0][0]
    driver.claim(number)
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert driver.resolve() == []
    assert driver.state("2") == "waiting"
    driver.settle(number, SendOutcome.REJECTED, status=400)
    driver.receive(offer("2", lineage="L"))
    assert [w.source_id for w in driver.resolve()] == ["2"]


@pytest.mark.parametrize(("policy", "state"), [("review", "held"), ("ignore", "discarded")])
def test_newer_than_an_imported_one(driver, policy, state):
    driver.imported("1")
    driver.receive(offer("2", lineage="L1"))
    assert driver.resolve(VersionPolicies(resubmission=policy)) == []
    assert driver.state("2") == state


def test_newer_than_an_imported_one_as_a_new_order(driver):
    driver.imported("1")
    driver.receive(offer("2", lineage="L1"))
    works = driver.resolve(VersionPolicies(resubmission="import_as_new"))
    assert [w.source_id for w in works] == ["2"]
    assert works[0].lineage != "L1"
    number = driver.make_ready(*works)[0][0]
    assert number in driver.claim(number), "its own lineage: the index lets it go"


def test_older_than_an_imported_one_is_superseded_and_acknowledged(driver):
    driver.imported("2")
    driver.receive(offer("1", lineage="L2"))
    driver.resolve()
    assert driver.state("1") == "superseded"
    assert set(driver.due()) == {"N-1", "N-2"}


def test_held_is_never_moved_by_resolving(driver):
    driver.receive(offer("1", suffix=1))
    assert driver.resolve() == []
    assert (driver.state("1"), driver.row("1")["reason"]) == ("held", "suffix_without_base")
    driver.receive(offer("2", lineage="L1"))
    driver.resolve()
    assert driver.state("1") == "held"


def test_a_limit_counts_lineages(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"), offer("3"), offer("4"))
    assert [w.source_id for w in driver.resolve(limit=2)] == ["2", "3"]
    assert driver.state("4") == "received"


def test_resolving_again_writes_nothing_new(driver):
    driver.receive(offer("1", lineage="L"), offer("2", lineage="L"), offer("3", suffix=1))
    first = driver.resolve()
    events = [driver.events(s) for s in "123"]
    assert driver.resolve() == first
    assert [driver.events(s) for s in "123"] == events


def test_making_ready_keeps_what_was_made(driver):
    driver.receive(offer("1"))
    ready = driver.ready_of(
        driver.resolve()[0], payload_name="p/x.gz", payload_row=7, total_minor=12345, notes=[CUT, CUT_TOO]
    )
    assert driver.ledger.payloads.make_ready(driver.ctx, [ready]) == ([ready.id], [])
    sendable = driver.ledger.claims.sendable([ready.id])[0]
    assert (sendable.payload_name, sendable.payload_row, sendable.fingerprint) == ("p/x.gz", 7, ready.fingerprint)
    assert (sendable.destination_key, sendable.attempts) == ("KEY-N-1", 0)
    row = driver.row("1")
    assert (row["total_minor"], row["currency"], row["notes"]) == (12345, "EUR", notes_to_json([CUT, CUT_TOO]))
    assert driver.ledger.accounting.counts(NAME, driver.ctx.run)["notes"] == {"text_cut": 1}, (
        "orders are counted, not notes"
    )
    assert driver.ledger.claims.ready(NAME) == [ready.id]


def test_a_quarantined_order_keeps_its_notes(driver):
    driver.receive(offer("1"))
    work = driver.work("1")
    driver.ledger.validation.quarantine(driver.ctx, [(work, BAD)], {work.id: [CUT]})
    assert driver.row("1")["notes"] == notes_to_json([CUT])
    driver.ledger.validation.quarantine(driver.ctx, [(driver.work("1"), BAD)], {work.id: [CUT_TOO]})
    assert driver.row("1")["notes"] == notes_to_json([CUT_TOO]), "also where the reasons did not change"


def test_a_duplicate_destination_key_holds_both(driver):
    driver.receive(offer("1"), offer("2"), offer("3"))
    one, two, three = driver.resolve()
    given = [
        driver.ready_of(one, destination_key="K"),
        driver.ready_of(two, destination_key="K"),
        driver.ready_of(three),
    ]
    assert driver.ledger.payloads.make_ready(driver.ctx, given) == ([three.id], [one.id, two.id])
    assert driver.row("1")["reason"] == "destination_key_taken"


def test_a_key_that_another_ready_order_has_holds_both(driver):
    driver.all_ready("1")
    driver.receive(offer("2"))
    work = driver.work("2")
    assert driver.ledger.payloads.make_ready(driver.ctx, [driver.ready_of(work, destination_key="KEY-N-1")]) == (
        [],
        [work.id],
    )
    assert (driver.state("1"), driver.state("2")) == ("held", "held")


def test_a_key_that_was_sent_stays_taken(driver):
    driver.imported("1")
    driver.receive(offer("2"))
    work = driver.work("2")
    assert driver.ledger.payloads.make_ready(driver.ctx, [driver.ready_of(work, destination_key="KEY-N-1")]) == (
        [],
        [work.id],
    )
    assert (driver.state("1"), driver.state("2")) == ("imported", "held")


def test_keys_are_never_cut_or_normalised(driver):
    driver.receive(offer("1"), offer("2"))
    one, two = driver.resolve()
    keys = ["k " + "x" * 300, "K " + "x" * 300]
    given = [replace(driver.ready_of(w), destination_key=k) for w, k in zip((one, two), keys, strict=True)]
    assert driver.ledger.payloads.make_ready(driver.ctx, given)[0] == [one.id, two.id]
    assert [s.destination_key for s in driver.ledger.claims.sendable([one.id, two.id])] == keys
