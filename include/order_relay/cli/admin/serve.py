"""``serve``: the endpoints that vendors call, on a server of our own, without Airflow's."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Annotated

import typer

from order_relay.cli.deployment import Installation
from order_relay.cli.doctor.feed import feed
from order_relay.cli.output import output_stream, print_line


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one; it is printed.")] = 8090,
    host: Annotated[str, typer.Option(help="The address to listen on; put a proxy with TLS before it.")] = "127.0.0.1",
) -> None:
    """Serve ShipRush's feed and notices and aCommerce's webhook, with the same connections and ledger, until Ctrl-C."""
    import uvicorn

    from order_relay.endpoints.app import create_app
    from order_relay.endpoints.dependencies import Deployment

    installation = Installation()
    for _ in feed(installation):  # a wrong setting of the feed is refused here, not at the first poll
        pass
    with (
        closing(
            Deployment(installation.connection, lambda: installation.ledger_url, lambda: installation.store)
        ) as parts,
        socket.create_server((host, port)) as listening,
    ):
        for path in ("/shiprush/orders", "/acommerce/events"):
            print_line(f"serving on http://{host}:{listening.getsockname()[1]}{path}")
        output_stream().flush()
        # no access log: ShipRush's queries carry its password
        config = uvicorn.Config(create_app(parts), access_log=False, server_header=False, log_config=None)
        uvicorn.Server(config).run(sockets=[listening])
