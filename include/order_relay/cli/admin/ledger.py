"""``ledger migrate|recount|backup|restore``: the ledger's database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from order_relay.airflow.installation import Installation, without_password
from order_relay.cli.output import print_fields, print_json, print_line, problem_exit, progress

app = typer.Typer(help="Create, migrate, back up and restore the ledger.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def ledger() -> None:
    """Create, migrate, back up and restore the ledger."""


@app.command()
def migrate(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Create or upgrade the ledger's tables. Safe to repeat and to run concurrently."""
    from order_relay import ledger as ledger_package

    installation = Installation()
    url = installation.ledger_url
    ledger_package.migrate(url)
    ledger_package.Ledger.open(url).close()  # checks revision and durability settings
    where = without_password(url)
    if as_json:
        print_json({"migrated": True, "ledger": where})
    else:
        print_line(f"the ledger is at the current revision: {where}")


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command()
def recount() -> None:
    """Count all orders again, if the accounting check found wrong counts. No order changes; writers wait meanwhile."""
    with Installation().ledger() as opened:
        opened.accounting.recount()
    print_line("all orders are counted again")


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="A new file; a name ending in .jsonl.gz selects a dump for any database.")
    ],
    as_json: AsJson = False,
) -> None:
    """Write a backup of the ledger; runs may continue. The backup holds personal data, as the ledger does."""
    from order_relay.ledger import backups

    url = Installation().ledger_url
    with progress("rows written") as done:
        facts = backups.back_up(url, file, done)
    if as_json:
        print_json(facts)
        return
    print_line(f"the ledger is backed up to {facts['file']} ({facts['format']}, {facts['bytes']} bytes)")
    print_fields(facts["rows"], indent=2)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="File written by 'ledger backup'.")],
    replace: Annotated[bool, typer.Option("--replace", help="Delete the ledger's present contents first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup into an empty ledger. Pause the DAGs first, and use the newest backup.

    Changes made after the backup are missing, so the next run looks up every order that the backup does not show as
    imported in the OMS before it sends it.
    """
    from order_relay import ledger as ledger_package
    from order_relay.ledger import backups

    url = Installation().ledger_url
    with progress("rows restored") as done:
        facts: dict[str, Any] = backups.restore(url, file, replace=replace, done=done)
    opened = ledger_package.Ledger.open(url)
    try:
        facts["breaches"] = opened.accounting.invariant_violations()
    finally:
        opened.close()
    if as_json:
        print_json(facts)
    else:
        print_line(
            f"restored from {facts['file']}; the next run looks up orders before it sends them. "
            "Before you start it, wait until the orders sent last can be searched (visible_after_s)"
        )
        print_fields(facts["rows"], indent=2)
        for breach in facts["breaches"]:
            print_line(f"FAILED: {breach}", "bold red")
    if facts["breaches"]:
        raise problem_exit()
