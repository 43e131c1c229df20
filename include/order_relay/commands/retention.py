"""``retention``: what is settled is removed after the settings of its pipeline say so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from order_relay.commands.decisions import AsJson, Pipeline
from order_relay.commands.screen import WRONG_USE, found_a_problem, print_json, print_line
from order_relay.commands.setup import Setup
from order_relay.errors import WrongSetup


def retention(
    pipeline: Pipeline = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove archive, run objects and personal data of settled orders, as the settings say; exit code 1 on damage."""
    from order_relay.airflow_bindings.removal import lines_of  # noqa: PLC0415 - pulls in the engine
    from order_relay.pipeline.retention import retain  # noqa: PLC0415
    from order_relay.pipeline.settings import status_files  # noqa: PLC0415
    from order_relay.pipeline.status_retention import retain_statuses  # noqa: PLC0415
    from order_relay.pipeline.status_settings import load_status  # noqa: PLC0415

    setup, now = Setup(), datetime.now(UTC)
    results, failed = {}, {}
    with setup.ledger() as ledger:
        for name in setup.chosen(pipeline) or sorted(setup.pipelines):
            try:
                settings = setup.pipelines[name].retention
                results[name] = retain(name, ledger, setup.store, settings, now=now, dry_run=dry_run)
            except WrongSetup as error:  # a wrong file concerns its own pipeline only
                failed[name] = str(error)
        for name in [] if pipeline else [known for known in ledger.status_accounts() if known in status_files()]:
            try:
                kept = load_status(name).retention
                results[name] = retain_statuses(name, ledger, setup.store, kept, now=now, dry_run=dry_run)
            except WrongSetup as error:
                failed[name] = str(error)
    if as_json:
        removed = {name: found.as_dict() for name, found in results.items()}
        print_json({"dry_run": dry_run, "pipelines": removed, "failed": failed})
    for name, found in () if as_json else results.items():
        print_line(name, "bold")
        for line in lines_of(found, dry_run=dry_run):
            print_line(line)
    for name, problem in () if as_json else failed.items():
        print_line(f"{name}: nothing removed: {problem}", "bold red")
    if failed:
        raise typer.Exit(WRONG_USE)
    if any(found.failed for found in results.values()):
        raise found_a_problem()
