"""``retention``: remove data of settled orders after the periods in their pipeline's settings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.decisions import AsJson, Pipeline
from order_relay.cli.output import EXIT_USAGE, print_json, print_line, problem_exit
from order_relay.errors import ConfigurationError


def retention(
    pipeline: Pipeline = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the data that would be removed; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove expired archives, run files and personal data. Only data of settled orders is removed.

    Exit code 1 if stored data is damaged, 2 if the settings of a pipeline are invalid.
    """
    from order_relay.airflow.jobs.retention import describe_removed
    from order_relay.pipeline.retention.order_data import apply_retention
    from order_relay.pipeline.retention.status_data import apply_status_retention
    from order_relay.pipeline.settings.pipeline import status_files
    from order_relay.pipeline.settings.status_account import load_status

    installation, now = Installation(), datetime.now(UTC)
    results, failed = {}, {}
    with installation.ledger() as ledger:
        for name in installation.chosen(pipeline) or sorted(installation.pipelines):
            try:
                settings = installation.pipelines[name].retention
                results[name] = apply_retention(
                    name, ledger.retention, installation.store, settings, now=now, dry_run=dry_run
                )
            except ConfigurationError as error:  # an invalid file affects its own pipeline only
                failed[name] = str(error)
        for name in [] if pipeline else [known for known in ledger.statuses.accounts() if known in status_files()]:
            try:
                kept = load_status(name).retention
                results[name] = apply_status_retention(
                    name, ledger.retention, installation.store, kept, now=now, dry_run=dry_run
                )
            except ConfigurationError as error:
                failed[name] = str(error)
    if as_json:
        removed = {name: found.as_dict() for name, found in results.items()}
        print_json({"dry_run": dry_run, "pipelines": removed, "failed": failed})
    for name, found in () if as_json else results.items():
        print_line(name, "bold")
        for line in describe_removed(found, dry_run=dry_run):
            print_line(line)
    for name, problem in () if as_json else failed.items():
        print_line(f"{name}: nothing removed: {problem}", "bold red")
    if failed:
        raise typer.Exit(EXIT_USAGE)
    if any(found.failed for found in results.values()):
        raise problem_exit()
