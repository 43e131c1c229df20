"""``report``: the accounting check, and the list of orders that a run imported."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from order_relay import COMMAND
from order_relay.airflow.installation import Installation
from order_relay.cli.arguments import require_run
from order_relay.cli.output import output_stream, print_json, print_line, print_table, problem_exit
from order_relay.errors import ConfigurationError
from order_relay.orders.table_cells import save_csv, write_csv
from order_relay.pipeline.runs.objects import run_slug

_UNDO_COLUMNS = (
    "pipeline",
    "oms_id",
    "order_number",
    "destination_key",
    "total_minor",
    "currency",
    "imported_at",
    "why",
)


def report(
    pipeline: Annotated[str | None, typer.Option(help="Only this pipeline.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Only pipelines of this source vendor."),
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="Count only this run (Airflow run id); the accounting check covers all orders.")
    ] = None,
    archive: Annotated[
        bool, typer.Option("--archive/--no-archive", help="Also compare the archived batches with the ledger.")
    ] = True,
    undo: Annotated[
        bool, typer.Option("--undo", help="List the OMS ids that --run RUN imported, to cancel them manually.")
    ] = False,
    csv: Annotated[
        str | None, typer.Option(help="With --undo: write CSV to this file, or to standard output if it is -.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Count orders by state and run the accounting check. Exit code 1 if it fails."""
    if undo or csv is not None:
        _print_undo_list(pipeline, run if undo else None, csv, as_json=as_json)
        return
    facts = gather(Installation(), pipeline, source, run, archive=archive)
    if as_json:
        print_json(facts)
    else:
        _show(facts)
    if not facts["balanced"]:
        raise problem_exit()


def gather(
    installation: Installation, pipeline: str | None, source: str | None, run: str | None, *, archive: bool
) -> dict[str, Any]:
    """The report as data with stable keys. ``balanced``: the accounting check passed."""
    from order_relay.pipeline.alerts.kinds import REFUSED_PERIOD
    from order_relay.pipeline.report.report import check_archive, closed_batches
    from order_relay.pipeline.report.state_advice import OPERATOR_STATES

    chosen = installation.chosen(pipeline, source)
    run = run_slug(run) if run else None
    total: Counter[str] = Counter()
    states: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    breaches: list[str] = []
    compared = 0
    with installation.ledger() as ledger:
        if run:
            require_run(ledger, run)
        for name in chosen if chosen is not None else [None]:
            counts = ledger.accounting.counts(name, run)
            total.update({"received": counts["received"], "acknowledged": counts["acknowledged"]})
            states.update({str(state): number for state, number in counts["states"].items()})
            reasons.update({(str(state), str(why)): number for (state, why), number in counts["reasons"].items()})
            breaches += ledger.accounting.invariant_violations(name)
        for name in (chosen if chosen is not None else sorted(installation.pipelines)) if archive else ():
            batches = closed_batches(ledger, name, run)
            compared += len(batches)
            breaches += check_archive(ledger, installation.store, name, batches)
        since = datetime.now(UTC) - REFUSED_PERIOD
        names = ledger.statuses.accounts() if chosen is None and run is None else []
        refused = sum(entry["number"] for name in names for entry in ledger.status_refusals.since(name, since))
    return {
        "received": total["received"],
        "states": dict(sorted(states.items())),
        "acknowledged": total["acknowledged"],
        "balanced": not breaches,
        "breaches": breaches,
        "reasons": [{"state": s, "reason": w, "orders": n} for (s, w), n in sorted(reasons.items())],
        "for_a_person": sum(states[state] for state in OPERATOR_STATES),
        "batches_compared": compared,
        "statuses_refused": refused,
        "pipelines": chosen,
        "run": run,
    }


def _show(facts: dict[str, Any]) -> None:
    from order_relay.pipeline.alerts.kinds import REFUSED_PERIOD

    rows = [*facts["states"].items(), ("received", facts["received"]), ("acknowledged", facts["acknowledged"])]
    print_table("orders by state", ("state", "orders"), rows)
    reasons = [(row["state"], row["reason"], row["orders"]) for row in facts["reasons"] if row["reason"]]
    if reasons:
        print_table("reasons", ("state", "reason", "orders"), reasons)
    for breach in facts["breaches"]:
        print_line(f"FAILED: {breach}", "bold red")
    if facts["statuses_refused"]:
        print_line(
            f"{facts['statuses_refused']} status records or rows were refused in the last {REFUSED_PERIOD.days} days; "
            f"list them with '{COMMAND} statuses --refused'",
            "yellow",
        )
    verdict = "Accounting check passed" if facts["balanced"] else "Accounting check FAILED"
    print_line(
        f"{verdict}; {facts['batches_compared']} archived batches compared; "
        f"{facts['for_a_person']} orders need an operator"
    )


def _print_undo_list(pipeline: str | None, run: str | None, csv: str | None, *, as_json: bool) -> None:
    """Print or save the OMS ids that ``run`` imported; exit code 1 if there are none."""
    if run is None:
        raise ConfigurationError("--undo and --csv list the imports of one run; give --run RUN --undo")
    with Installation().ledger() as ledger:
        require_run(ledger, run, run_slug(run))
        rows = ledger.queries.imported_by(run_slug(run), pipeline) or ledger.queries.imported_by(run, pipeline)
    if csv == "-":
        write_csv(output_stream(), _UNDO_COLUMNS, rows)
    elif csv is not None:
        save_csv(csv, _UNDO_COLUMNS, rows)
    if as_json:
        print_json({"run": run, "imported": len(rows), "rows": rows})
    elif csv != "-":
        if rows:
            print_table(
                "imported by this run", _UNDO_COLUMNS, ([dict(row)[name] for name in _UNDO_COLUMNS] for row in rows)
            )
        print_line(f"{len(rows)} orders were imported by this run; they remain imported in the ledger")
    if not rows:
        raise problem_exit()
