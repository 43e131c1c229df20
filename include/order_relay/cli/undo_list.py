"""``report --run RUN --undo``: what a run brought to the OMS, for taking it back there by hand. Nothing is changed."""

from __future__ import annotations

from order_relay.airflow.context.run_request import run_slug
from order_relay.cli.deployment import Installation
from order_relay.cli.known_names import require_run
from order_relay.cli.output import output_stream, print_json, print_line, print_table, problem_exit
from order_relay.cli.spreadsheet import save_csv, write_csv
from order_relay.errors import ConfigurationError

_COLUMNS = ("pipeline", "oms_id", "order_number", "destination_key", "total_minor", "currency", "imported_at", "why")


def print_undo_list(pipeline: str | None, run: str | None, csv: str | None, *, as_json: bool) -> None:
    """Print or save the OMS ids that ``run`` imported; exit code 1 where there are none."""
    if run is None:
        raise ConfigurationError("the undo list is of one run: give --run RUN --undo")
    with Installation().ledger() as ledger:
        require_run(ledger, run, run_slug(run))
        rows = ledger.imported_by(run_slug(run), pipeline) or ledger.imported_by(run, pipeline)
    if csv == "-":
        write_csv(output_stream(), _COLUMNS, rows)
    elif csv is not None:
        save_csv(csv, _COLUMNS, rows)
    if as_json:
        print_json({"run": run, "imported": len(rows), "rows": rows})
    elif csv != "-":
        if rows:
            print_table("imported by this run", _COLUMNS, ([row[name] for name in _COLUMNS] for row in rows))
        print_line(f"{len(rows)} orders were imported by this run; the ledger keeps them as imported")
    if not rows:
        raise problem_exit()
