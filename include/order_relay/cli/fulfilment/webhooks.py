"""``hook register|list|delete``: webhooks for status changes, at vendors whose folder has a module ``webhooks``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any, Protocol
from urllib.parse import urlsplit

import typer

from order_relay.airflow.installation import Installation
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.errors import ConfigurationError
from order_relay.vendors import vendor_module, vendor_names

app = typer.Typer(help="Register, list and delete webhooks for status changes.", no_args_is_help=True)

_COLUMNS = ("id", "name", "url", "eventType", "active")

Vendor = Annotated[str | None, typer.Option(help="The vendor; needed if several have webhooks.")]
Connection = Annotated[
    str | None, typer.Option(help="Airflow connection of the account.", show_default="VENDOR_default")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]


class Webhooks(Protocol):
    """The webhooks of one account: what ``open_webhooks`` of the vendor's module ``webhooks`` returns."""

    def register(self, name: str, url: str) -> dict[str, Any]:
        """Register ``url``; returns the webhook without its secret."""
        ...

    def listed(self) -> list[dict[str, Any]]:
        """All webhooks, without their secrets."""
        ...

    def delete(self, hook_id: str) -> None:
        """Delete a webhook. Raises ``ValueError`` for an invalid id."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


@app.command("register")
def register_webhook(
    url: Annotated[str, typer.Argument(help="Public https URL of our endpoint /VENDOR/events.")],
    name: Annotated[str, typer.Option(help="Name of the webhook at the vendor.")] = "order-relay",
    vendor: Vendor = None,
    connection: Connection = None,
    as_json: AsJson = False,
) -> None:
    """Register a webhook. The vendor sends status changes to URL, signed with the connection's secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigurationError(
            "URL must be http or https and contain no user or password, such as https://host/VENDOR/events"
        )
    with _webhooks(vendor, connection) as hooks:
        registered = hooks.register(name, url)
    if as_json:
        print_json(registered)
    else:
        print_line(f"registered {registered.get('id', '(no id returned)')}: {url}")


@app.command("list")
def list_webhooks(vendor: Vendor = None, connection: Connection = None, as_json: AsJson = False) -> None:
    """List the account's webhooks, without their secrets."""
    with _webhooks(vendor, connection) as hooks:
        rows = hooks.listed()
    if as_json:
        print_json({"hooks": rows})
    elif not rows:
        print_line("no webhooks registered")
    else:
        print_table("webhooks", _COLUMNS, ([row.get(name) for name in _COLUMNS] for row in rows))


@app.command("delete")
def delete_webhook(
    hook_id: Annotated[str, typer.Argument(help="Id of the webhook, see 'hook list'.")],
    vendor: Vendor = None,
    connection: Connection = None,
) -> None:
    """Delete a webhook. Polling is not affected."""
    with _webhooks(vendor, connection) as hooks:
        try:
            hooks.delete(hook_id)
        except ValueError as error:
            raise ConfigurationError(f"{hook_id!r} {error}") from None
    print_line(f"deleted {hook_id}")


@contextmanager
def _webhooks(vendor: str | None, conn_id: str | None) -> Iterator[Webhooks]:
    available = vendor_names("webhooks")
    if vendor is None:
        if len(available) != 1:
            raise ConfigurationError(f"several vendors have webhooks; give --vendor: {', '.join(available)}")
        vendor = available[0]
    module = vendor_module(vendor, "webhooks")
    webhooks: Webhooks = module.open_webhooks(Installation().connection(conn_id or f"{vendor}_default"))
    with closing(webhooks):
        yield webhooks
