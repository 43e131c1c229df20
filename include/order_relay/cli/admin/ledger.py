"""``ledger migrate|backup|restore``: the ledger itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from order_relay.cli.deployment import Installation, without_password
from order_relay.cli.output import print_fields, print_json, print_line, problem_exit, progress

app = typer.Typer(help="The ledger itself.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def ledger() -> None:
    """The ledger itself."""


@app.command()
def migrate(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Create the ledger's tables, or bring them to the current revision. Safe to call again, and from two places."""
    from order_relay import ledger as books

    installation = Installation()
    url = installation.ledger_url
    books.migrate(url)
    books.Ledger.open(url).close()  # proves the revision and the durability settings
    where = without_password(url)
    if as_json:
        print_json({"migrated": True, "ledger": where})
    else:
        print_line(f"the ledger is at the current revision: {where}")


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="A new file; a name in .jsonl.gz makes a dump for any database.")],
    as_json: AsJson = False,
) -> None:
    """Write a backup of the ledger, while runs go on. It holds personal data, as the ledger does."""
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
    file: Annotated[Path, typer.Argument(help="What 'ledger backup' wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Remove what the ledger holds now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty ledger. Pause the DAGs first, and restore the newest backup there is.

    What happened since the backup is not in it: with the next run each order that it does not show as imported is
    looked up at the OMS before its first POST.
    """
    from order_relay import ledger as books
    from order_relay.ledger import backups

    url = Installation().ledger_url
    with progress("rows restored") as done:
        facts: dict[str, Any] = backups.restore(url, file, replace=replace, done=done)
    opened = books.Ledger.open(url)
    try:
        facts["breaches"] = opened.law()
    finally:
        opened.close()
    if as_json:
        print_json(facts)
    else:
        print_line(
            f"restored from {facts['file']}; the next run looks orders up before it sends them. "
            "Before it starts, wait until the orders sent last are searchable (visible_after_s)"
        )
        print_fields(facts["rows"], indent=2)
        for breach in facts["breaches"]:
            print_line(f"BROKEN: {breach}", "bold red")
    if facts["breaches"]:
        raise problem_exit()
