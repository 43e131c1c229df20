"""``correct``: corrects values of an order that was not sent yet, beside the archived original."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.cli.arguments import open_actions, resolve_number
from order_relay.cli.decisions import AsJson, Pipeline, Who, actor_name, parse_shown, require_reason
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext

if TYPE_CHECKING:
    from order_relay.ledger import Ledger, WorkItem
    from order_relay.pipeline.operators.correctable_orders import CorrectableOrder, CorrectionResult

_FIELDS = ("field", "as received", "corrected to", "by", "note")
_OUTLOOKS = {
    "ready": "the next run sends it",
    "held": "the next run holds it for a decision",
    "waiting": "it waits until its source releases it",
}

_DONE = {"correct": "corrected", "withdraw": "withdrawn:", "carry_over": "carried over:", "dismiss": "dismissed:"}


def correct(
    number: Annotated[str, typer.Argument(help="The order number or web shop reference.")],
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="FIELD=VALUE, such as ship_postal_code=85001; may be repeated. FIELD= removes it."),
    ] = None,
    withdraw: Annotated[list[str] | None, typer.Option(help="Field whose correction ends; may be repeated.")] = None,
    carry_over: Annotated[
        bool, typer.Option("--carry-over", help="Apply the corrections of earlier content to the present one.")
    ] = False,
    dismiss: Annotated[bool, typer.Option("--dismiss", help="Drop the corrections of earlier content.")] = False,
    fields: Annotated[
        bool, typer.Option("--fields", help="List the correctable fields with their values (personal data).")
    ] = False,
    reason: Annotated[str, typer.Option(help="Reason, recorded with the change. No personal data.")] = "",
    shown: Annotated[
        str | None, typer.Option(help="ID/REVISION from --fields; refused if the order has changed meanwhile.")
    ] = None,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Correct addresses, names, contacts, shipping method, requested date, PO or comment of an order.

    For quarantined, rejected and held orders. The archived order is not changed; the corrected values are sent. They
    apply to this content only: if the source sends other content, confirm them with --carry-over or --dismiss.
    """
    values = _parse_values(given or [])
    wanted = {"correct": values, "withdraw": withdraw, "carry_over": carry_over, "dismiss": dismiss, "fields": fields}
    chosen = [action for action, value in wanted.items() if value]
    if len(chosen) != 1:
        raise ConfigurationError("give one of --set, --withdraw, --carry-over, --dismiss and --fields")
    (action,) = chosen
    with open_actions() as (_, ledger, actions):
        work, revision = _choose(ledger, number, shown, pipeline)
        with actions.corrections(work.pipeline) as corrections:
            if fields:
                _show_fields(corrections.open(work.id), as_json=as_json)
                return
            ctx = RunContext(work.pipeline, "", actor_name(who))
            options: dict[str, dict[str, Any]] = {"correct": {"values": values}, "withdraw": {"fields": withdraw}}
            act = getattr(corrections, action)
            result: CorrectionResult = act(
                ctx, work.id, revision=revision, why=require_reason(reason), **options.get(action, {})
            )
    if as_json:
        print_json({"id": work.id, "action": action, "who": ctx.who, "reason": reason.strip(), **asdict(result)})
    else:
        _show_result(work.order_number, action, result)


def _parse_values(given: list[str]) -> dict[str, str]:
    values = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or name.strip() in values:
            raise ConfigurationError(f"--set needs FIELD=VALUE, each field once; not understood: --set {name}")
        values[name.strip()] = value
    return values


def _choose(ledger: Ledger, number: str, shown: str | None, pipeline: str | None) -> tuple[WorkItem, int]:
    """The submission to correct, and the revision that was shown or is current."""
    number = resolve_number(ledger, number, pipeline)
    found = ledger.corrections.candidates(number, pipeline)
    ids = parse_shown(shown)
    if ids is not None:
        found = [work for work in found if work.id in ids]
        if len(ids) != 1 or not found:
            raise ConfigurationError(f"--shown must be one id of order {number} that was not sent yet, such as 12/3")
        return found[0], ids[found[0].id] or found[0].revision
    if not found:
        raise ConfigurationError(f"no order {number!r} can be corrected; only orders that were not sent yet can be")
    if len(found) > 1:
        which = "; ".join(f"--shown {work.id}/{work.revision} (id {work.source_id}, {work.state})" for work in found)
        raise ConfigurationError(f"{number!r} has {len(found)} versions that were not sent yet: {which}")
    return found[0], found[0].revision


def _show_fields(order: CorrectableOrder, *, as_json: bool) -> None:
    work = order.work
    pending = {one.field: one for one in order.pending}
    if as_json:
        facts: dict[str, Any] = {"id": work.id, "revision": work.revision, "state": work.state}
        facts |= {"problem": order.problem, "fields": list(map(asdict, order.fields))}
        facts["corrections"] = {name: one._asdict() for name, one in order.applied.items()}
        print_json({**facts, "pending": {name: one._asdict() for name, one in pending.items()}})
        return
    print_line(f"order {work.order_number}  ({work.state}), --shown {work.id}/{work.revision}", "bold")
    rows = []
    for one in order.fields:
        applied, earlier = order.applied.get(one.name), pending.get(one.name)
        note = one.problem or (f"correction of earlier content, not applied: {earlier.new}" if earlier else "")
        new, by = (applied.new or "(removed)", applied.who) if applied else ("", "")
        rows.append((one.name, one.value, new, by, note))
    print_table("", _FIELDS, rows)
    if order.problem:
        print_line(order.problem)


def _show_result(number: str, action: str, result: CorrectionResult) -> None:
    print_line(f"{number}: {_DONE[action]} {', '.join(result.fields)}; the order is {result.state}")
    if result.outlook:
        print_line(_OUTLOOKS[result.outlook])
    if result.issues:
        print_line("still refused:" if result.state == "quarantined" else "would be refused:")
    for issue in result.issues:
        print_line(f"  {issue.code} at {issue.pointer or '/'}: {issue.message}")
