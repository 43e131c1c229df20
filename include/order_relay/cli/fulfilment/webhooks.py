"""``hook register|list|delete``: the webhooks by which aCommerce tells of changed statuses."""

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

app = typer.Typer(help="aCommerce's webhooks: register, list, delete.", no_args_is_help=True)

_COLUMNS = ("id", "name", "url", "eventType", "active")

Connection = Annotated[str, typer.Option(help="The connection of the account.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document.")]
DEFAULT_CONNECTION = "acommerce_default"


@app.command("register")
def register(
    url: Annotated[str, typer.Argument(help="Where our /acommerce/events is reached from outside, with https.")],
    name: Annotated[str, typer.Option(help="What the webhook is called at aCommerce.")] = "order-relay",
    connection: Connection = DEFAULT_CONNECTION,
    as_json: AsJson = False,
) -> None:
    """Ask aCommerce to send changed statuses to URL, signed with the connection's hook_secret."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ConfigurationError("the webhook's address is no http or https URL without credentials")
    with _webhook_client(connection) as hooks:
        made = hooks.register(name, url)
    if as_json:
        print_json(made)
    else:
        print_line(f"registered {made.get('id', '(no id was told)')}: {url}")


@app.command("list")
def listed(connection: Connection = DEFAULT_CONNECTION, as_json: AsJson = False) -> None:
    """List the webhooks of the account, without their secrets."""
    with _webhook_client(connection) as hooks:
        rows = hooks.listed()
    if as_json:
        print_json({"hooks": rows})
    elif not rows:
        print_line("no webhook is registered")
    else:
        print_table("webhooks", _COLUMNS, ([row.get(name) for name in _COLUMNS] for row in rows))


@app.command("delete")
def delete(
    hook_id: Annotated[str, typer.Argument(help="The webhook's id, as 'hook list' shows it.")],
    connection: Connection = DEFAULT_CONNECTION,
) -> None:
    """Delete a webhook; polls go on."""
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
        raise connection.wrong("hook_secret", "is empty; webhooks that nobody signs would be refused")
    with closing(WebhookClient(settings)) as hooks:
        yield hooks
