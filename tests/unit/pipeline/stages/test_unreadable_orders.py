"""One order that cannot be read as it is: set aside alone, kept whole, and evaluated again once it is repaired."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from order_relay.batches import BatchReader
from order_relay.errors import MalformedResponseError
from order_relay.ledger import AttemptResult
from order_relay.orders.messages import Selection, SendOutcome, SendResult, SourceOrder
from order_relay.orders.schema.malformed import MALFORMED_CODES
from order_relay.pipeline.report.report import check_archive, write_report
from order_relay.pipeline.runs.fetch_plan import FetchPlan
from order_relay.vendors.supercat.envelope import read_envelope
from tests.support.stages import PIPELINE, Relay, order


class Shop(Relay):
    """Offers what stands in the bytes of an answer."""

    body = b""

    def fetch(self, selection: Selection) -> Iterator[SourceOrder]:
        yield from read_envelope([self.body], max_order=1 << 20, warn=selection.warn)

    def answer(self, *orders: bytes, more: bytes = b"") -> dict[str, int]:
        """A run in which the source's answer has these orders."""
        self.body = b'{"status":"success","error":null' + more + b',"data":[' + b",".join(orders) + b"]}"
        return self.run()

    def found(self, word: str) -> dict[str, object]:
        [life] = self.ledger.queries.find(word)
        return dict(life)

    def state(self, word: str) -> str:
        return str(self.found(word)["state"])


@pytest.fixture
def shop(sqlite_url: str, tmp_path: Path) -> Iterator[Shop]:
    made = Shop.open(sqlite_url, tmp_path / "store")
    assert isinstance(made, Shop)
    yield made
    made.ledger.close()


def text(number: int, **more: Any) -> bytes:
    return json.dumps(order(number, **more)).encode()


def spoiled(number: int, member: bytes) -> bytes:
    return text(number)[:-1] + b"," + member + b"}"


@pytest.mark.parametrize(
    ("member", "code"),
    [
        (b'"a":1,"a":2', "duplicate_key"),
        (b'"total":NaN', "not_a_json_number"),
        (b'"notes":"Z\xfcrich"', "bad_byte"),
        (b'"notes":"a\tb"', "control_character"),
        (b'"a":' + b"[" * 900 + b"]" * 900, "nested_too_deeply"),
        (b'"total":1,5', "not_json"),
        (b'"notes":"' + b"x" * (1 << 20) + b'"', "order_too_large"),
    ],
)
def test_the_one_is_quarantined_with_its_number_and_place_and_the_others_go_on(
    shop: Shop, member: bytes, code: str
) -> None:
    assert shop.answer(text(1), spoiled(2, member), text(3))["ready"] == 2
    life = shop.found("N2")
    assert (life["state"], life["reason"], life["order_number"]) == ("quarantined", code, "N2")
    assert life["notes"] == [
        {"code": "position", "path": "", "message": "order 2 of the response, when it was read last"}
    ]
    assert {row["code"] for row in life["refusals"]} <= set(MALFORMED_CODES)  # type: ignore[attr-defined]
    assert (shop.state("N1"), shop.state("N3")) == ("ready", "ready")


def test_it_is_archived_whole_and_without_card_data(shop: Shop) -> None:
    shop.answer(spoiled(2, b'"payment":{"cvv":"987","card":"4111 1111 1111 1111"},"notes":"Z\xfcrich"'))
    life = shop.found("N2")
    reader = BatchReader(shop.store, PIPELINE, str(life["batch_id"]))
    (kept,) = reader.rows(0, [0]).values()
    assert b"xfcrich" in kept
    assert b"987" not in kept
    assert b"1111" not in kept
    assert check_archive(shop.ledger, shop.store, PIPELINE, [str(life["batch_id"])]) == []


def test_repaired_it_continues_as_the_same_submission(shop: Shop) -> None:
    shop.answer(spoiled(2, b'"total":NaN'))
    assert shop.answer(text(2)) == {"ready": 1, "held": 0}
    assert [event["to_state"] for event in shop.found("N2")["events"]] == [  # type: ignore[attr-defined]
        "received",
        "quarantined",
        "received",
        "ready",
    ]


@pytest.mark.parametrize("bad", [spoiled(2, b'"total":NaN'), spoiled(2, b'"id":7'), b'{"x":1,}'])
def test_offered_again_and_again_it_leaves_no_further_trace(shop: Shop, bad: bytes) -> None:
    for orders in ([bad], [text(1), bad], [text(1), text(3), bad, bad]):
        shop.answer(*orders)
    [row] = shop.ledger.queries.quarantined()
    life = shop.found(row["source_id"])
    assert [event["to_state"] for event in life["events"]] == ["received", "quarantined"]  # type: ignore[attr-defined]
    assert len(life["refusals"]) == 1  # type: ignore[arg-type]
    assert life["notes"][0]["message"].startswith("order ")  # type: ignore[index]


def test_where_its_id_is_contradictory_it_is_kept_under_its_text(shop: Shop) -> None:
    shop.answer(spoiled(2, b'"id":7'), text(1))
    [row] = shop.ledger.queries.quarantined()
    assert row["source_id"].startswith("sha256:")
    shop.answer(text(2), text(7))
    assert (shop.state("N2"), shop.state("N7")) == ("ready", "ready")


def imported(shop: Shop, word: str) -> None:
    """Send the order that the word names, successfully."""
    number = int(str(shop.found(word)["id"]))
    claim = shop.ledger.claims.claim(shop.ctx, [number], "test", 30)[number]
    answer = SendResult(SendOutcome.IMPORTED, status=201, oms_id=f"OMS-{number}")
    assert shop.ledger.outcomes.record(shop.ctx, [AttemptResult(number, claim.attempt, answer)]) == {}


NO_ID = spoiled(2, b'"id":7')
NO_ID_PARSED = text(2).replace(b'"id": 2', b'"id": " "')


def unnamed(shop: Shop) -> dict[str, object]:
    """The order that is kept under its text."""
    [source_id] = {
        str(r["source_id"]) for r in shop.ledger.queries.quarantined() if r["source_id"].startswith("sha256:")
    }
    return shop.found(source_id)


@pytest.mark.parametrize("bad", [NO_ID, NO_ID_PARSED], ids=["unreadable", "without an id"])
def test_under_its_text_it_ends_once_the_repaired_order_is_imported(shop: Shop, bad: bytes) -> None:
    shop.answer(bad, text(1))
    kept = unnamed(shop)
    assert {"code": "readable_number", "path": "", "message": "N2"} in kept["notes"]  # type: ignore[operator]
    shop.answer(text(2), text(1))
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0, "the repaired one is not imported yet"
    imported(shop, "N2")
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 1
    life = shop.found(str(kept["source_id"]))
    assert (life["state"], life["reason"], life["ack"]) == ("superseded", "repaired_under_its_id", None)
    assert {due.order_number for due in shop.ledger.acknowledgements.due(PIPELINE, 100)} == {"N2"}
    assert shop.ledger.accounting.invariant_violations() == []
    assert shop.ledger.retention.required_rows(PIPELINE).raw[str(life["batch_id"])][0].isdisjoint({life["row"]}), (
        "nothing needs it"
    )
    [late] = shop.ledger.health.overdue(PIPELINE, {"acknowledgement": 0})
    assert late.orders == ("N2",), "nobody waits for an acknowledgement of the other one"
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0


def test_it_stays_while_anything_speaks_against_its_end(shop: Shop) -> None:
    def ended() -> int:
        return shop.ledger.unidentified_orders.supersede_repaired(shop.ctx)

    shop.answer(NO_ID, text(1))
    shop.answer(NO_ID, text(2), text(1))
    imported(shop, "N2")
    assert ended() == 0, "both are offered: two orders"
    shop.answer(text(1))
    assert ended() == 0, "the other one came to light while this one was offered"


def test_it_stays_until_a_complete_answer_of_its_source_lacks_it(shop: Shop) -> None:
    shop.answer(NO_ID, text(1))
    shop.body = b'{"status":"success","error":null,"data":[' + text(2) + b"]}"
    asked_by_id = shop.extract(reading=FetchPlan(complete=False))
    shop.transform(shop.dedupe(shop.validate(asked_by_id)))
    imported(shop, "N2")
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0
    shop.answer(text(1))
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 1


def test_it_stays_where_another_order_has_its_number_too(shop: Shop) -> None:
    shop.answer(NO_ID)
    shop.answer(text(2))
    imported(shop, "N2")
    shop.answer(text(2), text(9).replace(b"N9", b"N2"))
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0


def test_it_stays_where_its_number_cannot_be_read(shop: Shop) -> None:
    shop.answer(spoiled(2, b'"id":7').replace(b'"no": "N2"', b'"no": 7, "no": 8'))
    shop.answer(text(2))
    imported(shop, "N2")
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0
    assert all(row["no_longer_offered"] for row in shop.ledger.queries.quarantined()), "which the operator sees"


def test_one_that_comes_back_after_its_end_is_quarantined_again(shop: Shop) -> None:
    shop.answer(NO_ID)
    kept = str(unnamed(shop)["source_id"])
    shop.answer(text(2))
    imported(shop, "N2")
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 1
    shop.answer(NO_ID)
    assert shop.state(kept) == "quarantined"
    assert not shop.ledger.queries.quarantined()[0]["no_longer_offered"]
    shop.answer(text(1))
    assert shop.ledger.unidentified_orders.supersede_repaired(shop.ctx) == 0, "what ended it was no replacement of it"


def test_a_version_that_cannot_be_read_keeps_older_ones_waiting(shop: Shop) -> None:
    shop.answer(text(1, group="G"), spoiled(2, b'"total":NaN').replace(b'"G2"', b'"G"'))
    assert shop.state("N1") == "waiting"


def test_an_answer_that_is_cut_is_refused_whole(shop: Shop) -> None:
    shop.answer(text(1))
    shop.body = b'{"status":"success","error":null,"data":[' + text(2) + b"," + spoiled(3, b'"a":NaN')[:-9]
    with pytest.raises(MalformedResponseError, match="truncated"):
        shop.run()
    assert shop.ledger.queries.find("N2") == []


def test_members_of_the_envelope_that_are_not_documented_are_in_the_report(shop: Shop) -> None:
    shop.answer(text(1), more=b',"page":1')
    batch = str(shop.found("N1")["batch_id"])
    report = write_report(shop.ctx, shop.ledger, shop.store, batch_id=batch)
    assert "undocumented members" in report.markdown
    assert "ignored: page" in report.text
