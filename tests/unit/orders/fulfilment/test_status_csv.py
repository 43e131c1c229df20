"""CSV files: the same events as from records, however they are written; bad rows are refused one by one."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import order_relay.vendors
from order_relay.errors import RecordRejectedError
from order_relay.orders.fulfilment.csv_text import usable_encoding
from order_relay.orders.fulfilment.status_csv import ROWS, CsvColumns, CsvFormat, read_status_csv
from order_relay.orders.fulfilment.status_events import EventKind, StatusEvent
from order_relay.orders.fulfilment.status_records import ParsedRecords, StatusMapping

MAPPING = yaml.safe_load((Path(order_relay.vendors.__file__).parent / "acommerce/mapping.yaml").read_text())
SHAPE, COLUMNS = StatusMapping.from_mapping(MAPPING["record"], "mapping"), CsvColumns(**MAPPING["csv"])
HEADER = "orderId,kind,trackingId,eventId,status,updatedTime,detail"
ARRIVED = datetime(2026, 5, 2, tzinfo=UTC)
THAI = "ซอย 5"


def read_bytes(data: bytes, **form: str) -> list[ParsedRecords]:
    return list(read_status_csv(data, CsvFormat(COLUMNS, **form), SHAPE, ARRIVED))


def read(*lines: str, header: str = HEADER, **form: str) -> list[ParsedRecords]:
    return read_bytes("\r\n".join([header, *lines, ""]).encode(), **form)


def events(found: list[ParsedRecords]) -> dict[str, StatusEvent]:
    return {
        event.key: event
        for reading in found
        for report in reading.reports
        for event in report.events
        if event.kind is not EventKind.ANNOUNCED
    }


def refusals(found: list[ParsedRecords]) -> list[tuple[int, str]]:
    return [
        (entry.position, refusal.code) for reading in found for entry in reading.rejected for refusal in entry.issues
    ]


def test_rows_become_events() -> None:
    (found,) = read(
        'A,order,,e-1,NEW,2026-05-01T01:00:00Z,"left, today"',
        "A,parcel,PKG1,e-2,IN_TRANSIT,,",
        "A,,,e-3,CANCELLED,,",
        "A,,PKG2,e-4,IN_TRANSIT,,",
    )
    (report,) = found.reports
    events = {event.key: event for event in report.events}
    assert (events["e-1"].detail, events["e-3"].status) == ("left, today", "CANCELED")
    assert {events[key].kind for key in ("e-2", "e-4")} == {EventKind.PARCEL}
    assert events["e-2"].parcel == "PKG1"
    assert not report.full


def test_rows_do_not_depend_on_the_paths_of_records() -> None:
    nested = SHAPE.model_copy(update={"order_id": "data.refs[type=shop].id"})
    row = f"{HEADER}\nA,order,,e-1,NEW,2026-05-01T01:00:00Z,\n".encode()
    (found,) = read_status_csv(row, CsvFormat(COLUMNS), nested, ARRIVED)
    assert [report.order_id for report in found.reports] == ["A"]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("A,order,,e-1", "wrong_width"),
        (",order,,e-1,NEW,,", "no_order_number"),
        ("A,order,,e-1,,,", "no_status"),
        ("A,order,e-1,NEW,2026-05-01T01:00:00Z,", "wrong_width"),
        ("A,order,,,e-1,NEW,,", "wrong_width"),
        ("A,order,,e-1,NEW,,text,more", "wrong_width"),
        ("A,order,,e-1,NEW,yesterday,", "time_unreadable"),
        ("A,shop,,e-1,NEW,,", "unknown_kind"),
        (f"A,order,,{'x' * 300},NEW,,", "too_long"),
        ('"A"x,order,,e-1,NEW,,', "broken_quotes"),
        ('A,order,,e-1,NEW,,"text', "broken_quotes"),
        ('"A,order,,e-1,NEW,,', "broken_quotes"),
    ],
)
def test_a_bad_row_is_refused_and_the_others_are_read(line: str, code: str) -> None:
    found = read("A,order,,e-0,NEW,,", line, "", 'B,order,,e-9,NEW,,"well, quoted"')
    assert refusals(found) == [(3, code)]
    assert {report.order_id for reading in found for report in reading.reports} == {"A", "B"}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xff\xfeA", "no_such_column"),
        (b"a,b\n1,2", "no_such_column"),
        (b"", "no_such_column"),
        (b"orderId,status,status\n", "column_twice"),
    ],
)
def test_a_file_that_cannot_be_read(data: bytes, code: str) -> None:
    with pytest.raises(RecordRejectedError) as error:
        read_bytes(data)
    assert error.value.issues[0].code == code


def test_large_files_come_in_portions_and_rows_keep_their_order() -> None:
    found = read(*[f"A{n},order,,e-{n},NEW,," for n in range(ROWS + 5)])
    assert [len(reading.reports) for reading in found] == [ROWS, 5]
    assert found[0].reports[-1].first < found[1].reports[0].first


class TestEmptyCells:
    """What spreadsheets add and leave out at the ends of lines."""

    @pytest.mark.parametrize("header", [HEADER, f"{HEADER},,", f"{HEADER}, ,\u00a0"])
    @pytest.mark.parametrize(
        "row",
        [
            "A,order,,e-1,NEW,,",
            "A,order,,e-1,NEW,",
            "A,order,,e-1,NEW",
            "A,order,,e-1,NEW,,,",
            "A,order,,e-1,NEW,,,,",
        ],
    )
    def test_at_the_end_are_no_matter(self, header: str, row: str) -> None:
        assert events(read(row, header=header))["e-1"].status == "NEW"

    def test_a_last_row_that_was_cut_off_is_refused(self) -> None:
        found = read_bytes(f"{HEADER}\nA,order,,e-1,NEW,,x\nA,order,,e-2,NEW".encode())
        assert refusals(found) == [(3, "cut_off")]

    def test_an_unnamed_column_in_the_middle_is_ignored(self) -> None:
        assert events(read("A,x,NEW,e-1", header="orderId,,status,eventId"))["e-1"].status == "NEW"

    def test_a_header_that_is_repeated_is_no_row(self) -> None:
        assert list(events(read("A,order,,e-1,NEW,,", HEADER, "A,order,,e-2,NEW,,"))) == ["e-1", "e-2"]


class TestEncodings:
    def test_one_thai_cell_among_utf8_rows(self) -> None:
        lines = [
            HEADER.encode(),
            "A,order,,e-1,NEW,,é".encode(),
            b"B,order,,e-2,NEW,," + THAI.encode("cp874"),
            f"C,order,,e-3,NEW,,{THAI}".encode(),
            b"",
        ]
        found = events(read_bytes(b"\n".join(lines)))
        assert [found[key].detail for key in ("e-1", "e-2", "e-3")] == ["é", THAI, THAI]

    def test_bytes_that_are_none_in_an_identity_concern_their_row_only(self) -> None:
        lines = [HEADER.encode(), b"A\xa1,order,,e-1,NEW,,", b"B,order,,e-2,NEW,,", b""]
        found = read_bytes(b"\n".join(lines))
        assert refusals(found) == [(2, "wrong_encoding")]
        assert list(events(found)) == ["e-2"]

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_are_found_with_delimiters(self, encoding: str, delimiter: str) -> None:
        text = f"{HEADER}\r\nA,order,,e-1,NEW,2026-05-01T01:00:00Z,{THAI}\r\n".replace(",", delimiter)
        assert events(read_bytes(text.encode(encoding)))["e-1"].detail == THAI

    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r\n"])
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_line_may_name_the_delimiter(self, first: str, encoding: str) -> None:
        header = f"{HEADER};note".replace(",", ";")
        text = f"{first}\r\n{header}\r\nA;order;;e-1;NEW;;a,b;\r\n"
        assert events(read_bytes(text.encode(encoding)))["e-1"].detail == "a,b"

    def test_a_thai_header(self) -> None:
        columns = CsvColumns(order_id="เลขที่", status="สถานะ", detail="ที่อยู่", event_id="id")
        data = f"เลขที่,สถานะ,id,ที่อยู่\nA,NEW,e-1,{THAI}\n".encode("cp874")
        found = list(read_status_csv(data, CsvFormat(columns), SHAPE, ARRIVED))
        assert events(found)["e-1"].detail == THAI

    def test_settings_rule(self) -> None:
        text = "orderId;status;eventId;detail\nก1;NEW;e-1;x\n".encode("cp874")
        (report,) = read_bytes(text, encoding="cp874", delimiter=";")[0].reports
        assert report.order_id == "ก1"

    @pytest.mark.parametrize("name", ["utf-8", "cp874", "tis-620", "utf-16", "cp1252", "shift_jis"])
    def test_usable(self, name: str) -> None:
        assert usable_encoding(name)

    @pytest.mark.parametrize("name", ["martian", "base64", "cp037", "utf-7"])
    def test_not_usable(self, name: str) -> None:
        assert not usable_encoding(name)


class TestQuotes:
    @pytest.mark.parametrize(
        ("cell", "meant"),
        [
            ('"Soi "5" Bangkok"', 'Soi "5" Bangkok'),
            ('12" pipe', '12" pipe'),
            ('"a ""b"" c"', 'a "b" c'),
            ('"one\r\ntwo"', "one  two"),
            ('"one\n\ntwo, three"', "one  two, three"),
        ],
    )
    def test_in_a_text(self, cell: str, meant: str) -> None:
        found = events(read(f"A,order,,e-1,NEW,,{cell}", "B,order,,e-2,NEW,,after"))
        assert found["e-1"].detail.replace(" ", "") == meant.replace(" ", "")
        assert found["e-2"].detail == "after"

    def test_one_that_is_not_closed_swallows_no_other_row(self) -> None:
        found = read(
            'A,order,,e-1,NEW,,"open', "B,order,,e-2,NEW,,x", 'C,order,,e-3,NEW,,"closed"', 'D,order,,e-4,NEW,,y"'
        )
        assert refusals(found) == [(2, "broken_quotes")]
        assert list(events(found)) == ["e-2", "e-3", "e-4"]


class TestSpreadsheets:
    @pytest.mark.parametrize(
        "text",
        [
            "6.12206E+11",
            "6.12206e+11",
            "6.12206E11",
            '"1,22E+11"',
            "1E+15",
            "-1.5E-05",
            "####",
            "#N/A",
            "#REF!",
            "61220612345678900000",
            "12345678901234567.0",
            '"612,206,000,000"',
            "10-Feb",
            "Feb-26",
        ],
    )
    @pytest.mark.parametrize("column", ["order", "parcel", "event"])
    def test_a_damaged_identity_is_refused(self, text: str, column: str) -> None:
        cells = {"order": "A", "parcel": "P", "event": "e-1", column: text}
        found = read(f"{cells['order']},parcel,{cells['parcel']},{cells['event']},NEW,,", "B,order,,e-2,NEW,,")
        assert refusals(found) == [(2, "damaged_by_spreadsheet")]
        assert list(events(found)) == ["e-2"]

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("612206000000.0", "612206000000"),
            ("85001.00", "85001"),
            ('"=""0612206"""', "0612206"),
            ("'0612206", "0612206"),
            ("12E3", "12E3"),
            ("1Z999", "1Z999"),
            ("\u200b612206\u00a0", "612206"),
            ("2026-0012", "2026-0012"),
            ("006141411234567890", "006141411234567890"),
        ],
    )
    def test_what_is_only_written_in_another_way_is_read(self, text: str, meant: str) -> None:
        (report,) = read(f"{text},order,,e-1,NEW,,")[0].reports
        assert report.order_id == meant

    @given(st.integers(10**11, 10**18), st.integers(1, 9))
    def test_no_number_survives_as_a_rounded_one(self, number: int, digits: int) -> None:
        for text in (f"{number:.{digits}e}", f"{number:.{digits}E}", f"{number:.{digits}E}".replace(".", ",")):
            assert refusals(read(f'"{text}",order,,e-1,NEW,,')) == [(2, "damaged_by_spreadsheet")]


class TestTimes:
    def time(self, text: str, *others: str, **form: str) -> datetime | str | None:
        found = read(*(f'A,order,,e-{n},NEW,"{each}",' for n, each in enumerate((text, *others))), **form)
        return dict(refusals(found)).get(2) or events(found)["e-0"].updated_at

    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("2026-05-31T14:00:00Z", {}),
            ("2026-05-31 14:00:00+00:00", {}),
            ("2026-05-31T21:00:00+0700", {}),
            ("20260531T140000Z", {}),
            ("2569-05-31T14:00:00Z", {}),
            ("31/05/2026 14:00 UTC", {}),
            ("31.05.2026 14:00Z", {}),
            ("31/05/2569 21:00", {"time_zone": "Asia/Bangkok"}),
            ("2026/05/31 21:00", {"time_zone": "Asia/Bangkok"}),
            ("05/31/2026 2:00 PM", {"time_zone": "UTC"}),
            ("31/05/2026 14:00", {"time_format": "%d/%m/%Y %H:%M"}),
            ("31/05/2569 21:00:00", {"time_format": "%d/%m/%Y %H:%M:%S", "time_zone": "Asia/Bangkok"}),
        ],
    )
    def test_are_read(self, text: str, form: dict[str, str]) -> None:
        assert self.time(text, **form) == datetime(2026, 5, 31, 14, tzinfo=UTC)

    def test_day_and_month_order_is_inferred_from_the_other_rows(self) -> None:
        assert self.time("02/05/2026 10:00Z", "31/05/2026 10:00Z") == datetime(2026, 5, 2, 10, tzinfo=UTC)
        assert self.time("02/05/2026 10:00Z", "05/31/2026 10:00Z") == datetime(2026, 2, 5, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("text", "form", "code"),
        [
            ("02/05/2026 10:00Z", {}, "time_ambiguous"),
            ("2026-05-31 14:00:00", {}, "time_without_zone"),
            ("2026-05-31", {}, "time_unreadable"),
            ("46173.583", {}, "time_unreadable"),
            ("2300-01-01T00:00:00Z", {}, "year_out_of_range"),
            ("31/02/2026 10:00Z", {}, "time_unreadable"),
            ("2026-05-31T14:00:00Z", {"time_format": "%d/%m/%Y"}, "time_unreadable"),
        ],
    )
    def test_are_refused_where_they_could_mean_something_else(self, text: str, form: Any, code: str) -> None:
        assert self.time(text, **form) == code


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=60), max_size=5))
def test_nothing_else_makes_it_fail(lines: list[str]) -> None:
    with contextlib.suppress(RecordRejectedError):
        assert all(reading.reports or reading.rejected or len(lines) < ROWS for reading in read(*lines))


@given(st.binary(max_size=80), st.sampled_from(["", "utf-16", "cp874"]), st.booleans())
def test_no_bytes_make_it_fail_or_cost_another_row(data: bytes, encoding: str, after_header: bool) -> None:
    head = f"{HEADER}\nA,order,,e-1,NEW,,x\n".encode() if after_header and not encoding else b""
    with contextlib.suppress(RecordRejectedError):
        found = read_bytes(head + data, encoding=encoding)
        assert not head or "e-1" in events(found)
