"""Orders that may not go on yet: kept, asked for again, and never sent before they may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_relay.ledger.schema.tables import submission
from order_relay.orders.messages import DETAIL_UNREADABLE
from tests.support.stages import PIPELINE, Relay, order


@pytest.fixture
def relay(sqlite_url: str, tmp_path: Path) -> Iterator[Relay]:
    made = Relay.open(sqlite_url, tmp_path / "store")
    made.windowed = True
    yield made
    made.ledger.close()


def validate_all(relay: Relay, *documents: dict[str, object]) -> None:
    relay.transform(relay.dedupe(relay.validate(relay.read(*documents))))


def events(relay: Relay, word: str) -> list[str]:
    [life] = relay.ledger.queries.find(word)
    return [event["to_state"] for event in life["events"]]


def due_at(relay: Relay) -> object:
    with relay.ledger.database.engine.connect() as conn:
        return conn.execute(sa.select(submission.c.due_at)).scalar()


def make_due(relay: Relay) -> None:
    """The next request is due after a twentieth of an order's age, which a busy machine makes some milliseconds."""
    with relay.ledger.database.engine.begin() as conn:
        conn.execute(submission.update().values(due_at=submission.c.first_offered_at))


def test_an_open_payment_waits_without_an_event_until_it_changes(relay: Relay) -> None:
    for _ in range(3):
        validate_all(relay, order(1, payment="open"))
    assert relay.states() == {"1": "waiting gate:payment=open"}
    assert events(relay, "1") == ["received", "waiting"]
    validate_all(relay, order(1, payment="paid"))
    assert relay.states() == {"1": "ready"}


def test_it_is_asked_for_by_its_id_when_its_time_has_come(relay: Relay) -> None:
    validate_all(relay, order(1, payment="open"), order(2))
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == ["1"], "with no distance set it is due at once"
    relay.validate(relay.read(order(1, payment="open")))
    relay.ledger.source_holds.wait(relay.ctx, [], 900.0)
    assert events(relay, "1") == ["received", "waiting"]


def test_the_distance_grows_with_the_age(relay: Relay) -> None:
    from order_relay.ledger.submissions.source_holds import LONGEST_DELAY, _due

    [life] = (validate_all(relay, order(1, payment="open")), relay.ledger.queries.find("1"))[1]
    known = life["first_offered_at"]
    assert _due(known, known, 900.0) == known + timedelta(seconds=900)
    day = known + timedelta(days=1)
    assert _due(day, known, 900.0) == day + timedelta(days=1) / 20
    year = known + timedelta(days=365)
    assert _due(year, known, 900.0) == year + LONGEST_DELAY


def test_a_shop_that_takes_it_back_and_lists_it_again_gets_it_sent(relay: Relay) -> None:
    validate_all(relay, order(1, listed="no"))
    assert relay.states() == {"1": "waiting gate:listed=other"}
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], "nobody asks for what was taken back"
    validate_all(relay, order(1, listed="yes"))
    assert relay.states() == {"1": "ready"}


def test_an_order_that_the_source_offers_no_longer_waits_and_is_asked_for_less_often(relay: Relay) -> None:
    validate_all(relay, order(1, payment="open"))
    make_due(relay)
    validate_all(relay, order(2))
    [life] = relay.ledger.queries.find("1")
    assert (life["state"], life["reason"]) == ("waiting", "gate:gone")
    assert due_at(relay) is not None
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == []
    validate_all(relay, order(1, payment="open"))
    assert relay.states() == {"1": "waiting gate:payment=open"}, "offered again, it is judged again"


def test_a_setting_lets_one_shops_unpaid_orders_go_on(relay: Relay) -> None:
    validate_all(relay, order(1, payment="none", shop=7), order(2, payment="none", shop=8))
    assert relay.states() == {"1": "ready", "2": "waiting gate:payment=none"}


def test_a_ready_order_whose_payment_opens_again_waits(relay: Relay) -> None:
    validate_all(relay, order(1, payment="paid"))
    validate_all(relay, order(1, payment="open"))
    assert relay.states() == {"1": "waiting gate:payment=open"}
    assert relay.ledger.claims.ready(PIPELINE) == []


def test_a_waiting_order_that_comes_back_broken_is_quarantined(relay: Relay) -> None:
    validate_all(relay, order(1, payment="open"))
    validate_all(relay, order(1, payment="refunded"))
    assert relay.states() == {"1": "quarantined not_allowed"}


def test_a_quarantined_order_that_comes_back_unpaid_waits(relay: Relay) -> None:
    validate_all(relay, order(1, payment="refunded"))
    validate_all(relay, order(1, payment="open"))
    assert relay.states() == {"1": "waiting gate:payment=open"}


def test_the_point_moves_with_ordinary_runs_only(relay: Relay) -> None:
    assert relay.ledger.runs.watermark(PIPELINE) is None
    relay.extract(order(1))
    assert relay.ledger.runs.watermark(PIPELINE) is None
    relay.read(order(1))
    first = relay.ledger.runs.watermark(PIPELINE)
    assert first is not None
    relay.read()
    later = relay.ledger.runs.watermark(PIPELINE)
    assert later is not None
    assert later > first


def test_what_a_backfill_brings_to_a_ledger_is_looked_up_before_it_is_sent(relay: Relay) -> None:
    from order_relay.pipeline.runs.fetch_plan import plan_interval

    validate_all(relay, order(1))
    now = relay.ledger.runs.watermark(PIPELINE)
    assert now is not None
    manifest = relay.extract(order(2), reading=plan_interval(now - timedelta(days=3), now))
    relay.transform(relay.dedupe(relay.validate(manifest)))
    [life] = relay.ledger.queries.find("2")
    assert life["id"] in relay.ledger.preflight.unverified(PIPELINE)


def test_a_refused_order_is_read_again_so_that_a_fix_at_the_source_is_seen(relay: Relay) -> None:
    validate_all(relay, order(1, broken=True), order(2))
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], "it was offered just now"
    an_hour_passes(relay)
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == ["1"]
    validate_all(relay)
    assert relay.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], (
        "it is gone at the source, and asked for less often"
    )


def test_a_known_order_that_is_unreadable_this_time_keeps_its_state(relay: Relay) -> None:
    validate_all(relay, order(1), order(2, payment="open"))
    unreadable: list[dict[str, object]] = [{"id": number, "problem": DETAIL_UNREADABLE} for number in (1, 2, 3)]
    validate_all(relay, *unreadable)
    assert [relay.ledger.queries.find(word)[0]["state"] for word in "123"] == ["ready", "waiting", "quarantined"]
    assert events(relay, "2") == ["received", "waiting"]


def an_hour_passes(relay: Relay) -> None:
    with relay.ledger.database.engine.begin() as conn:
        before = conn.execute(sa.select(submission.c.last_offered_at)).scalars().first()
        assert before is not None
        conn.execute(submission.update().values(last_offered_at=before - timedelta(hours=1)))
