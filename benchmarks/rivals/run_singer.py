"""A Singer tap reads the orders from the stand-in, and a Singer target POSTs each to it.

    python benchmarks/rivals/run_singer.py --url http://127.0.0.1:PORT --connections 16

Both are made with Meltano's singer-sdk, because we know no published target that POSTs each record as JSON to any URL:
``RESTStream`` for the tap and ``BatchSink`` for the target. A batch of 100 records is sent by as many threads as there
are connections (a ``RecordSink`` would send one after the other). A request whose connection failed is tried again, up
to five times, as the SDK's own ``RESTStream`` does. Tap and target are two processes and a pipe, as Singer requires.
Prints one JSON object: seconds, CPU seconds, peak memory of the larger process (KiB). Imports are not measured.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import backoff
import requests
from measuring import cpu_seconds
from requests.adapters import HTTPAdapter
from singer_sdk import RESTStream, Tap, Target
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.sinks import BatchSink

_TEXTS = ("uuid", "order_number", "submitted_at", "customer_number", "customer_po", "currency", "ship_via")
_MORE_TEXTS = ("requested_ship_date", "terms", "notes", "subtotal", "discount", "freight", "tax", "total")
_OBJECTS = ("bill_to", "ship_to", "sales_rep", "payment", "custom_fields")
_SETTINGS: dict[str, Any] = {
    "type": "object",
    "properties": {"url": {"type": "string"}, "connections": {"type": "integer"}},
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        **{name: {"type": ["string", "null"]} for name in (*_TEXTS, *_MORE_TEXTS)},
        **{name: {"type": ["object", "null"], "additionalProperties": True} for name in _OBJECTS},
        "items": {"type": "array", "items": {"type": "object", "additionalProperties": True}},
    },
}


class Orders(RESTStream):
    """All orders of the stand-in, one page."""

    name = "orders"
    path = "/bench/ext/v2/orders/new_orders"
    records_jsonpath = "$.data[*]"
    primary_keys: ClassVar[tuple[str, ...]] = ("id",)
    schema = SCHEMA
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE  # the objects have any members

    @property
    def url_base(self) -> str:
        """The stand-in's address."""
        return str(self.config["url"])


class OrdersTap(Tap):
    """Reads the orders."""

    name = "tap-bench"
    config_jsonschema = _SETTINGS

    def discover_streams(self) -> list[RESTStream]:
        """The only stream."""
        return [Orders(self)]


class PostSink(BatchSink):
    """POSTs each record."""

    max_size = 100

    def setup(self) -> None:
        """Open the connections."""
        super().setup()
        connections = int(self.config["connections"])
        self._pool = ThreadPoolExecutor(connections)
        self._http = requests.Session()
        self._http.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=connections))

    def process_batch(self, context: dict[str, Any]) -> None:
        """Send the records of one batch; raises if one was not accepted."""
        list(self._pool.map(self._post, context["records"]))

    @backoff.on_exception(backoff.expo, (requests.ConnectionError, requests.Timeout), max_tries=5, factor=0.05)
    def _post(self, record: dict[str, Any]) -> None:
        record = {name: value for name, value in record.items() if not name.startswith("_sdc_")}
        self._http.post(f"{self.config['url']}/api/v2/importOrder/", json=record, timeout=30).raise_for_status()


class PostTarget(Target):
    """Sends the orders."""

    name = "target-bench"
    config_jsonschema = _SETTINGS
    default_sink_class = PostSink


def _child(work: Callable[[], object], stdin: int | None = None, stdout: int | None = None) -> int:
    """Start a process that does ``work`` with this standard input or output; returns its id."""
    if pid := os.fork():
        return pid
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null if stdin is None else stdin, 0)
        os.dup2(null if stdout is None else stdout, 1)
        os.closerange(3, 256)
        sys.stdin, sys.stdout = os.fdopen(0, "r"), os.fdopen(1, "w")
        work()
        sys.stdout.flush()
        code = 0
    except BaseException:
        logging.getLogger(__name__).exception("failed")
    finally:
        os._exit(code)


def main() -> None:
    """Read the command line, run, and print the measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, help="not used: the state stays in memory")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    config = {"url": options.url, "connections": options.connections}
    logging.disable(logging.WARNING)
    started, cpu = time.perf_counter(), cpu_seconds()
    read, write = os.pipe()
    tap = _child(lambda: OrdersTap(config=config).sync_all(), stdout=write)
    target = _child(lambda: PostTarget(config=config).listen(), stdin=read)
    os.close(read)
    os.close(write)
    failed = [name for name, pid in (("tap", tap), ("target", target)) if os.waitpid(pid, 0)[1]]
    if failed:
        raise SystemExit(f"{' and '.join(failed)} failed")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps({"seconds": time.perf_counter() - started, "cpu_s": cpu_seconds() - cpu, "peak_kib": peak}))


if __name__ == "__main__":
    main()
