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


def test_every_reason_is_kept(clerk):
    clerk.receive(offer("1"))
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    row = clerk.row("1")
    assert [(r["code"], r["pointer"]) for r in row["refusals"]] == [("missing", "/a"), ("too_long", "/b/0")]
    assert row["reason"] == "missing"
    listed = clerk.ledger.queries.quarantined()
    assert [(r["order_number"], r["code"], r["pointer"]) for r in listed] == [
        ("N-1", "missing", "/a"),
        ("N-1", "too_long", "/b/0"),
    ]
    assert len(clerk.ledger.queries.quarantined(code="too_long")) == 1
    assert clerk.ledger.queries.quarantined(numbers=["N-2"]) == []
    assert len(clerk.ledger.queries.quarantined(numbers=["N-1"], since=row["changed_at"])) == 2


def test_only_the_newest_reasons_are_listed(clerk):
    clerk.receive(offer("1"))
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), [ValidationIssue("other", "", "is other")])])
    assert [r["code"] for r in clerk.ledger.queries.quarantined()] == ["other"]
    assert len(clerk.row("1")["refusals"]) == 3, "the life shows all of them"


def test_texts_that_no_column_holds_are_kept_readable(clerk):
    clerk.receive(offer("1"))
    odd = ValidationIssue("bad_text", "/a\x00b\ud800", "x" * 5_000)
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), [odd])])
    assert clerk.row("1")["refusals"][0]["code"] == "bad_text"


def test_what_was_moved_since_is_skipped(clerk):
    clerk.receive(offer("1"))
    seen = clerk.work("1")
    clerk.receive(offer("1", content_hash="changed"))
    assert clerk.ledger.validation.quarantine(clerk.ctx, [(seen, BAD)]) == 0
    assert clerk.make_ready(seen) == ([], [])
    assert clerk.state("1") == "received"
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)])
    assert clerk.ledger.validation.recover(clerk.ctx, [seen]) == []


def test_a_ready_order_can_be_quarantined(clerk):
    clerk.all_ready("1")
    assert clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)]) == 1
    assert clerk.state("1") == "quarantined"


def test_the_newest_wins_and_the_older_are_superseded(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert [w.source_id for w in clerk.resolve()] == ["2"]
    assert clerk.state("1") == "superseded"


def test_a_ready_version_gives_way_to_a_newer_one(clerk):
    clerk.receive(offer("1", lineage="L"))
    clerk.make_ready(*clerk.resolve())
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert [w.source_id for w in clerk.resolve()] == ["2"]
    assert clerk.state("1") == "superseded"
    assert clerk.row("1")["destination_key"] is None


def test_older_versions_wait_for_a_quarantined_one_and_win_when_it_is_discarded(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    winners = clerk.resolve()
    clerk.ledger.validation.quarantine(clerk.ctx, [(winners[0], BAD)])
    ids = [winners[0].id]
    assert clerk.ledger.versions.resolve(clerk.ctx, ids, VersionPolicies()) == [], "resolved again after the refusal"
    assert (clerk.state("1"), clerk.state("2")) == ("waiting", "quarantined")
    clerk.ledger.bulk.discard(clerk.ctx, ids, "not wanted")
    assert [w.source_id for w in clerk.ledger.versions.resolve(clerk.ctx, ids, VersionPolicies())] == ["1"]


def test_versions_wait_while_one_is_under_way(clerk):
    clerk.receive(offer("1", lineage="L"))
    number = clerk.make_ready(*clerk.resolve())[0][0]
    clerk.claim(number)
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"))
    assert clerk.resolve() == []
    assert clerk.state("2") == "waiting"
    clerk.settle(number, SendOutcome.REJECTED, status=400)
    clerk.receive(offer("2", lineage="L"))
    assert [w.source_id for w in clerk.resolve()] == ["2"]


@pytest.mark.parametrize(("policy", "state"), [("review", "held"), ("ignore", "discarded")])
def test_newer_than_an_imported_one(clerk, policy, state):
    clerk.imported("1")
    clerk.receive(offer("2", lineage="L1"))
    assert clerk.resolve(VersionPolicies(resubmission=policy)) == []
    assert clerk.state("2") == state


def test_newer_than_an_imported_one_as_a_new_order(clerk):
    clerk.imported("1")
    clerk.receive(offer("2", lineage="L1"))
    works = clerk.resolve(VersionPolicies(resubmission="import_as_new"))
    assert [w.source_id for w in works] == ["2"]
    assert works[0].lineage != "L1"
    number = clerk.make_ready(*works)[0][0]
    assert number in clerk.claim(number), "its own lineage: the index lets it go"


def test_older_than_an_imported_one_is_superseded_and_acknowledged(clerk):
    clerk.imported("2")
    clerk.receive(offer("1", lineage="L2"))
    clerk.resolve()
    assert clerk.state("1") == "superseded"
    assert set(clerk.due()) == {"N-1", "N-2"}


def test_held_is_never_moved_by_resolving(clerk):
    clerk.receive(offer("1", suffix=1))
    assert clerk.resolve() == []
    assert (clerk.state("1"), clerk.row("1")["reason"]) == ("held", "suffix_without_base")
    clerk.receive(offer("2", lineage="L1"))
    clerk.resolve()
    assert clerk.state("1") == "held"


def test_a_limit_counts_lineages(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"), offer("3"), offer("4"))
    assert [w.source_id for w in clerk.resolve(limit=2)] == ["2", "3"]
    assert clerk.state("4") == "received"


def test_resolving_again_writes_nothing_new(clerk):
    clerk.receive(offer("1", lineage="L"), offer("2", lineage="L"), offer("3", suffix=1))
    first = clerk.resolve()
    events = [clerk.events(s) for s in "123"]
    assert clerk.resolve() == first
    assert [clerk.events(s) for s in "123"] == events


def test_making_ready_keeps_what_was_made(clerk):
    clerk.receive(offer("1"))
    ready = clerk.ready_of(
        clerk.resolve()[0], payload_name="p/x.gz", payload_row=7, total_minor=12345, notes=[CUT, CUT_TOO]
    )
    assert clerk.ledger.payloads.make_ready(clerk.ctx, [ready]) == ([ready.id], [])
    sendable = clerk.ledger.claims.sendable([ready.id])[0]
    assert (sendable.payload_name, sendable.payload_row, sendable.fingerprint) == ("p/x.gz", 7, ready.fingerprint)
    assert (sendable.destination_key, sendable.attempts) == ("KEY-N-1", 0)
    row = clerk.row("1")
    assert (row["total_minor"], row["currency"], row["notes"]) == (12345, "EUR", notes_to_json([CUT, CUT_TOO]))
    assert clerk.ledger.accounting.counts(NAME)["notes"] == {"text_cut": 1}, "orders are counted, not notes"
    assert clerk.ledger.claims.ready(NAME) == [ready.id]


def test_a_quarantined_order_keeps_its_notes(clerk):
    clerk.receive(offer("1"))
    work = clerk.work("1")
    clerk.ledger.validation.quarantine(clerk.ctx, [(work, BAD)], {work.id: [CUT]})
    assert clerk.row("1")["notes"] == notes_to_json([CUT])
    clerk.ledger.validation.quarantine(clerk.ctx, [(clerk.work("1"), BAD)], {work.id: [CUT_TOO]})
    assert clerk.row("1")["notes"] == notes_to_json([CUT_TOO]), "also where the reasons did not change"


def test_a_duplicate_destination_key_holds_both(clerk):
    clerk.receive(offer("1"), offer("2"), offer("3"))
    one, two, three = clerk.resolve()
    given = [clerk.ready_of(one, destination_key="K"), clerk.ready_of(two, destination_key="K"), clerk.ready_of(three)]
    assert clerk.ledger.payloads.make_ready(clerk.ctx, given) == ([three.id], [one.id, two.id])
    assert clerk.row("1")["reason"] == "destination_key_taken"


def test_a_key_that_another_ready_order_has_holds_both(clerk):
    clerk.all_ready("1")
    clerk.receive(offer("2"))
    work = clerk.work("2")
    assert clerk.ledger.payloads.make_ready(clerk.ctx, [clerk.ready_of(work, destination_key="KEY-N-1")]) == (
        [],
        [work.id],
    )
    assert (clerk.state("1"), clerk.state("2")) == ("held", "held")


def test_a_key_that_was_sent_stays_taken(clerk):
    clerk.imported("1")
    clerk.receive(offer("2"))
    work = clerk.work("2")
    assert clerk.ledger.payloads.make_ready(clerk.ctx, [clerk.ready_of(work, destination_key="KEY-N-1")]) == (
        [],
        [work.id],
    )
    assert (clerk.state("1"), clerk.state("2")) == ("imported", "held")


def test_keys_are_never_cut_or_normalised(clerk):
    clerk.receive(offer("1"), offer("2"))
    one, two = clerk.resolve()
    keys = ["k " + "x" * 300, "K " + "x" * 300]
    given = [replace(clerk.ready_of(w), destination_key=k) for w, k in zip((one, two), keys, strict=True)]
    assert clerk.ledger.payloads.make_ready(clerk.ctx, given)[0] == [one.id, two.id]
    assert [s.destination_key for s in clerk.ledger.claims.sendable([one.id, two.id])] == keys
