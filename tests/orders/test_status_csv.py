"""CSV files: the same events as from records; bad rows are refused one by one."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import order_relay.vendors
from order_relay.errors import RecordRefused
from order_relay.orders.status_csv import ROWS, CsvColumns, read_drop
from order_relay.orders.status_events import Kind
from order_relay.orders.status_records import Reading, StatusShape

MAPPING = yaml.safe_load((Path(order_relay.vendors.__file__).parent / "acommerce/mapping.yaml").read_text())
SHAPE, COLUMNS = StatusShape.from_mapping(MAPPING["record"], "mapping"), CsvColumns(**MAPPING["csv"])
HEADER = "orderId,kind,trackingId,eventId,status,updatedTime,detail"


def read(*lines: str, header: str = HEADER) -> list[Reading]:
    return list(read_drop("\r\n".join([header, *lines]).encode(), COLUMNS, SHAPE, datetime(2026, 5, 2, tzinfo=UTC)))


def test_rows_become_events() -> None:
    found, = read('A,order,,e-1,NEW,2026-05-01T01:00:00Z,"left, today"', "A,parcel,PKG1,e-2,IN_TRANSIT,,",
                  "A,,,e-3,CANCELLED,,", "A,,PKG2,e-4,IN_TRANSIT,,")
    report, = found.reports
    events = {event.key: event for event in report.events}
    assert (events["e-1"].detail, events["e-3"].status) == ("left, today", "CANCELED")
    assert {events[key].kind for key in ("e-2", "e-4")} == {Kind.PARCEL}
    assert events["e-2"].parcel == "PKG1"
    assert not report.full


@pytest.mark.parametrize(("line", "code"), [
    ("A,order,,e-1,NEW", "wrong_width"), (",order,,e-1,NEW,,", "no_order_number"),
    ("A,order,,e-1,NEW,yesterday,", "time_unreadable"), ("A,shop,,e-1,NEW,,", "unknown_kind"),
    (f"A,order,,{'x' * 300},NEW,,", "too_long"),
])
def test_a_bad_row_is_refused_and_the_others_go_on(line: str, code: str) -> None:
    found, = read("A,order,,e-0,NEW,,", line, "", "B,order,,e-9,NEW,,")
    assert [(entry.position, entry.refusals[0].code) for entry in found.refused] == [(3, code)]
    assert {report.order_id for report in found.reports} == {"A", "B"}


@pytest.mark.parametrize(("data", "code"), [
    (b"\xff\xfeA", "not_utf8"), (b"a,b\n1,2", "no_such_column"), (b"", "no_such_column"),
    (b"orderId,status,status\n", "column_twice"), (b'orderId,status\n"A"x,NEW\n', "broken_csv"),
    (b'orderId,status\n"A,NEW\n', "broken_csv"),
])
def test_a_file_that_can_not_be_read(data: bytes, code: str) -> None:
    with pytest.raises(RecordRefused) as error:
        list(read_drop(data, COLUMNS, SHAPE, datetime(2026, 5, 2, tzinfo=UTC)))
    assert error.value.refusals[0].code == code


def test_large_files_come_in_portions() -> None:
    found = read(*[f"A{n},order,,e-{n},NEW,," for n in range(ROWS + 5)])
    assert [len(reading.reports) for reading in found] == [ROWS, 5]


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), max_size=5))
def test_nothing_else_makes_it_fail(lines: list[str]) -> None:
    with contextlib.suppress(RecordRefused):
        assert all(reading.reports or reading.refused or len(lines) < ROWS for reading in read(*lines))
