"""``feedback`` and ``cancelled``: failed write-backs, and orders cancelled by their source after the import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from order_relay.cli.arguments import open_actions
from order_relay.cli.decisions import AsJson, Who, actor_name, require_reason
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.errors import ConfigurationError
from order_relay.orders.messages import RunContext
from order_relay.orders.review.choices import AT_OMS, KEEP, REINSTATED

_FAILED = ("pipeline", "order_number", "step", "tries", "at", "message")
_COUNTS = ("pipeline", "step", "state", "number", "oldest")
_REINSTATED: Final = "source_reinstated_at"
_CANCELLED: Final = ("pipeline", "order_number", "oms_id", "source_cancelled_at", _REINSTATED, "shipped")
_CHOICES = {AT_OMS: "recorded as cancelled in the OMS", KEEP: "is shipped anyway", REINSTATED: "reinstated"}

Pipeline = Annotated[str | None, typer.Option(help="Only this pipeline.")]
OptionalReason = Annotated[str, typer.Option("--reason", help="Why, for the record. No personal data.")]


def feedback(
    failed: Annotated[bool, typer.Option("--failed", help="List failed write-backs (default).")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="Count write-backs that are not done.")] = False,
    retry: Annotated[list[str] | None, typer.Option(help="Retry the failed write-backs of this order.")] = None,
    give_up: Annotated[list[str] | None, typer.Option(help="Give up the failed write-backs of this order.")] = None,
    retry_all: Annotated[bool, typer.Option("--retry-all", help="Retry all failed write-backs.")] = False,
    give_up_all: Annotated[bool, typer.Option("--give-up-all", help="Give up all failed write-backs.")] = False,
    step: Annotated[str, typer.Option(help="Only write-backs of this step.")] = "",
    reason: OptionalReason = "",
    who: Who = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List, count, retry or give up write-backs that the source refused. --retry and --give-up can be repeated."""
    if sum((failed, counts, bool(retry), bool(give_up), retry_all, give_up_all)) > 1:
        raise ConfigurationError("give only one of --failed, --counts, --retry, --give-up, --retry-all, --give-up-all")
    numbers, again = {*(retry or ()), *(give_up or ())}, bool(retry) or retry_all
    with open_actions() as (_, ledger, actions):
        rows = [row for row in ledger.write_back_tasks.failed(pipeline) if not step or row["step"] == step]
        if counts:
            known = ledger.runs.pipelines() if pipeline is None else [pipeline]
            found = [one._asdict() for one in ledger.write_back_tasks.unfinished(known) if not step or one.step == step]
            _print_rows("write-backs that are not done", _COUNTS, found, as_json=as_json)
            return
        if not (numbers or retry_all or give_up_all):
            _print_rows("failed write-backs", _FAILED, rows, as_json=as_json)
            return
        name = actor_name(who)
        names = {_context(rows, number, name).pipeline for number in numbers} or {row["pipeline"] for row in rows}
        done = actions.decide_write_back(
            names,
            require_reason(reason),
            name,
            retry=again,
            step=step,
            only=lambda row: not numbers or bool(numbers & {row["order_number"], row["source_id"]}),
        )
    chosen = ", ".join(sorted(numbers)) or "all"
    _print_result(chosen, f"{done} write-backs {'will be retried' if again else 'given up'}", as_json=as_json)


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
            columns = [one for one in _CANCELLED if one != _REINSTATED or any(row[_REINSTATED] for row in rows)]
            _print_rows("orders cancelled by the shop after the import", columns, rows, as_json=as_json)
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
