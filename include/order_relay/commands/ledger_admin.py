"""``ledger migrate``: bring the ledger's tables to the revision that this version of the package works with."""

from __future__ import annotations

from typing import Annotated

import typer

from order_relay.commands.screen import print_json, print_line
from order_relay.commands.setup import Setup, without_password

app = typer.Typer(help="The ledger itself.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def ledger() -> None:
    """The ledger itself."""


@app.command()
def migrate(as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False) -> None:
    """Create the ledger's tables, or bring them to the current revision. Safe to call again, and from two places."""
    from order_relay import ledger as books  # noqa: PLC0415 - pulls in SQLAlchemy and Alembic

    setup = Setup()
    url = setup.ledger_url
    books.migrate(url)
    books.Ledger.open(url).close()  # proves the revision and the durability settings
    where = without_password(url)
    if as_json:
        print_json({"migrated": True, "ledger": where})
    else:
        print_line(f"the ledger is at the current revision: {where}")
