"""``order WORD``: one order's whole life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.cli.deployment import Installation
from order_relay.cli.output import print_fields, print_json, print_line, print_table, problem_exit
from order_relay.errors import OrderRelayError

if TYPE_CHECKING:
    from order_relay.batches.store import BatchStore

# What of a submission is shown to people, in this order. Free text of customers is not among it.
_SUBMISSION = (
    "pipeline",
    "state",
    "reason",
    "order_number",
    "source_id",
    "edition",
    "version",
    "lineage",
    "batch_id",
    "part",
    "row",
    "first_offered_at",
    "last_offered_at",
    "changed_at",
    "due_at",
    "destination",
    "destination_key",
    "oms_id",
    "imported_at",
    "total_minor",
    "currency",
    "ack",
    "ack_at",
    "shipped",
    "shipped_at",
    "source_cancelled_at",
    "cancelled_at",
)
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "events": ("at", "from_state", "to_state", "why", "who", "run", "revision"),
    "unread": ("problem", "why", "asks", "last_at", "due_at", "missing_since", "gone_at"),
    "refusals": ("code", "pointer", "message", "revision"),
    "notes": ("code", "path", "message"),
    "attempts": ("number", "sent_at", "settled_at", "outcome", "status", "code", "message", "oms_id", "run"),
    "feedback": ("at", "step", "state", "tries", "message", "run"),
    "shipments": ("id", "shipped_at", "carrier", "service", "tracking_number", "origin", "who", "why"),
    "left_out": ("noted_at", "mended_at", "problem"),
    "lookups": ("at", "attempt", "finding", "counted", "method", "oms_id", "why", "who"),
}
_STATUS = (
    "account",
    "order_number",
    "order_status",
    "detailed_status",
    "parcels",
    "changed_at",
    "full_read_at",
    "asks",
)
_STATUS_EVENTS = (
    "happened_at",
    "updated_at",
    "kind",
    "parcel",
    "status",
    "state",
    "revision",
    "channel",
    "first_seen_at",
    "event_key",
)
# Only with --payload: what the OMS or the source said may quote the order.
_FREE_TEXT = ("location", "detail")
_PRIVATE = {"attempts": ("body", "remark"), "": ("customer_po", "ack_message", "offered", "items")}

REMOVED = "(removed by retention)"


def order(
    word: Annotated[str, typer.Argument(help="Order number, source id, uuid, OMS id or customer PO.")],
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    payload: Annotated[
        bool, typer.Option("--payload", help="Also exactly what was sent and answered (personal data).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show one order's whole life: submissions, events, why its source does not show it and when it is asked
    again, attempts, refusals, shipments, feedback, what a feed left out, statuses."""
    installation = Installation()
    with installation.ledger() as ledger:
        lives = [dict(life) for life in ledger.find(word) if pipeline in {None, life["pipeline"]}]
    if payload:
        for life in lives:
            _add_payloads(installation.store, life)
    else:
        lives = [_without_private(life) for life in lives]
    if as_json:
        print_json({"found": len(lives), "submissions": lives})
    for life in () if as_json else lives:
        _show(life, payload=payload)
    if not lives:
        if not as_json:
            print_line("no order with this number, source id, uuid, OMS id or customer PO")
        raise problem_exit()


def _without_private(life: Mapping[str, Any]) -> dict[str, Any]:
    """The life without what may hold personal data."""
    shown = {name: value for name, value in life.items() if name not in _PRIVATE[""]}
    for part, private in _PRIVATE.items():
        if part and part in shown:
            shown[part] = [{k: v for k, v in row.items() if k not in private} for row in shown[part]]
    shown["statuses"] = [
        {**told, "events": [{k: v for k, v in event.items() if k not in _FREE_TEXT} for event in told["events"]]}
        for told in life.get("statuses", ())
    ]
    return shown


def _add_payloads(store: BatchStore, life: dict[str, Any]) -> None:
    """Put the body of each attempt beside it, read from the batch store; the one that is ready now as well."""
    bodies = {(life.get("payload_name"), life.get("payload_row"))}
    bodies |= {(row.get("payload_name"), row.get("payload_row")) for row in life.get("attempts", ())}
    texts = {place: _read_payload(store, place) for place in bodies if place[0]}
    life["payload"] = texts.get((life.get("payload_name"), life.get("payload_row")))
    life["attempts"] = [
        {**row, "payload": texts.get((row.get("payload_name"), row.get("payload_row")))}
        for row in life.get("attempts", ())
    ]


def _read_payload(store: BatchStore, place: tuple[Any, Any]) -> str:
    from order_relay.pipeline.retention.order_data import removed_before

    name, row = place
    try:
        if not store.exists(name) and removed_before(store, name.split("/")[0], "runs") is not None:
            return REMOVED
        return store.read_rows(name, [row])[row].decode("utf-8", "replace") or REMOVED
    except OrderRelayError as error:
        return f"not to be read: {error}"


def _show(life: Mapping[str, Any], *, payload: bool) -> None:
    print_line(f"order {life['order_number']}  ({life['state']})", "bold")
    private = ("customer_po", "ack_message") if payload else ()
    print_fields({name: life.get(name) for name in (*_SUBMISSION, *private)}, indent=2)
    for part, columns in _SECTIONS.items():
        rows: Sequence[Mapping[str, Any]] = life.get(part, ())
        if rows:
            print_table(part, columns, ([row.get(column) for column in columns] for row in rows))
    for told in life.get("statuses", ()):
        _show_status(told, payload=payload)
    if payload:
        _show_payloads(life)
    print_line()


def _show_status(told: Mapping[str, Any], *, payload: bool) -> None:
    """What a fulfilment service says of the order: the state that follows, and every event with its corrections."""
    fields = {name: told[name] for name in _STATUS}
    fields["parcels"] = ", ".join(f"{name or '?'} {status}".strip() for name, status, _ in told["parcels"])
    print_line("status", "bold")
    print_fields(fields, indent=2)
    columns = (*_STATUS_EVENTS, *(_FREE_TEXT if payload else ()))
    print_table("status events", columns, ([event[name] for name in columns] for event in told["events"]))


def _show_payloads(life: Mapping[str, Any]) -> None:
    attempts: Sequence[Mapping[str, Any]] = life.get("attempts", ())
    for row in attempts:
        print_line(f"sent in attempt {row.get('number')}:", "bold")
        print_line(str(row.get("payload") or "not kept"))
        print_line(f"answered, HTTP status {row.get('status')}:", "bold")
        print_line(str(row.get("body") or "(nothing)"))
    if not attempts and life.get("payload"):
        print_line("made, not sent yet:", "bold")
        print_line(str(life["payload"]))
