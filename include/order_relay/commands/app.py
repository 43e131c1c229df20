"""The command line put together, and what happens with errors: one clear line, never a traceback for a known cause."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from order_relay import __version__
from order_relay.commands import (
    bulk,
    cutover,
    decisions,
    doctor,
    hooks,
    ledger_admin,
    life,
    parcels,
    queues,
    reconciling,
    report,
    retention,
    serve,
    statuses,
    write_back,
)
from order_relay.commands.screen import WRONG_USE, answers, clean, keep_stdout_for_answers, print_line
from order_relay.commands.setup import Setup
from order_relay.errors import OrderRelayError
from order_relay.pipeline.advice import COMMAND

app = typer.Typer(
    name=COMMAND,
    help="Order Relay: the state of every order, what waits for whom, and whether the installation is sound.",
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
    """Order Relay: the state of every order, what waits for whom, and whether the installation is sound."""


app.command("report")(report.report)
app.command("order")(life.order)
app.command("held")(queues.held)
app.command("decide")(decisions.decide)
app.command("doubt")(queues.doubt)
app.command("settle")(decisions.settle)
app.command("quarantine")(queues.quarantine)
app.command("ship")(parcels.ship)
app.command("shipments")(parcels.shipments)
app.command("drop-parcel")(parcels.drop_parcel)
app.command("feedback")(write_back.feedback)
app.command("cancelled")(write_back.cancelled)
app.command("statuses")(statuses.statuses)
app.command("replay")(bulk.replay)
app.command("discard")(bulk.discard)
app.command("baseline")(cutover.baseline)
app.command("reconcile")(reconciling.reconcile)
app.command("retention")(retention.retention)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.add_typer(ledger_admin.app, name="ledger")
app.add_typer(hooks.app, name="hook")


def main() -> None:
    """Run one command and end the process with its exit code."""
    logging.disable(logging.INFO)  # libraries (Alembic, Airflow) tell their progress; people asked for an answer
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    Setup.before.append(keep_stdout_for_answers)
    try:
        try:
            app()
        finally:
            answers().flush()
    except OrderRelayError as error:
        sys.stderr.write(f"{COMMAND}: {clean(str(error))}\n")
        sys.exit(WRONG_USE)
    except BrokenPipeError:
        # The reader of our output went away (``| head``): nobody is left to tell, at the interpreter's end neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), answers().fileno())
        sys.exit(0)
