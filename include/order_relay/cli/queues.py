"""``held``, ``doubt`` and ``quarantine``: orders that need an operator or a lookup, with their reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import require_code, require_pipeline, resolve_number
from order_relay.cli.output import output_stream, print_json, print_line, print_table
from order_relay.cli.review_differences import show_reviews
from order_relay.errors import ConfigurationError
from order_relay.orders.table_cells import save_csv, write_csv
from order_relay.pipeline.report.advice import advice_for
from order_relay.times import as_utc

if TYPE_CHECKING:
    from order_relay.ledger import Ledger
    from order_relay.pipeline.operators.review_model import OrderReview

_HELD = ("group", "pipeline", "order_number", "source_id", "edition", "reason", "lineage", "changed_at")
_DOUBT = (
    "pipeline",
    "order_number",
    "source_id",
    "attempt",
    "sent_at",
    "due_at",
    "lookups",
    "absent_once_at",
    "reason",
)
_REFUSED = ("pipeline", "order_number", "source_id", "state", "code", "pointer", "message", "changed_at", "batch_id")
_EXPORTED = (*_REFUSED, "last_offered_at", "no_longer_offered")
_SUMMARY_COLUMNS = ("order", "reason", "age")

Pipeline = Annotated[str | None, typer.Option(help="Only this pipeline.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


def held(
    number: Annotated[
        str | None, typer.Argument(help="Compare the versions in the group of this order number or web shop reference.")
    ] = None,
    pipeline: Pipeline = None,
    as_json: AsJson = False,
) -> None:
    """List orders that need a decision. With a number: compare the versions that are decided together."""
    installation = Installation()
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        rows = _only_pipeline(ledger.queries.held(), pipeline)
        if number is not None:
            number = resolve_number(ledger, number, pipeline)
            names = sorted({row["pipeline"] for row in rows if row["order_number"] == number})
            show_reviews([_review(installation, ledger, name, number) for name in names], number, as_json=as_json)
            return
        group = {one.id: n for n, found in enumerate(ledger.decisions.held_groups(pipeline), 1) for one in found.held}
        rows = sorted(
            ({"group": group[row["id"]], **row} for row in rows if row["id"] in group), key=lambda row: row["group"]
        )
    _print("held", _HELD, rows, as_json=as_json)


def _review(installation: Installation, ledger: Ledger, pipeline: str, number: str) -> OrderReview:
    from order_relay.pipeline.operators.review import build_review

    with installation.wiring(pipeline) as wiring:
        minimum = wiring.settings.policies.min_common_items
        return build_review(ledger, installation.store, wiring, number=number, minimum=minimum)


def doubt(pipeline: Pipeline = None, as_json: AsJson = False) -> None:
    """List orders in doubt and their next lookup. It is unknown whether the OMS stored them."""
    installation = Installation()
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        rows = _only_pipeline(ledger.queries.in_doubt(), pipeline)
    _print("in doubt", _DOUBT, rows, as_json=as_json)


def quarantine(
    pipeline: Pipeline = None,
    code: Annotated[str | None, typer.Option(help="Only orders with this reason code.")] = None,
    number: Annotated[list[str] | None, typer.Option(help="Only this order number; may be repeated.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Only orders changed since this time (ISO 8601; UTC unless it has an offset).")
    ] = None,
    csv: Annotated[str | None, typer.Option(help="Write CSV to this file, or to standard output if it is -.")] = None,
    wide: Annotated[bool, typer.Option("--wide", help="All columns, one row per reason.")] = False,
    as_json: AsJson = False,
) -> None:
    """List quarantined and rejected orders with advice. --csv exports them for a spreadsheet."""
    installation = Installation()
    with installation.ledger() as ledger:
        require_pipeline(installation, ledger, pipeline)
        number = [resolve_number(ledger, one, pipeline) for one in number or []]
        rows = _only_pipeline(ledger.queries.quarantined(code, number or None, parse_time(since)), pipeline)
        if code is not None and not rows:
            require_code(code, (row["code"] for row in ledger.queries.quarantined()))
    if csv == "-":
        write_csv(output_stream(), _EXPORTED, rows)
        return
    if csv is not None:
        save_csv(csv, _EXPORTED, rows)
    if as_json or wide or not rows:
        _print("quarantined and rejected", _REFUSED, rows, as_json=as_json, count_by="code")
        return
    print_table("quarantined and rejected", _SUMMARY_COLUMNS, _summarize(rows))
    for line in with_advice(rows):
        print_line(line)


def _summarize(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """One row per order: number, first reason with the number of further ones, and age."""
    now = datetime.now(UTC)
    by_order: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_order.setdefault(row["id"], []).append(row)
    for reasons in by_order.values():
        first, advice = reasons[0], advice_for(reasons[0]["code"])
        title = advice.title if advice else str(first["code"]).replace("_", " ")
        more = f" (+{len(reasons) - 1} more)" if len(reasons) > 1 else ""
        more += "; no longer offered" if first["no_longer_offered"] else ""
        yield first["order_number"] or first["source_id"], f"{title}{more}", age(now - first["changed_at"])


def with_advice(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Meaning of each reason code, who fixes it and how; the most frequent code first."""
    for code, number in Counter(row["code"] for row in rows).most_common():
        advice = advice_for(code)
        yield ""
        if advice is None:
            yield f"{code}: {number}"
            continue
        yield f"{advice.title} ({code}): {number}"
        yield f"  {advice.meaning}"
        yield f"  Who: {advice.who.value}. {advice.fix}"
        if advice.example:
            yield f"  Example: {advice.example}"


def age(since: timedelta) -> str:
    """A duration in its largest unit: 3 d, 5 h, 12 min."""
    minutes = max(0, int(since.total_seconds() // 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} d"


def _only_pipeline(rows: Sequence[Mapping[str, Any]], pipeline: str | None) -> list[dict[str, Any]]:
    return [dict(row) for row in rows if pipeline in {None, row["pipeline"]}]


def parse_time(text: str | None) -> datetime | None:
    """Parse ``--since`` or ``--shipped-at``; UTC unless it has an offset. Raises ``ConfigurationError``."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"not a time: {text!r}; write it like 2026-05-31 or 2026-05-31T14:00:00Z") from None
    return as_utc(moment)


def _print(
    title: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, as_json: bool, count_by: str = "reason"
) -> None:
    if as_json:
        codes = {str(row[count_by]) for row in rows if row.get(count_by)}
        advice = {code: asdict(found) for code in sorted(codes) if (found := advice_for(code))}
        orders = len({row["id"] for row in rows if "id" in row}) or len(rows)
        print_json({"orders": orders, "rows": rows, "advice": advice})
        return
    if not rows:
        print_line(f"nothing is {title}")
        return
    print_table(title, columns, ([row.get(column) for column in columns] for row in rows))
    counted = Counter(str(row.get(count_by) or "") for row in rows)
    print_line(", ".join(f"{name or 'without reason'}: {number}" for name, number in counted.most_common()))
