"""``serve``: run the endpoints that vendors call, or the order desk, on a separate server instead of Airflow's."""

from __future__ import annotations

import ipaddress
import socket
import sys
from contextlib import closing
from typing import Annotated, Any

import typer

from order_relay.airflow.doctor.endpoints import check_endpoint, endpoint_modules
from order_relay.airflow.installation import Installation
from order_relay.cli.output import output_stream, print_line
from order_relay.errors import ConfigurationError


def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects a free one and prints it.")] = 8090,
    host: Annotated[str, typer.Option(help="Address to listen on; put a TLS proxy in front.")] = "127.0.0.1",
    desk: Annotated[
        bool, typer.Option("--desk", help="Serve the order desk, with its own login, instead of the endpoints.")
    ] = False,
    behind_tls: Annotated[
        bool, typer.Option("--behind-tls", help="With --desk: a proxy terminates TLS and sets X-Forwarded-For.")
    ] = False,
    hash_password: Annotated[
        bool, typer.Option("--hash-password", help="Ask for a password and print its hash for the desk's connection.")
    ] = False,
) -> None:
    """Serve the HTTP endpoints that vendors call, or the order desk. Runs until Ctrl-C; alternative to Airflow's API
    server."""
    if hash_password:
        print_line(_hash())
    elif desk:
        _serve_desk(Installation(), host, port, behind_tls=behind_tls)
    else:
        _serve_endpoints(Installation(), host, port)


def _serve_endpoints(installation: Installation, host: str, port: int) -> None:
    from order_relay.endpoints.app import create_app, endpoint_paths
    from order_relay.endpoints.dependencies import Deployment

    for module in endpoint_modules():
        list(check_endpoint(installation, module))  # report invalid settings here, not at the first request
    with closing(
        Deployment(installation.connection, lambda: installation.ledger_url, lambda: installation.store)
    ) as deployment:
        app = create_app(deployment)
        _run(app, host, port, endpoint_paths(app), proxy_headers=True)


def _serve_desk(installation: Installation, host: str, port: int, *, behind_tls: bool) -> None:
    from order_relay.airflow.desk.host import AirflowHost
    from order_relay.desk.deployment import DeskDeployment
    from order_relay.desk.standalone.accounts import CONNECTION, read_accounts
    from order_relay.desk.standalone.login import SessionAccess, create_standalone_app

    if not (behind_tls or _is_loopback(host)):
        raise ConfigurationError(
            f"--host {host} is reachable from other machines, and passwords would cross the network in clear text; put "
            "a TLS proxy in front and add --behind-tls"
        )
    access = SessionAccess(
        lambda: read_accounts(installation.connection(CONNECTION)), installation.pipelines, secure=behind_tls
    )
    access.accounts()  # report an invalid connection here, not at the first login
    with installation.ledger():
        pass  # report a missing ledger here, not at the first page
    with closing(DeskDeployment(installation, AirflowHost(installation, pages=False))) as desk:
        _run(create_standalone_app(desk, access), host, port, ["/"], proxy_headers=behind_tls)


def _run(app: Any, host: str, port: int, paths: list[str], *, proxy_headers: bool) -> None:
    import uvicorn

    with socket.create_server((host, port)) as listening:
        for path in paths:
            print_line(f"serving on http://{host}:{listening.getsockname()[1]}{path}")
        output_stream().flush()
        # no access log: query strings of some vendors contain a password
        config = uvicorn.Config(
            app, access_log=False, server_header=False, log_config=None, proxy_headers=proxy_headers
        )
        uvicorn.Server(config).run(sockets=[listening])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _hash() -> str:
    from order_relay.desk.standalone.passwords import hash_password

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        return hash_password(password)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
