"""``serve``: run the endpoints that vendors call on a separate server instead of Airflow's."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Annotated

import typer

from order_relay.airflow.doctor.endpoints import check_endpoint, endpoint_modules
from order_relay.airflow.installation import Installation
from order_relay.cli.output import output_stream, print_line


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects a free one and prints it.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy in front.")] = "127.0.0.1",
) -> None:
    """Serve the HTTP endpoints that vendors call. Runs until Ctrl-C; alternative to Airflow's API server."""
    import uvicorn

    from order_relay.endpoints.app import create_app, endpoint_paths
    from order_relay.endpoints.dependencies import Deployment

    installation = Installation()
    for module in endpoint_modules():
        list(check_endpoint(installation, module))  # report invalid settings here, not at the first request
    with (
        closing(
            Deployment(installation.connection, lambda: installation.ledger_url, lambda: installation.store)
        ) as deployment,
        socket.create_server((host, port)) as listening,
    ):
        app = create_app(deployment)
        for path in endpoint_paths(app):
            print_line(f"serving on http://{host}:{listening.getsockname()[1]}{path}")
        output_stream().flush()
        # no access log: query strings of some vendors contain a password
        config = uvicorn.Config(app, access_log=False, server_header=False, log_config=None)
        uvicorn.Server(config).run(sockets=[listening])
