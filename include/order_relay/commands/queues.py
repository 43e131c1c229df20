"""``held``, ``doubt``, ``quarantine``: what waits, and for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from order_relay.commands.screen import answers, print_json, print_line, print_table
from order_relay.commands.setup import Setup
from order_relay.commands.spreadsheet import write_csv
from order_relay.errors import WrongSetup

_HELD = ("pipeline", "order_number", "source_id", "edition", "reason", "lineage", "changed_at")
_DOUBT = (
    "pipeline",
    "order_number",
    "source_id",
    "attempt",
    "sent_at",
    "due_at",
    "lookups",
    "absent_once_at",
    "reason",
)
_REFUSED = ("pipeline", "order_number", "source_id", "state", "code", "pointer", "message", "changed_at", "batch_id")

Pipeline = Annotated[str | None, typer.Option(help="Only this pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def held(pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """List the orders that a person must decide about, with the reason."""
    with Setup().ledger() as ledger:
        rows = _of(ledger.held(), pipeline)
    _print("held", _HELD, rows, as_json=as_json)


def doubt(pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """List the orders of which nobody knows whether the OMS stored them, and when they are looked up next."""
    with Setup().ledger() as ledger:
        rows = _of(ledger.doubt(), pipeline)
    _print("in doubt", _DOUBT, rows, as_json=as_json)


def quarantine(  # noqa: PLR0917 - each is an option of the command line
    pipeline: Pipeline = None,
    code: Annotated[str | None, typer.Option(help="Only orders with this reason code.")] = None,
    number: Annotated[list[str] | None, typer.Option(help="Only this order number; may be given again.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only since this time, ISO 8601, UTC where it names no zone.")
    ] = None,
    csv: Annotated[str | None, typer.Option(help="Write CSV to this file; - for the standard output.")] = None,
    as_json: AsJson = False,
) -> None:
    """List quarantined and rejected orders with every reason; exports them for a spreadsheet with --csv."""
    with Setup().ledger() as ledger:
        rows = _of(ledger.quarantined(code, number or None, _moment(since)), pipeline)
    if csv == "-":
        write_csv(answers(), _REFUSED, rows)
        return
    if csv is not None:
        _save(Path(csv), rows)
    _print("quarantined and rejected", _REFUSED, rows, as_json=as_json, count_by="code")


def _of(rows: Sequence[Mapping[str, Any]], pipeline: str | None) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if pipeline in {None, row["pipeline"]}]


def _save(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    try:
        # The mark at the beginning tells spreadsheets that the text is UTF-8.
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            write_csv(file, _REFUSED, rows)
    except OSError as error:
        raise WrongSetup(f"{path} can not be written: {error.strerror}") from None


def _moment(text: str | None) -> datetime | None:
    """A time from the command line; without a zone it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise WrongSetup("--since is no time; write it like 2026-05-31 or 2026-05-31T14:00:00Z") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _print(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool, count_by: str = "reason"
) -> None:
    if as_json:
        print_json({"orders": len({row["id"] for row in rows if "id" in row}) or len(rows), "rows": rows})
        return
    if not rows:
        print_line(f"nothing is {title}")
        return
    print_table(title, columns, ([row.get(column) for column in columns] for row in rows))
    counted = Counter(str(row.get(count_by) or "") for row in rows)
    print_line(", ".join(f"{name or 'without reason'}: {number}" for name, number in counted.most_common()))
