"""``tables``: code tables of pipelines, the rows that operators make, and the values that orders were refused for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from order_relay.cli.arguments import open_actions
from order_relay.cli.decisions import AsJson, Reason, Who, actor_name, require_reason
from order_relay.cli.output import output_stream, print_json, print_line, print_table

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.ledger.operators.code_tables import CodeTableRow, RowKey
    from order_relay.wiring.pipeline_tables import PipelineTables, RefusedCodes


class _ShowByDefault(TyperGroup):
    """``tables PIPELINE`` is ``tables show PIPELINE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if named else ["show", *args])


app = typer.Typer(cls=_ShowByDefault, help="Code tables: rows, refused values, and changes.", no_args_is_help=False)

PipelineName = Annotated[str, typer.Argument(metavar="PIPELINE", help="A pipeline.")]
Table = Annotated[str, typer.Argument(metavar="TABLE", help="A code table, such as ship_via.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The code, as orders have it.")]
Release = Annotated[bool, typer.Option("--release", help="Evaluate refused orders again; those that pass continue.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show how many orders would be released; change nothing.")]
MaxOrders = Annotated[int, typer.Option(min=1, max=100_000, help="Evaluate at most this many refused orders.")]


@app.command()
def show(
    pipeline: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    table: Annotated[str | None, typer.Argument(help="The rows of this table.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Also the versions of the table's rows.")] = False,
    as_json: AsJson = False,
) -> None:
    """List code tables, or the rows of one with their origin."""
    with open_actions() as (installation, ledger, _):
        if pipeline is None or table is None:
            names = sorted(installation.pipelines) if pipeline is None else [pipeline]
            _show_tables([_tables(ledger, installation, name) for name in names], as_json=as_json)
            return
        rows = _tables(ledger, installation, pipeline).rows(table)
        versions = ledger.code_tables.history(pipeline, table) if history else []
    shown = [
        {
            "key": row.key,
            "value": row.value,
            "origin": row.origin or "operator",
            "version": row.made.version if row.made else 0,
            **({"who": row.made.who, "why": row.made.why, "at": row.made.at} if row.made else {}),
        }
        for row in rows
    ]
    if as_json:
        found = {"pipeline": pipeline, "table": table, "rows": shown}
        print_json(found | ({"history": [row._asdict() for row in versions]} if history else {}))
        return
    columns = ("key", "value", "origin", "who", "at", "why")
    print_table(f"{pipeline}: {table}", columns, ([row.get(name) for name in columns] for row in shown))
    if versions:
        parts = ("version", "key", "value", "previous", "removed", "who", "at", "why")
        print_table("versions, newest first", parts, ([getattr(one, name) for name in parts] for one in versions))


@app.command("set")
def set_row(
    pipeline: PipelineName,
    table: Table,
    key: Key,
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="As in a pipeline's file: a text, a number or {member: value}.")
    ],
    reason: Reason,
    release: Release = False,
    dry_run: DryRun = False,
    most: MaxOrders = 1_000,
    who: Who = None,
    as_json: AsJson = False,
) -> None:
    """Add or change a row. It wins over the files' rows, from the next run on."""
    from order_relay.ledger.operators.code_tables import RowKey
    from order_relay.wiring.pipeline_tables import parse_value

    of = RowKey(table, key)
    options = _Change(reason, who, release=release, dry_run=dry_run, most=most, as_json=as_json)
    _change(pipeline, of, parse_value(of, value), options)


@app.command()
def remove(
    pipeline: PipelineName,
    table: Table,
    key: Key,
    reason: Reason,
    release: Release = False,
    dry_run: DryRun = False,
    most: MaxOrders = 1_000,
    who: Who = None,
    as_json: AsJson = False,
) -> None:
    """Remove a row that an operator made. A row of a file with the same key is effective again."""
    from order_relay.ledger.operators.code_tables import RowKey

    options = _Change(reason, who, release=release, dry_run=dry_run, most=most, as_json=as_json)
    _change(pipeline, RowKey(table, key), None, options)


@app.command()
def export(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Print the rows that operators made as YAML for the pipeline's file."""
    with open_actions() as (installation, ledger, _):
        tables = _tables(ledger, installation, pipeline)
        if as_json:
            print_json([row._asdict() for row in tables.made])
        else:
            output_stream().write(tables.export())


@app.command()
def unknown(
    pipeline: Annotated[str | None, typer.Argument(help="Only this pipeline.")] = None,
    most: MaxOrders = 1_000,
    as_json: AsJson = False,
) -> None:
    """List the values that quarantined orders were refused for, because no code table has a row."""
    with open_actions() as (installation, ledger, _):
        names = sorted(installation.pipelines) if pipeline is None else [pipeline]
        found = {name: _tables(ledger, installation, name).refused(most) for name in names}
    if as_json:
        print_json({name: _refused(one) for name, one in found.items()})
        return
    columns = ("pipeline", "table", "value", "orders", "since")
    rows = [(name, c.table, c.code, c.orders, c.oldest) for name, one in found.items() for c in one.codes]
    if rows:
        print_table("values without a row", columns, rows)
    for name, one in found.items():
        print_line(_checked(name, one))


class _Change:
    """The options of a change."""

    def __init__(self, reason: str, who: str | None, *, release: bool, dry_run: bool, most: int, as_json: bool) -> None:
        self.why, self.who = require_reason(reason), actor_name(who)
        self.release, self.dry_run, self.most, self.as_json = release, dry_run, most, as_json


def _change(pipeline: str, of: RowKey, value: Any, change: _Change) -> None:
    row, found, released = None, None, 0
    with open_actions() as (installation, ledger, actions):
        tables = _tables(ledger, installation, pipeline)
        if change.dry_run:
            found = tables.preview(of, value, change.most)
        else:
            row = (
                tables.remove(of, change.why, change.who)
                if value is None
                else tables.put(of, value, change.why, change.who)
            )
            if change.release:
                found = tables.refused(change.most)
                released = tables.release(actions, change.why, change.who, change.most)
    facts = {"pipeline": pipeline, "table": of.table, "key": of.key, "value": value, "dry_run": change.dry_run}
    if change.as_json:
        passing = {} if found is None else {"released": released, **_refused(found)}
        print_json(facts | {"row": row and row._asdict(), **passing, "who": change.who, "reason": change.why})
        return
    print_line(_outcome(of, row, found, released))


def _outcome(of: RowKey, row: CodeTableRow | None, found: RefusedCodes | None, released: int) -> str:
    if row is None:
        passing = len(found.passing) if found else 0
        return f"{of.table}: {of.key}: would be changed; {passing} refused orders would be released" + _bound(found)
    done = "removed" if row.removed else "set"
    text = f"{of.table}: {row.key}: {done} by {row.who} (version {row.version}), effective from the next run"
    return text if found is None else f"{text}; {released} orders continue with it" + _bound(found)


def _bound(found: RefusedCodes | None) -> str:
    return f" (of the oldest {found.checked}; repeat with a higher --most)" if found and found.more else ""


def _checked(pipeline: str, found: RefusedCodes) -> str:
    if not found.checked:
        return f"{pipeline}: no order was refused because a code table lacks a row"
    return f"{pipeline}: {found.checked} refused orders checked, {len(found.passing)} pass now" + _bound(found)


def _refused(found: RefusedCodes) -> dict[str, Any]:
    codes = [{"table": c.table, "value": c.code, "orders": c.orders, "oldest": c.oldest} for c in found.codes]
    return {"codes": codes, "passing": len(found.passing), "checked": found.checked, "more": found.more}


def _tables(ledger: Ledger, installation: Any, pipeline: str) -> PipelineTables:
    from order_relay.wiring.pipeline_tables import PipelineTables

    return PipelineTables(ledger, installation, pipeline)


def _show_tables(tables: Sequence[PipelineTables], *, as_json: bool) -> None:
    rows = [
        {"pipeline": one.pipeline, "table": found.table, "rows": found.rows, "made": found.made}
        for one in tables
        for found in one.summaries()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table("code tables", ("pipeline", "table", "rows", "made here"), (list(row.values()) for row in rows))
