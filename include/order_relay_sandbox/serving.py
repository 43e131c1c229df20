"""Running the sandbox in an event loop, or in a separate thread for synchronous tests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from aiohttp import web

from order_relay_sandbox.raw_json import encode
from order_relay_sandbox.scenario import Scenario
from order_relay_sandbox.server import Sandbox
from order_relay_sandbox.stand_in import RawOrder

HOST = "127.0.0.1"


@asynccontextmanager
async def running(
    scenario: Scenario | Mapping[str, Any] | None = None,
    orders: int | Iterable[RawOrder] = 0,
    *,
    seed: int = 0,
    port: int = 0,
    host: str = HOST,
    sources: Sequence[str] = (),
) -> AsyncIterator[Sandbox]:
    """Run the sandbox in the current event loop, at ``sandbox.url``. Port 0 selects a free port."""
    sandbox = Sandbox(scenario, orders, seed, sources)
    # Handlers that hang on purpose must not delay the shutdown.
    runner = web.AppRunner(sandbox.app(), access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=512)
        await site.start()
        sandbox.url = f"http://{host}:{runner.addresses[0][1]}"
        yield sandbox
    finally:
        sandbox.close()
        await runner.cleanup()


class ThreadedSandbox:
    """A client for a sandbox in another thread or process, which uses its control endpoints."""

    def __init__(self, url: str) -> None:
        self.url = url

    def report(self) -> dict[str, Any]:
        """The audit."""
        report: dict[str, Any] = self._call("/_audit")
        return report

    def pair(self, source: str, destination: str) -> dict[str, Any]:
        """The audit of one source against one destination."""
        report: dict[str, Any] = self._call(f"/_audit?source={quote(source)}&destination={quote(destination)}")
        return report

    def change(self, switches: Mapping[str, Any]) -> None:
        """Change switches."""
        self.post("/_scenario", switches)

    def offer(self, orders: Iterable[RawOrder], kind: str = "offered", source: str = "") -> int:
        """Offer orders at a source (default: the sandbox's first)."""
        texts = [order if isinstance(order, bytes) else encode(order) for order in orders]
        # One per line, so that invalid JSON is passed on unchanged (except for line breaks).
        body = b"\n".join(text.replace(b"\n", b" ") for text in texts)
        answer = self._call(f"/_offer?lines=1&kind={quote(kind)}&source={quote(source)}", body)
        return int(answer["offered"])

    def reset(self) -> None:
        """Restore the initial state."""
        self._call("/_reset", b"")

    def get(self, path: str) -> Any:
        """GET a JSON document of any path, such as a stand-in's control route."""
        return self._call(path)

    def post(self, path: str, value: Any) -> Any:
        """POST a JSON document to any path; returns the JSON response."""
        return self._call(path, json.dumps(value).encode())

    def connections(self) -> dict[str, dict[str, Any]]:
        """By vendor: the Airflow connection with which to reach it."""
        answer: dict[str, dict[str, Any]] = self._call("/_connections")
        return answer

    def land(self) -> int:
        """Complete pending work."""
        return int(self._call("/_land", b"")["landed"])

    def change_order(self, order: str, **members: Any) -> dict[str, Any]:
        """Change an order (``<webshop>-<reference>``) as CloudSuite's shop: a payment, a cancellation."""
        changed: dict[str, Any] = self.post("/_cloudsuite/change", {"order": order, "set": members})
        return changed

    def advance(self, seconds: float) -> str:
        """Advance the clock of CloudSuite's shops; returns its time (UTC)."""
        return str(self.post("/_cloudsuite/clock", {"advance_s": seconds})["now"])

    def happen(self, *changes: dict[str, Any]) -> list[str]:
        """Apply changes to orders at aCommerce (see ``acommerce.control``); returns the ids of the events."""
        ids: list[str] = self.post("/_acommerce/happen", changes)
        return ids

    def generate_statuses(self, orders: int, seed: int = 0) -> dict[str, Any]:
        """Generate orders with histories at aCommerce."""
        answer: dict[str, Any] = self.post("/_acommerce/generate", {"orders": orders, "seed": seed})
        return answer

    def deliver(self) -> dict[str, Any]:
        """Deliver aCommerce's queued events to the registered webhooks."""
        answer: dict[str, Any] = self._call("/_acommerce/deliver", b"")
        return answer

    def status_records(self) -> list[dict[str, Any]]:
        """Every order as aCommerce currently shows it."""
        orders: list[dict[str, Any]] = self._call("/_acommerce/orders")
        return orders

    def bodies(self, external_id: str) -> list[Any]:
        """The parsed import bodies stored under an external id."""
        answer: list[Any] = self._call(f"/_bodies?externalOrderID={quote(external_id)}")
        return answer

    def shift_clock(self, ahead: timedelta) -> None:
        """Let the clock of all vendors run ahead of the machine's, or behind it if negative."""
        self.post("/_clock", {"ahead_s": ahead.total_seconds()})

    def _call(self, path: str, body: bytes | None = None) -> Any:
        with urlopen(Request(self.url + path, data=body), timeout=60) as response:  # noqa: S310 (own loopback address)
            return json.load(response)


@contextmanager
def serve_in_thread(
    scenario: Scenario | Mapping[str, Any] | None = None,
    orders: int | Iterable[RawOrder] = 0,
    *,
    seed: int = 0,
    port: int = 0,
    sources: Sequence[str] = (),
) -> Iterator[ThreadedSandbox]:
    """Run the sandbox in a separate thread, for synchronous tests and child processes."""
    started = threading.Event()
    state: dict[str, Any] = {}

    async def serve() -> None:
        async with running(scenario, orders, seed=seed, port=port, sources=sources) as sandbox:
            state.update(url=sandbox.url, loop=asyncio.get_running_loop(), stop=asyncio.Event())
            started.set()
            await state["stop"].wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:  # re-raised in the caller's thread
            state["error"] = error
        finally:
            started.set()

    thread = threading.Thread(target=run, name="sandbox", daemon=True)
    thread.start()
    started.wait()
    if "url" not in state:
        raise RuntimeError("the sandbox did not start") from state.get("error")
    try:
        yield ThreadedSandbox(state["url"])
    finally:
        state["loop"].call_soon_threadsafe(state["stop"].set)
        thread.join(timeout=10)
