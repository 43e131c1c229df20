"""``feedback`` and ``cancelled``: failed write-backs, and orders cancelled by their source after the import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import open_actions
from order_relay.cli.decisions import AsJson, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext
from order_relay.orders.review.choices import AT_OMS, KEEP, REINSTATED

_FAILED = ("pipeline", "order_number", "step", "tries", "at", "message")
_CANCELLED = ("pipeline", "order_number", "oms_id", "source_cancelled_at", "source_reinstated_at", "shipped")
_CHOICES = {AT_OMS: "recorded as cancelled in the OMS", KEEP: "is shipped anyway", REINSTATED: "reinstated"}

Pipeline = Annotated[str | None, typer.Option(help="Only this pipeline.")]
OptionalReason = Annotated[str, typer.Option("--reason", help="Why, for the record. No personal data.")]


def feedback(
    failed: Annotated[bool, typer.Option("--failed", help="List failed write-backs (default).")] = False,
    retry: Annotated[str | None, typer.Option(help="Retry the failed write-backs of this order.")] = None,
    give_up: Annotated[str | None, typer.Option(help="Give up the failed write-backs of this order.")] = None,
    reason: OptionalReason = "",
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List, retry or give up write-backs that the source refused."""
    if sum((failed, retry is not None, give_up is not None)) > 1:
        raise ConfigurationError("give only one of --failed, --retry and --give-up")
    number = retry if retry is not None else give_up
    with Installation().ledger() as ledger:
        rows = ledger.write_back_tasks.failed(pipeline)
        if number is None:
            _print_rows("failed write-backs", _FAILED, rows, as_json=as_json)
            return
        ctx = _context(rows, number, actor_name(who))
        done = ledger.write_back_tasks.decide_failed(ctx, number, require_reason(reason), retry=retry is not None)
    _print_result(
        number, f"{done} write-backs {'will be retried' if retry is not None else 'given up'}", as_json=as_json
    )


def cancelled(
    done: Annotated[str | None, typer.Option(help="Record that this order was cancelled in the OMS.")] = None,
    keep: Annotated[str | None, typer.Option(help="Ship this order although the shop cancelled it.")] = None,
    reinstated: Annotated[str | None, typer.Option(help="Record that the shop reinstated this order.")] = None,
    reason: OptionalReason = "",
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List orders that the shop cancelled after the import. Record that one is cancelled in the OMS, or keep it."""
    given = [(choice, number) for choice, number in zip(_CHOICES, (done, keep, reinstated), strict=True) if number]
    if len(given) > 1:
        raise ConfigurationError("give only one of --done, --keep and --reinstated")
    with open_actions() as (_, ledger, actions):
        rows = ledger.cancellations.unsettled(pipeline)
        if not given:
            _print_rows("orders cancelled by the shop after the import", _CANCELLED, rows, as_json=as_json)
            return
        [(choice, number)] = given
        name, why = actor_name(who), require_reason(reason)
        mine = _context(rows, number, name).pipeline
        chosen = [row for row in rows if row["pipeline"] == mine and number in {row["order_number"], row["source_id"]}]
        actions.decide_cancellations({row["id"]: row["revision"] for row in chosen}, choice, why, name)
    _print_result(number, _CHOICES[choice], as_json=as_json)


def _context(rows: Sequence[Mapping[str, Any]], number: str, who: str) -> RunContext:
    """Context of the pipeline that lists this number; raises ``ConfigurationError`` if none or several do."""
    names = sorted({row["pipeline"] for row in rows if number in {row["order_number"], row["source_id"]}})
    if len(names) != 1:
        where = f"listed by several pipelines: {', '.join(names)}; give --pipeline" if names else "not in the list"
        raise ConfigurationError(f"order {number!r}: {where}")
    return RunContext(names[0], "", who)


def _print_rows(what: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"rows": list(rows)})
    elif not rows:
        print_line(f"no {what}")
    else:
        print_table(what, columns, ([row[column] for column in columns] for row in rows))


def _print_result(number: str, result: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"number": number, "done": result})
    else:
        print_line(f"{number}: {result}")
