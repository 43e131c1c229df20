"""``orders``: the list of orders, filtered, searched, and as CSV or JSON. The order desk shows the same list."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.output import output_stream, print_json, print_line, print_table
from order_relay.errors import ConfigurationError
from order_relay.ledger.listing.order_filter import OMS_CHOICES, OrderFilter, parse_filter, parse_sort
from order_relay.ledger.listing.order_list import ListedOrders, OrderPage
from order_relay.orders.table_cells import BYTE_ORDER_MARK
from order_relay.pipeline.report.order_export import EXPORT_COLUMNS, MAX_EXPORTED, csv_portions, export_row

_SHOWN = tuple(column for column in EXPORT_COLUMNS if column not in {"customer_po", "id"})

Texts = Annotated[list[str] | None, typer.Option(help="May be repeated.")]
Day = Annotated[str | None, typer.Option(help="A date such as 2026-05-31, included.")]


def orders(
    search: Annotated[
        str | None,
        typer.Option(
            help="Beginning of an order number; or a whole OMS id, source id, uuid, external id, customer PO, web shop "
            "reference or tracking number."
        ),
    ] = None,
    pipeline: Texts = None,
    state: Texts = None,
    reason: Annotated[str | None, typer.Option(help="Only orders with this reason code.")] = None,
    received_from: Day = None,
    received_to: Day = None,
    changed_from: Day = None,
    changed_to: Day = None,
    timezone: Annotated[str, typer.Option(help="Time zone of the dates.")] = "UTC",
    run: Annotated[str | None, typer.Option(help="Only orders that this run changed.")] = None,
    waiting: Annotated[
        int | None, typer.Option(min=0, help="Only open orders that are in their state longer than these seconds.")
    ] = None,
    oms: Annotated[list[str] | None, typer.Option(help=f"Status at the OMS: {', '.join(OMS_CHOICES)}.")] = None,
    sort: Annotated[str, typer.Option(help="number, received or changed; with - before it: descending.")] = "-changed",
    after: Annotated[str | None, typer.Option(help="The next page: the cursor that the page before printed.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Maximum orders on the page.")] = 50,
    csv: Annotated[
        str | None,
        typer.Option(help=f"Write up to {MAX_EXPORTED} orders to this CSV file, or to standard output if -."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """List orders, the last change first. Without options: all orders, page by page.

    CSV and JSON contain the customers' PO numbers.
    """
    installation = Installation()
    one = {"reason": reason, "run": run, "q": search, "timezone": timezone, "waiting": waiting}
    one |= {"received_from": received_from, "received_to": received_to}
    one |= {"changed_from": changed_from, "changed_to": changed_to}
    values = {name: [str(value)] for name, value in one.items() if value is not None}
    values |= {"pipeline": pipeline or [], "state": state or [], "oms": oms or []}
    with installation.ledger() as ledger:
        names = {*installation.pipelines, *ledger.runs.pipelines()}
        found, order = parse_filter(values, names), parse_sort(sort)
        if csv is not None:
            _export(ledger.order_list, found, csv)
            return
        page = ledger.order_list.page(found, order, after, limit)
    if as_json:
        print_json({"orders": page.rows, "next": page.next, "previous": page.previous, "number": page.count})
    else:
        _show(page)


def _show(page: OrderPage) -> None:
    rows = map(export_row, page.rows)
    print_table("orders", _SHOWN, ([row.get(column) for column in _SHOWN] for row in rows))
    number = len(page.rows) if page.count is None else page.count
    print_line(f"{'at least ' if page.next and page.count is None else ''}{number} orders")
    if page.cut:
        print_line("more order numbers begin with this text than are searched: give more of the number")
    if page.next:
        more = "not all orders were searched yet" if page.partial else "there are more"
        print_line(f"{more}; the next page: the same command with --after {page.next}")


def _export(listed: ListedOrders, found: OrderFilter, path: str) -> None:
    texts = csv_portions(listed.stream(found, MAX_EXPORTED + 1))
    if path == "-":
        output_stream().writelines(texts)
        return
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            file.write(BYTE_ORDER_MARK)
            file.writelines(texts)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
