"""The command-line application. Known errors are reported in one line, without a traceback."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from order_relay import COMMAND, __version__
from order_relay.airflow.installation import Installation
from order_relay.cli import bulk, correct, decisions, doctor, history, notes, order, orders, queues, report, table_rows
from order_relay.cli.admin import baseline, ledger, new_vendor, reconciliation, retention, sending, serve
from order_relay.cli.fulfilment import order_statuses, shipment_entry, webhooks, write_back
from order_relay.cli.output import EXIT_USAGE, output_stream, print_line, reserve_stdout
from order_relay.errors import OrderRelayError
from order_relay.orders.table_cells import printable

app = typer.Typer(
    name=COMMAND,
    help="Order Relay: inspect orders, decide what needs an operator, and check the installation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print_line(f"{COMMAND} {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Order Relay: inspect orders, decide what needs an operator, and check the installation."""


app.command("report")(report.report)
app.command("order")(order.order)
app.command("orders")(orders.orders)
app.command("held")(queues.held)
app.command("decide")(decisions.decide)
app.command("doubt")(queues.doubt)
app.command("settle")(decisions.settle)
app.command("note")(notes.note)
app.command("assign")(notes.assign)
app.command("snooze")(notes.snooze)
app.command("quarantine")(queues.quarantine)
app.command("ship")(shipment_entry.ship)
app.command("shipments")(shipment_entry.shipments)
app.command("drop-parcel")(shipment_entry.drop_parcel)
app.command("feedback")(write_back.feedback)
app.command("cancelled")(write_back.cancelled)
app.command("statuses")(order_statuses.statuses)
app.command("history")(history.history)
app.command("replay")(bulk.replay)
app.command("correct")(correct.correct)
app.command("discard")(bulk.discard)
app.command("stop")(sending.stop)
app.command("resume")(sending.resume)
app.command("baseline")(baseline.baseline)
app.command("reconcile")(reconciliation.reconcile)
app.command("retention")(retention.retention)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("new-vendor")(new_vendor.new_vendor)
app.add_typer(ledger.app, name="ledger")
app.add_typer(table_rows.app, name="tables")
app.add_typer(webhooks.app, name="hook")


def main() -> None:
    """Run one command and end the process with its exit code."""
    logging.disable(logging.INFO)  # progress messages of Alembic and Airflow
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    Installation.before.append(reserve_stdout)
    try:
        try:
            app()
        finally:
            output_stream().flush()
    except OrderRelayError as error:
        sys.stderr.write(f"{COMMAND}: {printable(str(error))}\n")
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:
        # The reader closed the pipe (``| head``); avoid a second error when the interpreter flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), output_stream().fileno())
        sys.exit(0)
