"""Reads cells of CSV files: identifiers that a spreadsheet may have damaged, and times in various formats.

A cell that is ambiguous is rejected; the message names the setting that resolves the ambiguity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pendulum import Timezone

from order_relay.errors import RecordRejectedError, ValidationIssue
from order_relay.orders.fulfilment.status_records import gregorian_year
from order_relay.times import local_to_utc

_INVISIBLE = " \t\u00a0\u200b\u200c\u200d\u2060\ufeff"
_AS_TEXT = re.compile(r'="([^"]*)"|\'(\d+)')
_MONTH = "(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_DAMAGED = re.compile(
    r"[+-]?\d+[.,]\d+e[+-]?\d{1,3}|[+-]?\d+e[+-]\d{1,3}"  # 6.12206E+11: its last digits are lost
    r"|#+|#(n/a|ref!|value!|name\?|num!|null!|div/0!)"
    r"|\d{1,3}(,\d{3})+([.]\d+)?|\d{1,3}([.]\d{3}){2,}(,\d+)?"  # 612,206,000,000
    rf"|\d{{1,2}}[- ]{_MONTH}([- ]\d{{2,4}})?|{_MONTH}[- ]\d{{2,4}}",  # 10-2 as 10-Feb
    re.ASCII | re.IGNORECASE,
)
_WHOLE = re.compile(r"(\d+)[.,]0+", re.ASCII)
_EXACT_DIGITS = 15
"""Digits of a number that a spreadsheet keeps; further ones become zeros."""
_SURELY_CUT = 20

_ZONE = r"\s*(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})?"
_SECOND = r"(:(?P<second>\d{2})([.,](?P<fraction>\d{1,9}))?)?"
_CLOCK = rf"[t ]\s*(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}}){_SECOND}\s*(?P<half>[ap]m)?"
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}})([-/.])(?P<month>\d{{1,2}})\2(?P<day>\d{{1,2}}){_CLOCK}{_ZONE}", re.ASCII | re.IGNORECASE
)
_YEAR_LAST = re.compile(
    rf"(?P<one>\d{{1,2}})(?P<sign>[-/.])(?P<two>\d{{1,2}})(?P=sign)(?P<year>\d{{4}}){_CLOCK}{_ZONE}",
    re.ASCII | re.IGNORECASE,
)
_COMPACT = re.compile(
    r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})t?(?P<hour>\d{2})(?P<minute>\d{2})(?P<second>\d{2})?" + _ZONE,
    re.ASCII | re.IGNORECASE,
)
_BUDDHIST_YEAR = re.compile(r"(?<!\d)(25[1-9]\d|26[0-4]\d)(?!\d)", re.ASCII)


@dataclass(frozen=True)
class TimestampFormat:
    """The format of times. ``layout``: a ``strptime`` format; empty: detected. ``zone``: of times that have none.

    ``day_first``: whether 01/02/2026 is in February; ``None``: unknown.
    """

    layout: str = ""
    zone: str = ""
    day_first: bool | None = None


def strip_invisible(cell: str) -> str:
    """A cell without spaces and invisible characters around it."""
    return cell.strip().strip(_INVISIBLE).strip()


def read_identifier(cell: str, column: str) -> str:
    """An order number, tracking number or event id as it was before a spreadsheet changed it.

    Raises ``RecordRejectedError`` if the original cannot be restored.
    """
    text = strip_invisible(cell)
    if shown := _AS_TEXT.fullmatch(text):
        text = strip_invisible(shown[1] if shown[1] is not None else shown[2])
    whole = _WHOLE.fullmatch(text)
    if whole and len(whole[1]) <= _EXACT_DIGITS:
        return whole[1]
    cut = text.isdigit() and len(text) >= _SURELY_CUT and not text[_EXACT_DIGITS:].strip("0")
    if whole or cut or _DAMAGED.fullmatch(text):
        raise _cell_rejected(
            "damaged_by_spreadsheet",
            column,
            "was changed to a number or date by a spreadsheet and may have lost "
            "digits; export the file again with this column as text",
        )
    return text


def year_last_parts(cell: str) -> tuple[int, int] | None:
    """The first two numbers of a time such as 31/05/2026 10:00; ``None`` for any other text."""
    found = _YEAR_LAST.fullmatch(strip_invisible(cell))
    return (int(found["one"]), int(found["two"])) if found and found["sign"] != "." else None


def to_iso_timestamp(cell: str, form: TimestampFormat, column: str) -> str | None:
    """A time as ISO 8601 with a zone; ``None`` for an empty cell. Raises ``RecordRejectedError``."""
    text = strip_invisible(cell)
    if not text:
        return None
    moment = _by_layout(text, form.layout, column) if form.layout else _detect_layout(text, form, column)
    if moment.tzinfo is None and not form.zone and not form.layout:
        raise _cell_rejected(
            "time_without_zone", column, "has no time zone; set files.time_zone, such as Asia/Bangkok or UTC"
        )
    try:
        if moment.tzinfo is None:
            return local_to_utc(moment, Timezone(form.zone) if form.zone else UTC).isoformat()
        return moment.astimezone(UTC).isoformat()
    except OverflowError:
        raise _unreadable(column) from None


def _by_layout(text: str, layout: str, column: str) -> datetime:
    common = _BUDDHIST_YEAR.sub(lambda year: str(gregorian_year(int(year[0]), f"/{column}")), text)
    try:
        return datetime.strptime(common, layout)  # noqa: DTZ007 - the caller adds the zone
    except ValueError:
        raise _cell_rejected(
            "time_unreadable", column, f"does not have the format {layout} (files.time_format)"
        ) from None


def _detect_layout(text: str, form: TimestampFormat, column: str) -> datetime:
    found = _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text) or _YEAR_LAST.fullmatch(text)
    if found is None:
        raise _unreadable(column)
    parts = found.groupdict()
    if "one" in parts:
        day_first = True if parts["sign"] == "." else form.day_first
        if day_first is None:
            raise _cell_rejected(
                "time_ambiguous", column, "may start with day or month; set files.time_format, such as %d/%m/%Y %H:%M"
            )
        parts["day"], parts["month"] = (parts["one"], parts["two"])[:: 1 if day_first else -1]
    zone = (parts["zone"] or "").upper().replace("UTC", "Z").replace("GMT", "Z")
    hour = int(parts["hour"])
    if half := parts.get("half"):
        hour = (hour % 12 if 1 <= hour <= 12 else 99) + (12 if half.lower() == "pm" else 0)
    year = gregorian_year(int(parts["year"]), f"/{column}")
    fraction = f".{parts['fraction']}" if parts.get("fraction") else ""
    try:
        return datetime.fromisoformat(
            f"{year}-{int(parts['month']):02}-{int(parts['day']):02}T{hour:02}:{parts['minute']}:"
            f"{parts.get('second') or '00'}{fraction}{zone}"
        )
    except ValueError:
        raise _unreadable(column) from None


def _unreadable(column: str) -> RecordRejectedError:
    return _cell_rejected(
        "time_unreadable",
        column,
        "must be a date and time (example: 2026-05-31T14:00:00Z), or have the format of files.time_format",
    )


def _cell_rejected(code: str, column: str, message: str) -> RecordRejectedError:
    return RecordRejectedError([ValidationIssue(code, f"/{column}", message)])
