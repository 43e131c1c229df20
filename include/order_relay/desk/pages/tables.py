"""``/tables``: code tables, the values that orders were refused for, and the rows that operators make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from order_relay.desk.access import Configurator, Principal, Viewer
from order_relay.desk.deployment import Desk, DeskDeployment, not_found
from order_relay.desk.rendering import done, render
from order_relay.errors import ConcurrentUpdateError, OrderRelayError
from order_relay.ledger.operators.code_tables import MAX_KEY, MAX_VALUE, RowKey
from order_relay.orders.mapping.mapping_rules import normalize_words
from order_relay.wiring.pipeline_tables import PipelineTables, RefusedCodes, TableRow, parse_value, show_value

router = APIRouter()

PAGE_SIZE = 100
MAX_EVALUATED = 200
"""Refused orders that a page or a preview evaluates; a release takes up to ``pipeline_tables.MAX_ORDERS``."""

_VERSIONS = 50

Key = Annotated[str, Form(max_length=MAX_KEY)]
Value = Annotated[str, Form(max_length=MAX_VALUE)]
Reason = Annotated[str, Form(max_length=500)]


@dataclass(frozen=True)
class _Filter:
    """Rows whose key or value contains ``text``, in any case; pages count from 1."""

    text: str
    page: int

    def of(self, rows: list[TableRow]) -> list[TableRow]:
        wanted = self.text.strip().casefold()
        if not wanted:
            return rows
        return [row for row in rows if wanted in row.key.casefold() or wanted in str(row.value).casefold()]


@router.get("/tables")
async def index(request: Request, desk: Desk, user: Viewer) -> Response:
    """The tables of the user's pipelines."""

    def load() -> list[tuple[str, list[object], str]]:
        return [_summaries(desk, name) for name in sorted(user.pipelines & set(desk.pipelines))]

    return render(request, "tables.html", title="Tables", pipelines=await desk.run(load))


@router.get("/tables/{pipeline}.yaml")
async def export(desk: Desk, user: Viewer, pipeline: str) -> Response:
    """The rows that operators made, as a file in the shape of the pipeline's file."""
    text = await desk.run(lambda: _tables(desk, user, pipeline).export())
    headers = {"Content-Disposition": f'attachment; filename="{pipeline}-tables.yaml"'}
    return Response(text, media_type="application/yaml", headers=headers)


@router.get("/tables/{pipeline}/refused")
async def refused(request: Request, desk: Desk, user: Viewer, pipeline: str, table: str = "") -> Response:
    """The values that orders were refused for, as a fragment: of one table, or of all."""

    def load() -> tuple[RefusedCodes, str]:
        tables = _tables(desk, user, pipeline)
        try:
            return tables.refused(MAX_EVALUATED), ""
        except OrderRelayError as error:  # of the archive or a connection
            return RefusedCodes(), str(error)

    found, problem = await desk.run(load)
    codes = [one for one in found.codes if table in ("", one.table)]
    return render(
        request, "table_refused.html", found=found, codes=codes, problem=problem, pipeline=pipeline, table=table
    )


@router.get("/tables/{pipeline}/{table}")
async def show(
    request: Request,
    desk: Desk,
    user: Viewer,
    *,
    pipeline: str,
    table: str,
    q: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """One table: its effective rows with their origin, filtered and in pages."""
    rows = await desk.run(lambda: _of(desk, user, pipeline, table).rows(table))
    chosen = _Filter(q, page).of(rows)
    first = (page - 1) * PAGE_SIZE
    shown = [(row, show_value(row.value)) for row in chosen[first : first + PAGE_SIZE]]
    return render(
        request,
        "table.html",
        title=f"Table {table}",
        pipeline=pipeline,
        table=table,
        rows=shown,
        total=len(rows),
        chosen=len(chosen),
        first=first,
        page=page,
        last_page=max(1, -(-len(chosen) // PAGE_SIZE)),
        q=q,
    )


@router.get("/tables/{pipeline}/{table}/history")
async def history(request: Request, desk: Desk, user: Viewer, pipeline: str, table: str) -> Response:
    """The newest versions of a table's rows, as a fragment."""
    _require(user, pipeline)
    versions = await desk.run(lambda: desk.ledger.code_tables.history(pipeline, table, _VERSIONS))
    shown = [(one, show_value(one.value), show_value(one.previous)) for one in versions]
    return render(request, "table_history.html", versions=shown, most=_VERSIONS)


@router.get("/tables/{pipeline}/{table}/edit")
async def edit(
    request: Request, desk: Desk, user: Configurator, *, pipeline: str, table: str, key: str = ""
) -> Response:
    """The form for one row, as the content of a dialog; without ``key`` for a new one."""

    def load() -> TableRow | None:
        code = normalize_words(key)
        rows = _of(desk, user, pipeline, table).rows(table)
        return next((row for row in rows if normalize_words(row.key) == code), None)

    row = await desk.run(load)
    return render(
        request,
        "table_edit.html",
        pipeline=pipeline,
        table=table,
        row=row,
        value=show_value(row.value) if row else "",
        key=row.key if row else key,
    )


@router.post("/tables/{pipeline}/{table}/preview")
async def preview(
    request: Request, desk: Desk, user: Configurator, *, pipeline: str, table: str, key: Key, value: Value = ""
) -> Response:
    """How many refused orders the row would release, as a fragment; changes nothing."""
    of = RowKey(table, key)
    found = await desk.run(lambda: _of(desk, user, pipeline, table).preview(of, parse_value(of, value), MAX_EVALUATED))
    return render(request, "table_preview.html", found=found)


@router.post("/tables/{pipeline}/{table}/rows")
async def put(
    desk: Desk,
    user: Configurator,
    *,
    pipeline: str,
    table: str,
    key: Key,
    value: Value,
    reason: Reason,
    shown: Annotated[int, Form(ge=0)],
    release: Annotated[bool, Form()] = False,
) -> Response:
    """Add or change a row, and release the orders that pass with it if the user may act on orders."""
    of = RowKey(table, key)

    def work() -> str:
        tables = _of(desk, user, pipeline, table)
        row = tables.put(of, parse_value(of, value), reason, user.name, shown=shown)
        return f"{row.key} is set." + (_release(desk, user, tables, reason) if release and user.may_act else "")

    return done(await desk.run(work))


@router.post("/tables/{pipeline}/{table}/remove")
async def remove(
    desk: Desk,
    user: Configurator,
    *,
    pipeline: str,
    table: str,
    key: Key,
    reason: Reason,
    shown: Annotated[int, Form(ge=0)],
) -> Response:
    """Remove a row that an operator made."""
    of = RowKey(table, key)
    row = await desk.run(lambda: _of(desk, user, pipeline, table).remove(of, reason, user.name, shown=shown))
    return done(f"{row.key} is removed. A row of a file with this key is effective again.")


def _release(desk: DeskDeployment, user: Principal, tables: PipelineTables, reason: str) -> str:
    try:
        released = tables.release(desk.actions, reason, user.name)
    except ConcurrentUpdateError:
        return " Orders changed at the same time; none was released. Evaluate them again on Needs attention."
    return f" {released:,} orders continue with the next run."


def _summaries(desk: DeskDeployment, name: str) -> tuple[str, list[object], str]:
    """The pipeline, its tables, and why they cannot be shown."""
    try:
        return name, [*PipelineTables(desk.ledger, desk.parts, name).summaries()], ""
    except OrderRelayError as error:  # an invalid file does not hide the other pipelines
        return name, [], str(error)


def _require(user: Principal, pipeline: str) -> None:
    if pipeline not in user.pipelines:
        raise not_found("This pipeline")


def _tables(desk: DeskDeployment, user: Principal, pipeline: str) -> PipelineTables:
    _require(user, pipeline)
    return PipelineTables(desk.ledger, desk.parts, pipeline)


def _of(desk: DeskDeployment, user: Principal, pipeline: str, table: str) -> PipelineTables:
    tables = _tables(desk, user, pipeline)
    if table not in tables.names:
        raise not_found("This table")
    return tables
