"""``held``, ``doubt``, ``quarantine``: what waits, and for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.commands.reviews import show_reviews
from order_relay.commands.screen import answers, print_json, print_line, print_table
from order_relay.commands.setup import Setup
from order_relay.commands.spreadsheet import save_csv, write_csv
from order_relay.errors import WrongSetup

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.pipeline.reviewing import Review

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


def held(
    number: Annotated[
        str | None, typer.Argument(help="Only this order number, with what was before and what came now.")
    ] = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List the orders that a person must decide about; with a number, the differences between its versions."""
    setup = Setup()
    with setup.ledger() as ledger:
        rows = _of(ledger.held(), pipeline)
        if number is not None:
            names = sorted({row["pipeline"] for row in rows if row["order_number"] == number})
            show_reviews([_review(setup, ledger, name, number) for name in names], number, as_json=as_json)
            return
    _print("held", _HELD, rows, as_json=as_json)


def _review(setup: Setup, ledger: Ledger, pipeline: str, number: str) -> Review:
    from order_relay.pipeline.reviewing import review_of  # noqa: PLC0415 - pulls in the engine

    with setup.wiring(pipeline) as wiring:
        return review_of(ledger, setup.store, wiring, number=number)


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
        rows = _of(ledger.quarantined(code, number or None, moment(since)), pipeline)
    if csv == "-":
        write_csv(answers(), _REFUSED, rows)
        return
    if csv is not None:
        save_csv(csv, _REFUSED, rows)
    _print("quarantined and rejected", _REFUSED, rows, as_json=as_json, count_by="code")


def _of(rows: Sequence[Mapping[str, Any]], pipeline: str | None) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if pipeline in {None, row["pipeline"]}]


def moment(text: str | None) -> datetime | None:
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
