"""``python -m order_relay_sandbox``: the simulated vendors, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from typing import Any

from order_relay_sandbox.discovery import stand_ins, with_role
from order_relay_sandbox.scenario import Scenario, shipped
from order_relay_sandbox.serving import HOST, running


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped. Returns the exit code: 2 for an invalid scenario."""
    options = _parser().parse_args(arguments)
    try:
        scenario = _scenario(options)
    except (ValueError, OSError) as wrong:
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
        "--source",
        action="append",
        choices=with_role("source"),
        help="the vendor that offers the orders; may be repeated",
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same orders (default: %(default)s)")
    parser.add_argument("--scenario", help=f"a YAML or JSON file, or one of: {', '.join(shipped())}")
    for name, declared in stand_ins().items():
        for option in declared.options:
            action = "append" if option.repeated else "store"
            parser.add_argument(
                option.flag, type=option.type, action=action, help=option.help, dest=f"{name}.{option.switch}"
            )
    return parser


def _scenario(options: argparse.Namespace) -> Scenario:
    """The scenario of ``--scenario``, with the switches that the stand-ins' own options set."""
    scenario = Scenario.load(shipped().get(options.scenario, options.scenario)) if options.scenario else Scenario.of()
    given: dict[str, dict[str, Any]] = {}
    for name, value in vars(options).items():
        vendor, _, switch = name.partition(".")
        if switch and value is not None:
            given.setdefault(vendor, {})[switch] = value
    return scenario.changed(given)


async def _serve(scenario: Scenario, options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    address = {"port": options.port, "host": options.host}
    async with running(scenario, options.orders, seed=options.seed, sources=options.source or (), **address) as sandbox:
        sys.stdout.write(f"listening on {sandbox.url}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
