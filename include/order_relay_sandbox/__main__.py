"""``python -m order_relay_sandbox``: the simulated vendors, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from order_relay_sandbox.scenario import Scenario, shipped
from order_relay_sandbox.server import SOURCES
from order_relay_sandbox.serving import HOST, running


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped. Returns the exit code: 2 for an invalid scenario."""
    options = _parser().parse_args(arguments)
    try:
        scenario = _scenario(options)
    except (ValidationError, OSError) as wrong:
        sys.stderr.write(f"scenario: {wrong}\n")
        return 2
    asyncio.run(_serve(scenario, options))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m order_relay_sandbox", description="The vendors, simulated.")
    parser.add_argument("--port", type=int, default=8765, help="0 selects a free port (default: %(default)s)")
    parser.add_argument("--host", default=HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument("--orders", type=int, default=300, help="orders to generate (default: %(default)s)")
    parser.add_argument(
        "--source", action="append", choices=SOURCES, help="the vendor that offers the orders; may be repeated"
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same orders (default: %(default)s)")
    parser.add_argument("--scenario", help=f"a YAML or JSON file, or one of: {', '.join(shipped())}")
    parser.add_argument("--org", help="SuperCat's organisation (default: demo)")
    parser.add_argument("--login", help="SuperCat's login (default: demo)")
    parser.add_argument("--password", help="SuperCat's password (default: demo-password)")
    parser.add_argument("--client-id", help="CloudSuite's client id (default: demo-client)")
    parser.add_argument("--client-secret", help="CloudSuite's client secret (default: demo-client-secret)")
    parser.add_argument("--api-key", help="the OMS's API key (default: demo-key)")
    parser.add_argument("--secret", help="the OMS's client secret (default: demo-secret)")
    parser.add_argument("--manufacturer-id", type=int, action="append", help="may be repeated (default: 1042)")
    return parser


def _scenario(options: argparse.Namespace) -> Scenario:
    scenario = Scenario()
    if options.scenario:
        scenario = Scenario.load(shipped().get(options.scenario, options.scenario))
    supercat = {"org": options.org, "login": options.login, "password": options.password}
    cloudsuite = {"client_id": options.client_id, "client_secret": options.client_secret}
    shopatron = {
        "api_key": options.api_key,
        "secret": options.secret,
        "manufacturer_ids": options.manufacturer_id or None,
    }
    given = {"supercat": supercat, "cloudsuite": cloudsuite, "shopatron": shopatron}
    return scenario.changed(
        {vendor: {key: value for key, value in fields.items() if value is not None} for vendor, fields in given.items()}
    )


async def _serve(scenario: Scenario, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    address = {"port": options.port, "host": options.host}
    sources = options.source or SOURCES[:1]
    async with running(scenario, options.orders, seed=options.seed, sources=sources, **address) as sandbox:
        sys.stdout.write(f"listening on {sandbox.url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
