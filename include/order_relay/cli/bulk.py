"""``replay`` and ``discard``: bulk actions on quarantined and rejected orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import require_code, require_pipeline, resolve_number
from order_relay.cli.decisions import AsJson, Pipeline, Reason, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table, progress
from order_relay.cli.queues import parse_time
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.ledger.schema.listed_rows import QuarantinedSubmission
    from order_relay.pipeline.operators.replay import Evaluation

_COLUMNS = ("pipeline", "order_number", "source_id", "state", "code", "pointer", "message")

Numbers = Annotated[list[str] | None, typer.Argument(help="Order numbers or web shop references to include.")]
Code = Annotated[str | None, typer.Option(help="Only orders with this reason code.")]
Since = Annotated[
    str | None, typer.Option(help="Only orders changed since this time (ISO 8601; UTC unless it has an offset).")
]
All = Annotated[bool, typer.Option("--all", help="All quarantined and rejected orders.")]
MaxOrders = Annotated[int, typer.Option(min=1, max=100_000, help="Refuse to act on more orders than this.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]

Rows = dict[str, list["QuarantinedSubmission"]]


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
    installation, name, why = Installation(), actor_name(who), require_reason(reason)
    done, held, waiting, still = 0, 0, 0, []
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        chosen = _select(ledger, pipeline, numbers, code, since, everything=everything, most=most)
        with progress("orders evaluated", _orders(chosen)) as advance:
            for of, rows in chosen.items():
                found = _evaluate(installation, ledger, of, rows, advance)
                still += _refusals(of, found)
                held += len(found.held)
                waiting += len(found.waiting)
                ids = [work.id for work in found.continuing]
                done += len(ids) if dry_run else ledger.bulk.replay(RunContext(of, "", name), ids, why)
    facts: dict[str, Any] = {"chosen": _orders(chosen), "replayed": done, "held": held, "waiting": waiting}
    facts |= {"dry_run": dry_run, "still": still}
    if as_json:
        print_json({**facts, "who": name, "reason": why})
        return
    if still:
        print_table("still refused (unchanged)", _COLUMNS, map(_cells, still))
    verb = "would be replayed" if dry_run else "continue with the next run"
    print_line(f"{_orders(chosen)} chosen, {done} {verb}, {len({row['id'] for row in still})} still refused")
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
    done = 0
    installation = Installation()
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        chosen = _select(ledger, pipeline, numbers, code, since, everything=everything, most=most)
        for of, rows in chosen.items():
            ids = {row["id"] for row in rows}
            done += len(ids) if dry_run else ledger.bulk.discard(RunContext(of, "", name), ids, why)
    rows = [row for of in chosen.values() for row in of]
    if as_json:
        print_json(
            {
                "chosen": _orders(chosen),
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
) -> Rows:
    """Rows to act on, one per reason, by pipeline.

    Raises ``ConfigurationError`` without any selection and for more than ``most`` orders.
    """
    if not (numbers or code or since or everything):
        raise ConfigurationError("no orders selected; give order numbers, --code, --since or --all")
    rows: Rows = defaultdict(list)
    numbers = [resolve_number(ledger, number, pipeline) for number in numbers or []]
    found = ledger.queries.quarantined(code, numbers or None, parse_time(since))
    if code is not None and not found:
        require_code(code, (row["code"] for row in ledger.queries.quarantined()))
    for row in found:
        if pipeline in {None, row["pipeline"]}:
            rows[row["pipeline"]].append(row)
    if _orders(rows) > most:
        raise ConfigurationError(
            f"{_orders(rows)} orders are selected, more than --most {most}; narrow the selection or raise --most"
        )
    return dict(rows)


def _cells(row: Mapping[str, Any]) -> list[Any]:
    return [row.get(column) for column in _COLUMNS]


def _orders(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> int:
    return len({row["id"] for of in rows.values() for row in of})


def _evaluate(
    installation: Installation,
    ledger: Ledger,
    pipeline: str,
    rows: Sequence[Mapping[str, Any]],
    done: Callable[[int], None],
) -> Evaluation:
    from order_relay.pipeline.operators.replay import evaluate_archived

    works = ledger.worklist.get({row["id"] for row in rows})
    with installation.wiring(pipeline) as wiring:
        transformer = wiring.transformer
        return evaluate_archived(
            installation.store, pipeline, works, source=transformer.source, transformer=transformer, done=done
        )


def _refusals(pipeline: str, found: Evaluation) -> list[dict[str, Any]]:
    """One row per reason for orders that are refused again."""
    return [
        {
            "id": work.id,
            "pipeline": pipeline,
            "order_number": work.order_number,
            "source_id": work.source_id,
            "state": work.state,
            "code": why.code,
            "pointer": why.pointer,
            "message": why.message,
        }
        for work, reasons in found.refused
        for why in reasons
    ]
