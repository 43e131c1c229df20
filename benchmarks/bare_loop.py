"""The baseline: a bare aiohttp loop that posts given bodies over a number of connections and records nothing.

    python benchmarks/bare_loop.py --url http://127.0.0.1:PORT/api/v2/importOrder/ --bodies FILE --connections 16

prints one JSON object: orders, seconds, CPU seconds, peak memory in KiB.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from measuring import cpu_seconds, peak_kib

# The engine's headers, so that both send the same requests.
_HEADERS = {
    "API-Key": "bench",
    "Authorization": "Bearer bench",
    "Content-Type": "application/json",
    "Accept": "application/json",
}


def read_bodies(paths: list[Path]) -> list[bytes]:
    """Payloads of one run of the engine, in order."""
    return [line.rstrip(b"\n") for path in sorted(paths) for line in gzip.decompress(path.read_bytes()).splitlines()]


async def post_all(url: str, bodies: list[bytes], connections: int) -> float:
    """Post every body once; returns the seconds. Raises ``RuntimeError`` for a response without order id."""
    queue: Iterator[bytes] = iter(bodies)

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in queue:
            async with session.post(url, data=body, allow_redirects=False) as response:
                answer = await response.read()
                if response.status != 200 or "orderID" not in json.loads(answer):
                    raise RuntimeError(f"unexpected answer with status {response.status}")

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers=_HEADERS) as session:
        started = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(connections)))
        return time.perf_counter() - started


def main() -> None:
    """Read the command line, post, and print the measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--bodies", type=Path, nargs="+", required=True, help="gzip files with one payload per line")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    bodies = read_bodies(options.bodies)
    cpu = cpu_seconds()
    seconds = asyncio.run(post_all(options.url, bodies, options.connections))
    print(
        json.dumps(
            {
                "orders": len(bodies),
                "seconds": seconds,
                "cpu_s": cpu_seconds() - cpu,
                "peak_kib": peak_kib(),
            }
        )
    )


if __name__ == "__main__":
    main()
