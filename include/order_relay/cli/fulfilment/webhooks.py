"""``hook register|list|delete``: aCommerce's webhooks for status changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from order_relay.cli.deployment import Installation
from order_relay.cli.output import print_json, print_line, print_table
from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.vendors.acommerce.webhooks import WebhookClient

app = typer.Typer(help="Register, list and delete aCommerce's webhooks.", no_args_is_help=True)

_COLUMNS = ("id", "name", "url", "eventType", "active")

Connection = Annotated[str, typer.Option(help="Airflow connection of the account.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_CONNECTION = "acommerce_default"


@app.command("register")
def register_webhook(
    url: Annotated[str, typer.Argument(help="Public https URL of our /acommerce/events.")],
    name: Annotated[str, typer.Option(help="Name of the webhook at aCommerce.")] = "order-relay",
    connection: Connection = DEFAULT_CONNECTION,
    as_json: AsJson = False,
) -> None:
    """Register a webhook. aCommerce sends status changes to URL, signed with the connection's hook_secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigurationError(
            "URL must be http or https and contain no user or password, such as https://host/acommerce/events"
        )
    with _webhook_client(connection) as hooks:
        registered = hooks.register(name, url)
    if as_json:
        print_json(registered)
    else:
        print_line(f"registered {registered.get('id', '(no id returned)')}: {url}")


@app.command("list")
def list_webhooks(connection: Connection = DEFAULT_CONNECTION, as_json: AsJson = False) -> None:
    """List the account's webhooks, without their secrets."""
    with _webhook_client(connection) as hooks:
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
    connection: Connection = DEFAULT_CONNECTION,
) -> None:
    """Delete a webhook. Polling is not affected."""
    with _webhook_client(connection) as hooks:
        try:
            hooks.delete(hook_id)
        except ValueError as error:
            raise ConfigurationError(f"{hook_id!r} {error}") from None
    print_line(f"deleted {hook_id}")


@contextmanager
def _webhook_client(conn_id: str) -> Iterator[WebhookClient]:
    from order_relay.vendors.acommerce.connection import read_settings
    from order_relay.vendors.acommerce.webhooks import WebhookClient

    connection = Installation().connection(conn_id)
    settings = read_settings(connection)
    if not settings.hook_secret:
        raise connection.wrong("hook_secret", "is empty; unsigned webhook deliveries would be refused")
    with closing(WebhookClient(settings)) as hooks:
        yield hooks
