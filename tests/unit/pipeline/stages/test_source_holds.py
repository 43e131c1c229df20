"""Orders that may not go on yet: kept, asked for again, and never sent before they may."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from order_relay.ledger.schema.tables import submission
from order_relay.orders.messages import DETAIL_UNREADABLE
from tests.support.stages import PIPELINE, Desk, order


@pytest.fixture
def desk(sqlite_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = Desk.open(sqlite_url, tmp_path / "store")
    made.windowed = True
    yield made
    made.ledger.close()


def judge(desk: Desk, *documents: dict[str, object]) -> None:
    desk.transform(desk.dedupe(desk.validate(desk.read(*documents))))


def events(desk: Desk, word: str) -> list[str]:
    [life] = desk.ledger.queries.find(word)
    return [event["to_state"] for event in life["events"]]


def due_at(desk: Desk) -> object:
    with desk.ledger.database.engine.connect() as conn:
        return conn.execute(sa.select(submission.c.due_at)).scalar()


def make_due(desk: Desk) -> None:
    """The next request is due after a twentieth of an order's age, which a busy machine makes some milliseconds."""
    with desk.ledger.database.engine.begin() as conn:
        conn.execute(submission.update().values(due_at=submission.c.first_offered_at))


def test_an_open_payment_waits_without_an_event_until_it_changes(desk: Desk) -> None:
    for _ in range(3):
        judge(desk, order(1, payment="open"))
    assert desk.states() == {"1": "waiting gate:payment=open"}
    assert events(desk, "1") == ["received", "waiting"]
    judge(desk, order(1, payment="paid"))
    assert desk.states() == {"1": "ready"}


def test_it_is_asked_for_by_its_id_when_its_time_has_come(desk: Desk) -> None:
    judge(desk, order(1, payment="open"), order(2))
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == ["1"], "with no distance set it is due at once"
    desk.validate(desk.read(order(1, payment="open")))
    desk.ledger.source_holds.wait(desk.ctx, [], 900.0)
    assert events(desk, "1") == ["received", "waiting"]


def test_the_distance_grows_with_the_age(desk: Desk) -> None:
    from order_relay.ledger.submissions.source_holds import LONGEST_DELAY, _due

    [life] = (judge(desk, order(1, payment="open")), desk.ledger.queries.find("1"))[1]
    known = life["first_offered_at"]
    assert _due(known, known, 900.0) == known + timedelta(seconds=900)
    day = known + timedelta(days=1)
    assert _due(day, known, 900.0) == day + timedelta(days=1) / 20
    year = known + timedelta(days=365)
    assert _due(year, known, 900.0) == year + LONGEST_DELAY


def test_a_shop_that_takes_it_back_and_lists_it_again_gets_it_sent(desk: Desk) -> None:
    judge(desk, order(1, listed="no"))
    assert desk.states() == {"1": "waiting gate:listed=other"}
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], "nobody asks for what was taken back"
    judge(desk, order(1, listed="yes"))
    assert desk.states() == {"1": "ready"}


def test_an_order_that_the_source_offers_no_longer_waits_and_is_asked_for_less_often(desk: Desk) -> None:
    judge(desk, order(1, payment="open"))
    make_due(desk)
    judge(desk, order(2))
    [life] = desk.ledger.queries.find("1")
    assert (life["state"], life["reason"]) == ("waiting", "gate:gone")
    assert due_at(desk) is not None
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == []
    judge(desk, order(1, payment="open"))
    assert desk.states() == {"1": "waiting gate:payment=open"}, "offered again, it is judged again"


def test_a_setting_lets_one_shops_unpaid_orders_go_on(desk: Desk) -> None:
    judge(desk, order(1, payment="none", shop=7), order(2, payment="none", shop=8))
    assert desk.states() == {"1": "ready", "2": "waiting gate:payment=none"}


def test_a_ready_order_whose_payment_opens_again_waits(desk: Desk) -> None:
    judge(desk, order(1, payment="paid"))
    judge(desk, order(1, payment="open"))
    assert desk.states() == {"1": "waiting gate:payment=open"}
    assert desk.ledger.claims.ready(PIPELINE) == []


def test_a_waiting_order_that_comes_back_broken_is_quarantined(desk: Desk) -> None:
    judge(desk, order(1, payment="open"))
    judge(desk, order(1, payment="refunded"))
    assert desk.states() == {"1": "quarantined not_allowed"}


def test_a_quarantined_order_that_comes_back_unpaid_waits(desk: Desk) -> None:
    judge(desk, order(1, payment="refunded"))
    judge(desk, order(1, payment="open"))
    assert desk.states() == {"1": "waiting gate:payment=open"}


def test_the_point_moves_with_ordinary_runs_only(desk: Desk) -> None:
    assert desk.ledger.runs.watermark(PIPELINE) is None
    desk.extract(order(1))
    assert desk.ledger.runs.watermark(PIPELINE) is None
    desk.read(order(1))
    first = desk.ledger.runs.watermark(PIPELINE)
    assert first is not None
    desk.read()
    later = desk.ledger.runs.watermark(PIPELINE)
    assert later is not None
    assert later > first


def test_what_a_backfill_brings_to_a_ledger_is_looked_up_before_it_is_sent(desk: Desk) -> None:
    from order_relay.pipeline.runs.fetch_plan import plan_interval

    judge(desk, order(1))
    now = desk.ledger.runs.watermark(PIPELINE)
    assert now is not None
    manifest = desk.extract(order(2), reading=plan_interval(now - timedelta(days=3), now))
    desk.transform(desk.dedupe(desk.validate(manifest)))
    [life] = desk.ledger.queries.find("2")
    assert life["id"] in desk.ledger.preflight.unverified(PIPELINE)


def test_a_refused_order_is_read_again_so_that_a_fix_at_the_source_is_seen(desk: Desk) -> None:
    judge(desk, order(1, broken=True), order(2))
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], "it was offered just now"
    an_hour_passes(desk)
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == ["1"]
    judge(desk)
    assert desk.ledger.source_holds.due_for_recheck(PIPELINE, 10) == [], (
        "it is gone at the source, and asked for less often"
    )


def test_a_known_order_that_is_unreadable_this_time_keeps_its_state(desk: Desk) -> None:
    judge(desk, order(1), order(2, payment="open"))
    unreadable: list[dict[str, object]] = [{"id": number, "problem": DETAIL_UNREADABLE} for number in (1, 2, 3)]
    judge(desk, *unreadable)
    assert [desk.ledger.queries.find(word)[0]["state"] for word in "123"] == ["ready", "waiting", "quarantined"]
    assert events(desk, "2") == ["received", "waiting"]


def an_hour_passes(desk: Desk) -> None:
    with desk.ledger.database.engine.begin() as conn:
        before = conn.execute(sa.select(submission.c.last_offered_at)).scalars().first()
        assert before is not None
        conn.execute(submission.update().values(last_offered_at=before - timedelta(hours=1)))
