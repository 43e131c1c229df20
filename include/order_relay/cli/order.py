"""``order WORD``: the history of one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.output import print_fields, print_json, print_line, print_table, print_wrapped, problem_exit

if TYPE_CHECKING:
    from order_relay.batches.store import BatchStore
    from order_relay.ledger import Ledger

# Columns of a submission in display order. Customers' free text is excluded.
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
    "source_reinstated_at",
    "cancellation_decided_at",
)
_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "progress": ("name", "status", "at", "note"),
    "unread": ("problem", "why", "asks", "last_at", "due_at", "missing_since", "gone_at"),
    "refusals": ("code", "pointer", "message", "revision"),
    "notes": ("code", "path", "message"),
    "corrections": ("at", "field", "who", "why", "ended_at", "ended_as"),
    "attempts": ("number", "sent_at", "settled_at", "outcome", "status", "code", "message", "oms_id", "run"),
    "feedback": ("at", "step", "state", "tries", "message", "run"),
    "oms_status": ("reading", "received", "changed_at", "answered_at", "misses", "problem", "due_at", "finished_at"),
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
# Only with --payload: messages of the OMS or the source may quote the order.
_FREE_TEXT = ("location", "detail")
_PRIVATE = {
    "attempts": ("body", "remark"),
    "corrections": ("old", "new"),
    "": ("customer_po", "ack_message", "offered", "items"),
}


def order(
    word: Annotated[str, typer.Argument(help="Order number, source id, uuid, OMS id or customer PO.")],
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    payload: Annotated[
        bool, typer.Option("--payload", help="Include request and response bodies (personal data).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show the history of an order.

    What is wrong and what to do, the timeline across all systems (also actions and notes of operators), progress,
    corrections, validation issues, attempts, lookups, write-backs, shipments, statuses, records that could not be read
    from the source, and feed entries that were left out. With --json also the events and actions of the timeline.
    """
    installation = Installation()
    with installation.ledger() as ledger:
        histories = [dict(found) for found in ledger.queries.find(word) if pipeline in {None, found["pipeline"]}]
        for history in histories:
            _add_summary(ledger, history)
    if payload:
        for history in histories:
            _add_payloads(installation.store, history)
    else:
        histories = [_without_private(history) for history in histories]
    if as_json:
        print_json({"found": len(histories), "submissions": histories})
    for history in () if as_json else histories:
        _show(history, payload=payload)
    if not histories:
        if not as_json:
            print_line(f"no order found with number, source id, uuid, OMS id or customer PO {word!r}")
        raise problem_exit()


def _add_summary(ledger: Ledger, history: dict[str, Any]) -> None:
    """Add progress, problems and the timeline of the order, as on its page in the order desk."""
    from order_relay.pipeline.order_view.order_problems import order_problems
    from order_relay.pipeline.order_view.order_progress import order_progress
    from order_relay.pipeline.order_view.order_timeline import order_timeline

    found = ledger.order_histories.by_id(history["id"])
    history["progress"] = [asdict(step) for step in order_progress(found)] if found else []
    history["problems"] = [asdict(problem) for problem in order_problems(found)] if found else []
    timeline = order_timeline(found) if found else None
    history["timeline"] = [asdict(entry) for entry in timeline.entries] if timeline else []
    history["timeline_omitted"] = timeline.omitted if timeline else 0


def _without_private(history: Mapping[str, Any]) -> dict[str, Any]:
    """The history without columns that may hold personal data."""
    shown = {name: value for name, value in history.items() if name not in _PRIVATE[""]}
    for part, private in _PRIVATE.items():
        if part and part in shown:
            shown[part] = [{k: v for k, v in row.items() if k not in private} for row in shown[part]]
    shown["statuses"] = [
        {**status, "events": [{k: v for k, v in event.items() if k not in _FREE_TEXT} for event in status["events"]]}
        for status in history.get("statuses", ())
    ]
    return shown


def _add_payloads(store: BatchStore, history: dict[str, Any]) -> None:
    """Add the payload of each attempt, and of the order if it is ready, read from the batch store."""
    from order_relay.pipeline.order_view.order_content import read_payload

    bodies: set[tuple[Any, Any]] = {(history.get("payload_name"), history.get("payload_row"))}
    bodies |= {(row.get("payload_name"), row.get("payload_row")) for row in history.get("attempts", ())}
    texts = {place: "".join(read_payload(store, *place)) for place in bodies if place[0]}
    history["payload"] = texts.get((history.get("payload_name"), history.get("payload_row")))
    history["attempts"] = [
        {**row, "payload": texts.get((row.get("payload_name"), row.get("payload_row")))}
        for row in history.get("attempts", ())
    ]


def _show(history: Mapping[str, Any], *, payload: bool) -> None:
    print_line(f"order {history['order_number']}  ({history['state']})", "bold")
    private = ("customer_po", "ack_message") if payload else ()
    print_fields({name: history.get(name) for name in (*_SUBMISSION, *private)}, indent=2)
    _show_problems(history["problems"])
    _show_timeline(history["timeline"], history["timeline_omitted"])
    for part, columns in _SECTIONS.items():
        rows: Sequence[Mapping[str, Any]] = history.get(part, ())
        if rows:
            shown = (*columns, *_PRIVATE[part]) if payload and part == "corrections" else columns
            print_table(part, shown, ([row.get(column) for column in shown] for row in rows))
    for status in history.get("statuses", ()):
        _show_status(status, payload=payload)
    if payload:
        _show_payloads(history)
    print_line()


def _show_problems(problems: Sequence[Mapping[str, Any]]) -> None:
    for problem in problems:
        print_line(f"problem: {problem['title']}", "bold")
        for place in problem["places"]:
            print_wrapped(f"{place['message']} {place['pointer']}".strip(), indent=2)
        print_wrapped(problem["meaning"], indent=2)
        print_wrapped(f"Next step ({problem['who']}): {problem['fix']}", indent=2)


def _show_timeline(entries: Sequence[Mapping[str, Any]], omitted: int) -> None:
    """Show the timeline: time (UTC), system and what happened, and below it who did it and the details."""
    from order_relay.vendors import system_title

    titles = {entry["system"]: system_title(entry["system"]) for entry in entries}
    width = max(map(len, titles.values()), default=0)
    print_line("timeline (UTC)" + (f", without {omitted} older entries" if omitted else ""), "bold")
    for entry in entries:
        what = f"{entry['what']} by {entry['who']}" if entry["who"] else entry["what"]
        head = f"{entry['at']:%Y-%m-%d %H:%M:%S}  {titles[entry['system']]:<{width}}  "
        print_wrapped(what, first=head)
        print_wrapped(entry["details"], indent=23)  # below the system


def _show_status(found: Mapping[str, Any], *, payload: bool) -> None:
    """Show the order's status at a fulfilment service, and every event with its corrections."""
    fields = {name: found[name] for name in _STATUS}
    fields["parcels"] = ", ".join(f"{name or '?'} {status}".strip() for name, status, _ in found["parcels"])
    print_line("status", "bold")
    print_fields(fields, indent=2)
    columns = (*_STATUS_EVENTS, *(_FREE_TEXT if payload else ()))
    print_table("status events", columns, ([event[name] for name in columns] for event in found["events"]))


def _show_payloads(history: Mapping[str, Any]) -> None:
    attempts: Sequence[Mapping[str, Any]] = history.get("attempts", ())
    for row in attempts:
        print_line(f"sent in attempt {row.get('number')}:", "bold")
        print_line(str(row.get("payload") or "not kept"))
        print_line(f"response, HTTP status {row.get('status')}:", "bold")
        print_line(str(row.get("body") or "(empty)"))
    if not attempts and history.get("payload"):
        print_line("ready, not sent yet:", "bold")
        print_line(str(history["payload"]))
