"""``replay`` and ``discard``: bulk actions on quarantined and rejected orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.cli.arguments import open_actions, require_code, require_pipeline, resolve_number
from order_relay.cli.decisions import AsJson, Pipeline, Reason, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table, progress
from order_relay.cli.queues import parse_time
from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.ledger.schema.listed_rows import QuarantinedSubmission
    from order_relay.pipeline.operators.previews import BulkOutcome

_COLUMNS = ("pipeline", "order_number", "source_id", "state", "code", "pointer", "message")

Numbers = Annotated[list[str] | None, typer.Argument(help="Order numbers or web shop references to include.")]
Code = Annotated[str | None, typer.Option(help="Only orders with this reason code.")]
Since = Annotated[
    str | None, typer.Option(help="Only orders changed since this time (ISO 8601; UTC unless it has an offset).")
]
All = Annotated[bool, typer.Option("--all", help="All quarantined and rejected orders.")]
MaxOrders = Annotated[int, typer.Option(min=1, max=100_000, help="Refuse to act on more orders than this.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]


def replay(
    reason: Reason,
    numbers: Numbers = None,
    code: Code = None,
    since: Since = None,
    everything: All = False,
    most: MaxOrders = 1_000,
    dry_run: DryRun = False,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate quarantined and rejected orders again. Orders that pass continue with the next run.

    They are read from the archive. Orders that fail are unchanged and listed with their reasons.
    """
    name, why = actor_name(who), require_reason(reason)
    with open_actions() as (installation, ledger, actions):
        require_pipeline(installation, ledger, pipeline)
        shown = _shown(_select(ledger, pipeline, numbers, code, since, everything=everything, most=most))
        with progress("orders evaluated", len(shown)) as advance:
            if dry_run:
                found = actions.preview("replay", shown, limit=most, done=advance)
            else:
                found = actions.replay(shown, why, name, limit=most, done=advance)
    counts = found.counts
    done, held, waiting = len(found.changing), counts.get("held", 0), counts.get("waiting", 0)
    still = _refusals(found)
    facts: dict[str, Any] = {"chosen": len(shown), "replayed": done, "held": held, "waiting": waiting}
    facts |= {"dry_run": dry_run, "still": still}
    if as_json:
        print_json({**facts, "who": name, "reason": why})
        return
    if still:
        print_table("still refused (unchanged)", _COLUMNS, map(_cells, still))
    verb = "would be replayed" if dry_run else "continue with the next run"
    print_line(f"{len(shown)} chosen, {done} {verb}, {counts.get('refused', 0)} still refused")
    if held:
        print_line(f"of these, {held} will be held for a decision: card data was removed that the payload needs")
    if waiting:
        print_line(f"of these, {waiting} will wait until their source releases them (for example, an open payment)")


def discard(
    reason: Reason,
    numbers: Numbers = None,
    code: Code = None,
    since: Since = None,
    everything: All = False,
    most: MaxOrders = 1_000,
    dry_run: DryRun = False,
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """Discard quarantined and rejected orders. They are never sent; the next run acknowledges their numbers."""
    name, why = actor_name(who), require_reason(reason)
    with open_actions() as (installation, ledger, actions):
        require_pipeline(installation, ledger, pipeline)
        rows = _select(ledger, pipeline, numbers, code, since, everything=everything, most=most)
        shown = _shown(rows)
        if not dry_run:
            actions.discard(shown, why, name, limit=most)
    done = len(shown)
    if as_json:
        print_json(
            {
                "chosen": done,
                "discarded": done,
                "dry_run": dry_run,
                "who": name,
                "reason": why,
                "orders": [{key: row.get(key) for key in ("id", *_COLUMNS)} for row in rows],
            }
        )
        return
    if dry_run and rows:
        print_table("would be discarded", _COLUMNS, map(_cells, rows))
    print_line(f"{done} {'would be discarded' if dry_run else f'discarded by {name}'}")


def _select(
    ledger: Ledger,
    pipeline: str | None,
    numbers: Sequence[str] | None,
    code: str | None,
    since: str | None,
    *,
    everything: bool,
    most: int,
) -> list[QuarantinedSubmission]:
    """Rows to act on, one per reason.

    Raises ``ConfigurationError`` without any selection and for more than ``most`` orders.
    """
    if not (numbers or code or since or everything):
        raise ConfigurationError("no orders selected; give order numbers, --code, --since or --all")
    numbers = [resolve_number(ledger, number, pipeline) for number in numbers or []]
    found = ledger.queries.quarantined(code, numbers or None, parse_time(since))
    if code is not None and not found:
        require_code(code, (row["code"] for row in ledger.queries.quarantined()))
    rows = [row for row in found if pipeline in {None, row["pipeline"]}]
    if (number := len(_shown(rows))) > most:
        raise ConfigurationError(
            f"{number} orders are selected, more than --most {most}; narrow the selection or raise --most"
        )
    return rows


def _shown(rows: Sequence[QuarantinedSubmission]) -> dict[int, int | None]:
    return {row["id"]: row["revision"] for row in rows}


def _cells(row: Mapping[str, Any]) -> list[Any]:
    return [row.get(column) for column in _COLUMNS]


def _refusals(found: BulkOutcome) -> list[dict[str, Any]]:
    """One row per reason for orders that are refused again."""
    return [
        {
            "id": one.id,
            "pipeline": one.pipeline,
            "order_number": one.order_number,
            "source_id": one.source_id,
            "state": one.state,
            "code": why.code,
            "pointer": why.pointer,
            "message": why.message,
        }
        for one in found.orders
        for why in one.issues
    ]
