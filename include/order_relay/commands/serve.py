"""``serve``: the endpoints that vendors call, on a server of our own, without Airflow's."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Annotated

import typer

from order_relay.commands.doctor_feed import feed
from order_relay.commands.screen import answers, print_line
from order_relay.commands.setup import Setup


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one; it is printed.")] = 8090,
    host: Annotated[str, typer.Option(help="The address to listen on; put a proxy with TLS before it.")] = "127.0.0.1",
) -> None:
    """Serve ShipRush's feed and notices and aCommerce's webhook, with the same connections and ledger, until Ctrl-C."""
    import uvicorn  # noqa: PLC0415 - pulls in the server

    from order_relay.serving.apps import whole_app  # noqa: PLC0415 - pulls in the engine
    from order_relay.serving.parts import Parts  # noqa: PLC0415

    setup = Setup()
    for _ in feed(setup):  # a wrong setting of the feed is refused here, not at the first poll
        pass
    with (
        closing(Parts(setup.connection, lambda: setup.ledger_url, lambda: setup.store)) as parts,
        socket.create_server((host, port)) as listening,
    ):
        for path in ("/shiprush/orders", "/acommerce/events"):
            print_line(f"serving on http://{host}:{listening.getsockname()[1]}{path}")
        answers().flush()
        # no access log: ShipRush's queries carry its password
        config = uvicorn.Config(whole_app(parts), access_log=False, server_header=False, log_config=None)
        uvicorn.Server(config).run(sockets=[listening])
