"""``statuses``: order statuses at fulfilment services, unmatched ones, and those that need an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.decisions import Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table

_ORDERS = (
    "account",
    "order_number",
    "order_status",
    "detailed_status",
    "parcels",
    "changed_at",
    "submission_id",
    "doubtful",
    "asks",
)
_REFUSED = ("account", "origin", "place", "code", "pointer", "message", "at")
_CLOSED = ("closed_at", "closed_by", "closed_why")


def statuses(
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="Only statuses that match no order in the ledger.")
    ] = False,
    asked: Annotated[bool, typer.Option("--asked", help="Only statuses that need an operator.")] = False,
    refused: Annotated[
        bool, typer.Option("--refused", help="List refused records and rows with reasons instead.")
    ] = False,
    done: Annotated[str | None, typer.Option(help="Mark the questions about this order number as resolved.")] = None,
    close: Annotated[
        str | None, typer.Option(help="With --refused: close the records of this file or channel ('all' for all).")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Reason for closing, recorded with your name.")] = None,
    who: Who = None,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of rows.")] = 1_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List order statuses at fulfilment services. Newest change first; 'order WORD' shows all events of one."""
    with Installation().ledger() as ledger:
        if done is not None:
            print_line(f"{done}: marked as resolved ({', '.join(ledger.statuses.resolve_question(done))})")
            return
        if close is not None:
            if not refused or reason is None:
                raise typer.BadParameter("--close needs --refused and --reason")
            number = ledger.status_refusals.close(close, require_reason(reason), actor_name(who))
            print_line(f"{close}: refused records closed: {number}; their alert ends with the account's next run")
            return
        if refused:
            found = ledger.status_refusals.recent(most)
            open_ones = [row for row in found if row["closed_at"] is None]
            columns = (*_REFUSED, *_CLOSED) if as_json else _REFUSED
            _print("refused records", columns, found if as_json else open_ones, as_json=as_json)
            return
        rows = ledger.statuses.recent(unmatched=unmatched, asked=asked, most=most)
    _print("statuses", _ORDERS, rows, as_json=as_json)


def _print(title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"rows": [{name: row[name] for name in columns} for row in rows]})
    elif not rows:
        print_line("none")
    else:
        print_table(title, columns, ([_cell(row[name]) for name in columns] for row in rows))


def _cell(value: Any) -> Any:
    return ", ".join(f"{name} {status}".strip() for name, status, _ in value) if isinstance(value, list) else value
