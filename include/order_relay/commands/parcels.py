"""``ship`` and ``shipments``: what left the warehouse, told by a person, and the parcels that no order fits."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.commands.decisions import AsJson, Pipeline, Reason, Who, person, said
from order_relay.commands.queues import moment
from order_relay.commands.screen import print_json, print_line, print_table
from order_relay.commands.setup import Setup
from order_relay.errors import WrongSetup
from order_relay.orders.shipping import Shipment, ShippedLine, parcel_key

if TYPE_CHECKING:
    from order_relay.ledger import Recorded
    from order_relay.pipeline.reading_back import OrderArchive

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
)
_SAID = {"recorded": "recorded", "known": "was recorded before; nothing changed"}

Line = Annotated[
    list[str] | None, typer.Option(help="ITEM=UNITS in this parcel; may be given again. None: the whole order.")
]


def ship(  # noqa: PLR0917 - each is an option of the command line
    number: Annotated[str, typer.Argument(help="The order number, external id or OMS id, exactly.")],
    reason: Reason,
    carrier: Annotated[str, typer.Option(help="Who carries it, such as UPS.")] = "",
    tracking: Annotated[str, typer.Option(help="The parcel's tracking number.")] = "",
    line: Line = None,
    shipped_at: Annotated[
        str | None, typer.Option(help="When it left, ISO 8601, UTC where it names no zone; now where not given.")
    ] = None,
    unmatched: Annotated[
        int | None, typer.Option(help="Instead: the id of a kept parcel (see 'shipments --unmatched') of this order.")
    ] = None,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Say that a parcel of an order left, or which order a kept parcel belongs to."""
    from order_relay.pipeline.parcels import assign_parcel, find_order, record_parcel  # noqa: PLC0415 - the engine

    name, why, setup = person(who), said(reason), Setup()
    told = _told(number, carrier, tracking, _lines(line or []), moment(shipped_at))
    pipelines = setup.chosen(pipeline)
    with setup.ledger() as ledger:
        work = find_order(ledger, told, pipelines)
        if work is None:
            raise WrongSetup("no order, or more than one, has this number; look with 'order' and give its OMS id")
        archive = archive_of(setup)
        if unmatched is not None:
            found = assign_parcel(ledger, archive, unmatched, work)
        else:
            found = record_parcel(ledger, archive, name, replace(told, submission_id=work.id), why=why)
    _say(number, found, name, why, as_json=as_json)


def shipments(
    unmatched: Annotated[bool, typer.Option("--unmatched", help="Only parcels that no order of ours fits.")] = False,
    most: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """List parcels, the newest first."""
    with Setup().ledger() as ledger:
        rows = ledger.shipments(unmatched=unmatched, most=most)
    if as_json:
        print_json({"shipments": len(rows), "rows": rows})
    elif not rows:
        print_line("every parcel has its order" if unmatched else "no parcel was told of")
    else:
        print_table("parcels", _COLUMNS, ([_cell(row[name]) for name in _COLUMNS] for row in rows))


def archive_of(setup: Setup) -> OrderArchive:
    """The archive of this deployment's orders."""
    from order_relay.pipeline.reading_back import OrderArchive  # noqa: PLC0415 - pulls in the engine
    from order_relay.pipeline.settings import load_pipeline  # noqa: PLC0415
    from order_relay.wiring import canonical_reader  # noqa: PLC0415

    return OrderArchive(setup.store, cache(lambda name: canonical_reader(load_pipeline(name))))


def _told(
    number: str, carrier: str, tracking: str, lines: tuple[ShippedLine, ...], when: datetime | None
) -> Shipment:
    key = parcel_key(number, carrier, tracking, repr((lines, when)).encode())
    return Shipment(
        ORIGIN, key, (number,), carrier.strip(), "", tracking.strip(), when or datetime.now(UTC), lines=lines
    )


def _lines(texts: list[str]) -> tuple[ShippedLine, ...]:
    lines = []
    for text in texts:
        item, _, units = text.rpartition("=")
        if not item or not units.isdecimal() or not 0 < int(units) < 10**9:
            raise WrongSetup("--line is not ITEM=UNITS; write it like MUG-BLUE=4")
        lines.append(ShippedLine(int(units), item_number=item))
    return tuple(lines)


def _say(number: str, found: Recorded, who: str, why: str, *, as_json: bool) -> None:
    units = found.progress
    if as_json:
        print_json({"number": number, **asdict(found), "who": who, "reason": why})
        return
    counted = f", {units.shipped} of {units.ordered} units" if units else ""
    print_line(f"{number}: parcel {found.shipment_id} {_SAID[found.outcome]}; the order is {found.shipped}{counted}")
    if units and units.surplus:
        print_line(f"{units.surplus} units of the parcels were never ordered, or are of unknown items")


def _cell(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return ", ".join(
        f"{row['line'] or row['item_number']}={row['quantity']}" if isinstance(row, dict) else str(row) for row in value
    )
