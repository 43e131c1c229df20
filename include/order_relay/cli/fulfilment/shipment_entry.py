"""``ship``, ``shipments`` and ``drop-parcel``: recorded shipments, and parcels that wait for an operator."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay import COMMAND
from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import find_order, resolve_number
from order_relay.cli.decisions import AsJson, Pipeline, Reason, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.cli.queues import parse_time
from order_relay.errors import ConfigurationError
from order_relay.orders.fulfilment.shipment_progress import Shipment, ShippedLine, shipment_key

if TYPE_CHECKING:
    from order_relay.ledger import Ledger, ShipmentResult
    from order_relay.pipeline.archive import OrderArchive

ORIGIN = "person"
_COLUMNS = (
    "id",
    "origin",
    "words",
    "carrier",
    "tracking_number",
    "shipped_at",
    "lines",
    "submission_id",
    "recorded_at",
    "asks",
)
_RESULT_TEXTS = {
    "recorded": "recorded",
    "known": "was already recorded; nothing changed",
    "asked": "is kept but not counted yet",
}

Line = Annotated[
    list[str] | None, typer.Option(help="ITEM=UNITS in this parcel; may be repeated. Default: the whole order.")
]


def ship(
    number: Annotated[str, typer.Argument(help="The order number, external id, OMS id or web shop reference.")],
    reason: Reason,
    carrier: Annotated[str, typer.Option(help="Carrier, such as UPS.")] = "",
    tracking: Annotated[str, typer.Option(help="Tracking number.")] = "",
    line: Line = None,
    shipped_at: Annotated[
        str | None, typer.Option(help="Time of shipment (ISO 8601; UTC unless it has an offset). Default: now.")
    ] = None,
    unmatched: Annotated[
        int | None, typer.Option(help="Count this kept parcel (id from 'shipments --unmatched') for the order instead.")
    ] = None,
    instead_of: Annotated[int | None, typer.Option(help="With --unmatched: id of the parcel it replaces.")] = None,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Record a shipped parcel, or count a kept one for its order."""
    from order_relay.pipeline.fulfilment.shipments import assign_shipment, record_shipment

    if instead_of is not None and unmatched is None:
        raise ConfigurationError("--instead-of needs --unmatched ID, the kept parcel that replaces it")
    name, why, installation = actor_name(who), require_reason(reason), Installation()
    entered = _shipment(number, carrier, tracking, _parse_lines(line or []), parse_time(shipped_at))
    pipelines = installation.chosen(pipeline)
    with installation.ledger() as ledger:
        work = find_order(ledger, number, pipelines)
        archive = order_archive(installation, ledger)
        if unmatched is not None:
            found = assign_shipment(ledger, archive, unmatched, work, instead_of)
        else:
            found = record_shipment(ledger, archive, name, replace(entered, submission_id=work.id), why=why)
    _print_result(work.order_number, found, name, why, as_json=as_json)


def shipments(
    unmatched: Annotated[
        bool, typer.Option("--unmatched", help="Only kept parcels that wait for an operator.")
    ] = False,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="Maximum number of rows, newest first.")] = 1_000,
    payload: Annotated[
        bool, typer.Option("--payload", help="Include the raw text of unreadable notices (personal data).")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List parcels, newest first."""
    with Installation().ledger() as ledger:
        rows = ledger.shipments.recent(unmatched=unmatched, most=most)
    rows = [{name: value for name, value in row.items() if payload or name != "raw"} for row in rows]
    if as_json:
        print_json({"shipments": len(rows), "rows": rows})
        return
    if not rows:
        print_line("no unmatched parcels" if unmatched else "no parcels recorded")
        return
    print_table("parcels", _COLUMNS, ([_cell(row[name]) for name in _COLUMNS] for row in rows))
    for row in rows:
        if row.get("raw"):
            print_line(f"parcel {row['id']}, raw notice:", "bold")
            print_line(row["raw"])
    if unmatched:
        print_line(
            f"Count one with '{COMMAND} ship NUMBER --unmatched ID' (add '--instead-of ID' if it replaces another), or "
            f"drop it with '{COMMAND} drop-parcel ID'."
        )


def drop_parcel(
    word: Annotated[
        str,
        typer.Argument(metavar="PARCEL", help="Id of a kept parcel (see 'shipments --unmatched') or its order number."),
    ],
    reason: Reason,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Drop a kept parcel that is a duplicate or not ours."""
    name, why = actor_name(who), require_reason(reason)
    with Installation().ledger() as ledger:
        parcel = _find_unmatched(ledger, word, pipeline)
        ledger.shipments.dismiss(parcel, f"{name}: {why}")
    if as_json:
        print_json({"dropped": parcel, "who": name, "reason": why})
    else:
        print_line(f"parcel {parcel} dropped by {name}")


def _find_unmatched(ledger: Ledger, word: str, pipeline: str | None) -> int:
    """Id of the single kept parcel with this id or for this order; raises ``ConfigurationError`` otherwise."""
    kept = ledger.shipments.recent(unmatched=True, most=100_000)
    if word.isdecimal() and any(parcel["id"] == int(word) for parcel in kept):
        return int(word)
    number = resolve_number(ledger, word, pipeline)
    orders = {work.id for work in ledger.order_references.named(number, None if pipeline is None else [pipeline])}
    ids = [parcel["id"] for parcel in kept if parcel["submission_id"] in orders or {word, number} & {*parcel["words"]}]
    if not ids:
        raise ConfigurationError(
            f"no kept parcel with id or order {word!r}; list kept parcels with: {COMMAND} shipments --unmatched"
        )
    if len(ids) > 1:
        raise ConfigurationError(
            f"order {number} has {len(ids)} kept parcels: {', '.join(map(str, sorted(ids)))}. Give one of these ids"
        )
    return int(ids[0])


def order_archive(installation: Installation, ledger: Ledger) -> OrderArchive:
    """The archive of all pipelines' orders."""
    from order_relay.pipeline.archive import OrderArchive
    from order_relay.pipeline.settings.pipeline import load_pipeline
    from order_relay.wiring.transformation import canonical_reader

    rows = ledger.code_tables.rows
    return OrderArchive(installation.store, cache(lambda name: canonical_reader(load_pipeline(name), rows(name))))


def _shipment(
    number: str, carrier: str, tracking: str, lines: tuple[ShippedLine, ...], when: datetime | None
) -> Shipment:
    key = shipment_key(number, tracking, lines, repr((carrier, when)).encode())
    return Shipment(
        ORIGIN, key, (number,), carrier.strip(), "", tracking.strip(), when or datetime.now(UTC), lines=lines, sure=True
    )


def _parse_lines(texts: list[str]) -> tuple[ShippedLine, ...]:
    lines = []
    for text in texts:
        item, _, units = text.rpartition("=")
        if not item or not units.isdecimal() or not 0 < int(units) < 10**9:
            raise ConfigurationError("--line must be ITEM=UNITS, such as MUG-BLUE=4")
        lines.append(ShippedLine(int(units), item_number=item))
    return tuple(lines)


def _print_result(number: str, found: ShipmentResult, who: str, why: str, *, as_json: bool) -> None:
    units = found.progress
    if as_json:
        print_json({"number": number, **asdict(found), "who": who, "reason": why})
        return
    counted = f", {units.shipped} of {units.ordered} units" if units else ""
    state = found.shipped or "not shipped"
    print_line(f"{number}: parcel {found.shipment_id} {_RESULT_TEXTS[found.outcome]}; the order is {state}{counted}")
    if found.asks:
        print_line(
            f"{found.asks}. Count it with '{COMMAND} ship {number} --unmatched {found.shipment_id}' (add '--instead-of "
            f"ID' if it replaces another one), or drop it with '{COMMAND} drop-parcel {found.shipment_id}'."
        )
    if units and units.surplus:
        print_line(f"shipped units that were not ordered or belong to unknown items: {units.surplus}")


def _cell(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return ", ".join(
        f"{row['line'] or row['item_number'] or '?'}={row['quantity']}{' (unreadable)' if row['odd'] else ''}"
        if isinstance(row, dict)
        else str(row)
        for row in value
    )
