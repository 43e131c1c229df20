"""The list of orders, on both databases: its pages together are the filtered and sorted orders."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from order_relay.errors import ConfigurationError
from order_relay.ledger import Ledger
from order_relay.ledger.listing import order_pages
from order_relay.ledger.listing.order_filter import NO_ANSWER, OMS_CHOICES, SORTS, OrderFilter, OrderSort
from order_relay.ledger.listing.order_list import OrderPage
from order_relay.ledger.oms.oms_status_counts import UNANSWERED
from order_relay.ledger.schema.oms_tables import oms_status
from order_relay.ledger.schema.shipment_tables import shipment
from order_relay.ledger.schema.states import OPEN, State
from order_relay.ledger.schema.tables import event, pipeline, submission
from tests.support.ledger_rows import IMPORTED

NOW = datetime.now(UTC).replace(microsecond=0)
REASONS = ("", "not_in_table", "http_400")
NAMES = ("brand_a", "brand_b")
ORDERS = 90


class Listed:
    """A ledger and its orders. No dataclass: a failing property would print all of them."""

    def __init__(self, ledger: Ledger, orders: list[dict[str, Any]]) -> None:
        self.ledger, self.orders = ledger, orders


def made(rng: random.Random, number: int) -> dict[str, Any]:
    """An order with few different values, so that filters and ties meet many of them."""
    state = rng.choice(list(State))
    received = NOW - timedelta(hours=rng.randrange(40))
    return {
        **IMPORTED,
        "id": number,
        "pipeline": rng.choice(NAMES),
        "source_id": f"S{number}",
        "lineage": f"L{number}",
        "order_number": rng.choice(["SO-", "so-", "WEB%", "ß_"]) + str(rng.randrange(60)),
        "state": state,
        "reason": "" if state is State.IMPORTED else rng.choice(REASONS),
        "destination": "oms",
        "first_offered_at": received,
        "last_offered_at": received,
        "changed_at": received + timedelta(hours=rng.randrange(5)),
        "waiting_since": received if state is State.WAITING else None,
        "customer_po": rng.choice(["", "PO-7"]),
        "oms_id": f"O{number}" if state is State.IMPORTED else None,
        "total_minor": number,
    }


def asked(rng: random.Random, order: dict[str, Any]) -> dict[str, Any]:
    """What the OMS said about an imported order."""
    return {
        "submission_id": order["id"],
        "pipeline": order["pipeline"],
        "received": "",
        "reading": rng.choice(["", "open", "cancelled"]),
        "cancelled": "[]",
        "changed_at": NOW,
        "misses": rng.randrange(2),
        "problem": "",
        "due_at": rng.choice([NOW, None]),
    }


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def listed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listed]:
    """A ledger with orders of two pipelines, and these orders."""
    if request.param == "sqlite":
        import shutil

        path = tmp_path_factory.mktemp("listed") / "ledger.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        url = f"sqlite:///{path}"
    else:
        url = request.getfixturevalue("postgres_cluster").copy_template("listed_orders")
    rng = random.Random(7)
    orders = [made(rng, number) for number in range(1, ORDERS + 1)]
    ledger = Ledger.open(url)
    with ledger.database.engine.begin() as conn:
        bound = {"bound_at": NOW, "last_sequence": 1, "unproven": False, "destination_account": "oms"}
        conn.execute(pipeline.insert(), [{"name": name, "source_account": name, **bound} for name in NAMES])
        conn.execute(submission.insert(), orders)
        statuses = [asked(rng, order) for order in orders if order["state"] is State.IMPORTED]
        conn.execute(oms_status.insert(), statuses)
        step = {"from_state": "", "to_state": "received", "revision": 1, "at": NOW, "who": "", "why": ""}
        runs = [{**step, "submission_id": n, "run": f"run-{n % 3}"} for n in range(1, ORDERS + 1)]
        conn.execute(event.insert(), [*runs, *runs[:20]])
    of_order = {one["submission_id"]: one for one in statuses}
    yield Listed(ledger, [{**order, "oms": of_order.get(order["id"])} for order in orders])
    ledger.close()


def has_status(one: dict[str, Any] | None, chosen: frozenset[str]) -> bool:
    """The filter of statuses at the OMS in Python."""
    if one is None or one["due_at"] is None:
        return one is not None and one["reading"] == "cancelled" in chosen
    return (one["reading"] or NO_ANSWER) in chosen or bool(one["misses"] and UNANSWERED in chosen)


def expected(orders: list[dict[str, Any]], found: OrderFilter, sort: OrderSort) -> list[int]:
    """The filter and sort in Python."""

    def fits(row: dict[str, Any]) -> bool:
        waiting = row["waiting_since"] or row["changed_at"]
        prefixes = (found.search, found.search.upper(), found.search.lower())
        named = (row["order_number"], row["source_id"], row["lineage"], row["customer_po"] or None, row["oms_id"])
        return all(
            (
                row["pipeline"] in found.pipelines,
                not found.states or row["state"] in found.states,
                not found.reason or row["reason"] == found.reason,
                found.received_from is None or row["first_offered_at"] >= found.received_from,
                found.received_before is None or row["first_offered_at"] < found.received_before,
                found.changed_from is None or row["changed_at"] >= found.changed_from,
                found.changed_before is None or row["changed_at"] < found.changed_before,
                not found.oms or has_status(row["oms"], found.oms),
                not found.run or found.run == f"run-{row['id'] % 3}",
                found.waiting_s is None
                or (row["state"] in OPEN and waiting < datetime.now(UTC) - timedelta(seconds=found.waiting_s)),
                not found.search
                or found.search in named
                or found.search.upper() == row["lineage"]
                or row["order_number"].startswith(prefixes),
            )
        )

    column = {"number": "order_number", "received": "first_offered_at", "changed": "changed_at"}[sort.key]
    rows = sorted(filter(fits, orders), key=lambda row: (row[column], row["id"]), reverse=sort.descending)
    return [row["id"] for row in rows]


def walked(ledger: Ledger, found: OrderFilter, sort: OrderSort, limit: int) -> list[OrderPage]:
    """All pages, forward."""
    pages = [ledger.order_list.page(found, sort, None, limit)]
    while pages[-1].next:
        pages.append(ledger.order_list.page(found, sort, pages[-1].next, limit))
    return pages


def ids(pages: list[OrderPage]) -> list[int]:
    return [row["id"] for page in pages for row in page.rows]


hours = st.none() | st.integers(0, 45).map(lambda n: NOW - timedelta(hours=n))
filters = st.builds(
    OrderFilter,
    pipelines=st.sampled_from([frozenset(NAMES), frozenset(NAMES[:1]), frozenset({"other"})]),
    states=st.frozensets(st.sampled_from(list(State)), max_size=3),
    reason=st.sampled_from(REASONS),
    received_from=hours,
    received_before=hours,
    changed_from=hours,
    changed_before=hours,
    run=st.sampled_from(["", "", "run-1"]),
    waiting_s=st.none() | st.just(20 * 3_600 + 1_800),
    search=st.sampled_from(["", "", "", "so-1", "SO-", "PO-7", "S9", "l8", "WEB%", "ß", "nothing"]),
    oms=st.frozensets(st.sampled_from(OMS_CHOICES), max_size=2),
)

EMPTY_LAST_PAGE = OrderFilter(
    frozenset(NAMES), reason="not_in_table", received_from=NOW - timedelta(hours=28), changed_before=NOW
)
"""The way back begins at the last order of the page before, which must not be left out."""


@pytest.mark.parametrize(("narrow", "walk"), [(5_000, 10_000), (10, 12)], ids=["one condition leaves few", "many"])
@settings(max_examples=40, deadline=None)
@given(found=filters, sort=st.builds(OrderSort, st.sampled_from(SORTS), st.booleans()), limit=st.sampled_from([7, 15]))
@example(found=EMPTY_LAST_PAGE, sort=OrderSort("received", False), limit=7)
def test_the_pages_are_the_filtered_and_sorted_orders(
    listed: Listed, narrow: int, walk: int, found: OrderFilter, sort: OrderSort, limit: int
) -> None:
    ledger, orders = listed.ledger, listed.orders
    with pytest.MonkeyPatch.context() as patched:
        if not found.search:  # a search is always narrow
            patched.setattr(order_pages, "MAX_NARROW", narrow)
            patched.setattr(order_pages, "MAX_WALK", walk)
            patched.setattr(order_pages, "MAX_INDEX_WALK", 2 * walk)
            patched.setattr(order_pages, "MAX_RUN_EVENTS", 4 * narrow)
        forward = walked(ledger, found, sort, limit)
        right = expected(orders, found, sort)
        assert ids(forward) == right
        assert all(len(page.rows) == limit for page in forward[:-1] if not page.partial)
        assert all(page.count in {None, len(right)} for page in forward)
        cursor, back = forward[-1].previous, [forward[-1]]
        while cursor:
            back.insert(0, ledger.order_list.page(found, sort, cursor, limit))
            cursor = back[0].previous
        assert set(ids(back)) == set(right), "the way back leaves no gap"
        for page in map(ids, ([page] for page in back)):
            start = right.index(page[0]) if page else 0
            assert page == right[start : start + len(page)]


def test_the_export_is_the_filtered_orders_up_to_its_limit(listed: Listed) -> None:
    ledger, orders = listed.ledger, listed.orders
    found = OrderFilter(frozenset(NAMES), states=frozenset({State.QUARANTINED, State.HELD}))
    right = expected(orders, found, OrderSort("received"))
    assert [row["id"] for part in ledger.order_list.stream(found, 1_000, 7) for row in part] == right
    assert [row["id"] for part in ledger.order_list.stream(found, 9, 7) for row in part] == right[:9]


def test_orders_may_change_between_pages(listed: Listed) -> None:
    ledger, orders = listed.ledger, listed.orders
    found, sort = OrderFilter(frozenset(NAMES)), OrderSort("changed", descending=True)
    first = ledger.order_list.page(found, sort, None, 20)
    last = first.rows[-1]["id"]
    original = next(row["changed_at"] for row in orders if row["id"] == last)
    which = submission.update().where(submission.c.id == last)
    try:
        with ledger.database.engine.begin() as conn:
            conn.execute(which.values(changed_at=NOW + timedelta(days=1)))
        second = ledger.order_list.page(found, sort, first.next, 20)
        assert not {row["id"] for row in first.rows} & {row["id"] for row in second.rows}
        assert ledger.order_list.page(found, sort, second.previous, 20).rows
        assert ledger.order_list.page(found, sort, None, 20).rows[0]["id"] == last
    finally:
        with ledger.database.engine.begin() as conn:
            conn.execute(which.values(changed_at=original))


def test_an_identifier_finds_its_orders_in_the_given_pipelines_only(
    listed: Listed,
) -> None:
    ledger, orders = listed.ledger, listed.orders
    of = next(row for row in orders if row["oms_id"])
    with ledger.database.engine.begin() as conn:
        values = dict.fromkeys(("carrier", "service", "currency", "run", "who", "why"), "")
        parcel = {"origin": "w", "key": "k", "submission_id": of["id"], "words": "[]", "recorded_at": NOW, **values}
        conn.execute(shipment.insert(), {**parcel, "tracking_number": "1z 999 aa1"})
    for term in (of["oms_id"], of["source_id"], "1Z999AA1", "1z999 aa1"):
        everywhere = OrderFilter(frozenset(NAMES), search=term)
        assert ledger.order_list.identified(everywhere) == [of["id"]], term
        elsewhere = OrderFilter(frozenset(NAMES) - {of["pipeline"]}, search=term)
        assert ledger.order_list.identified(elsewhere) == [], term
        assert of["id"] not in ids([ledger.order_list.page(elsewhere, OrderSort())])
    with ledger.database.engine.begin() as conn:
        conn.execute(shipment.delete().where(shipment.c.submission_id == of["id"]))


def test_a_prefix_of_too_many_numbers_says_so(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = listed.ledger
    monkeypatch.setattr(order_pages, "MAX_NARROW", 5)
    page = ledger.order_list.page(OrderFilter(frozenset(NAMES), search="SO-"), OrderSort())
    assert (len(page.rows), page.count, page.cut) == (5, 5, True)


HOSTILE = ["%", "_", "'", "\\", "\ud7ff", "\U0010ffff", "\U0010ffff" * 3, "SO-\u202e", "<script>", "=cmd()", "OR1-1-x"]


@pytest.mark.parametrize("term", HOSTILE)
def test_hostile_searches_find_nothing(listed: Listed, term: str) -> None:
    ledger = listed.ledger
    found = OrderFilter(frozenset(NAMES), search=term, run=term, reason=term)
    assert ledger.order_list.page(found, OrderSort()).rows == []
    assert ledger.order_list.identified(found) == []


def test_reasons_of_the_listed_orders(listed: Listed) -> None:
    ledger = listed.ledger
    assert ledger.order_list.reasons(frozenset(NAMES)) == ["http_400", "not_in_table"]
    assert ledger.order_list.reasons(frozenset({"other"})) == []


def test_many_pipelines_are_asked_in_parts(listed: Listed, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, orders = listed.ledger, listed.orders
    monkeypatch.setattr(order_pages, "_MAX_GROUPS", 3)
    found = OrderFilter(frozenset(NAMES))
    for sort in itertools.starmap(OrderSort, itertools.product(SORTS, (True, False))):
        assert ids(walked(ledger, found, sort, 40)) == expected(orders, found, sort)


@pytest.mark.parametrize("cursor", ["x", "", "W10", "a" * 5_000, "bnVsbA", "[", "é"])
def test_another_text_is_no_cursor(listed: Listed, cursor: str) -> None:
    ledger = listed.ledger
    if cursor:
        with pytest.raises(ConfigurationError, match="start with the first page"):
            ledger.order_list.page(OrderFilter(frozenset(NAMES)), OrderSort(), cursor)


def test_a_cursor_belongs_to_its_filter_and_sort(listed: Listed) -> None:
    ledger = listed.ledger
    both, one = OrderFilter(frozenset(NAMES)), OrderFilter(frozenset(NAMES[:1]))
    cursor = ledger.order_list.page(both, OrderSort(), None, 5).next
    for found, sort in ((one, OrderSort()), (both, OrderSort("received")), (both, OrderSort(descending=False))):
        with pytest.raises(ConfigurationError, match="does not fit its filter"):
            ledger.order_list.page(found, sort, cursor)


def test_the_test_data_has_ties(listed: Listed) -> None:
    ledger = listed.ledger
    with ledger.database.engine.connect() as conn:
        assert conn.execute(sa.select(sa.func.count(sa.distinct(submission.c.changed_at)))).scalar_one() < ORDERS / 2
