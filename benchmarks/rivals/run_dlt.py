"""dlt reads the orders from the stand-in and POSTs each to it.

    python benchmarks/rivals/run_dlt.py --url http://127.0.0.1:PORT --folder DIR --connections 16 --orders 2000

As dlt's documentation recommends: ``RESTClient`` for the source, the ``@dlt.destination`` decorator (reverse ETL) for a
destination that dlt does not have, and dlt's own ``requests``, which tries a request again whose connection failed. The
orders are divided into as many load files as there are connections, which dlt loads in parallel. Prints one JSON
object: seconds, CPU seconds, peak memory (KiB). Imports are not measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import dlt
from dlt.common import json as dlt_json
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator
from measuring import cpu_seconds, peak_kib

_HEADERS = {"Content-Type": "application/json"}


def run(url: str, folder: Path, connections: int, orders: int) -> None:
    """One run of a dlt pipeline; all load files are written below ``folder``."""
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "LOAD__WORKERS": str(connections),
        "NORMALIZE__DATA_WRITER__BUFFER_MAX_ITEMS": str(max(1, orders // connections)),
        "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": str(max(1, orders // connections)),
    }
    client = RESTClient(base_url=url, paginator=SinglePagePaginator(), data_selector="data")
    http = requests.Client(request_timeout=30, request_max_attempts=5, request_backoff_factor=0.05)

    @dlt.resource(name="orders", primary_key="id", write_disposition="append")
    def read() -> Iterator[Any]:
        yield from client.paginate("bench/ext/v2/orders/new_orders")

    @dlt.destination(batch_size=10, loader_parallelism_strategy="parallel", max_parallel_load_jobs=connections)
    def post(items: list[dict[str, Any]], table: dict[str, Any]) -> None:
        for item in items:
            body = dlt_json.dumpb(item)  # dlt turns texts that look like times into times
            http.post(f"{url}/api/v2/importOrder/", data=body, headers=_HEADERS).raise_for_status()

    pipeline = dlt.pipeline("bench", destination=post, pipelines_dir=str(folder))
    pipeline.run(read())


def main() -> None:
    """Read the command line, run, and print the measurement."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--orders", type=int, required=True, help="how many the stand-in offers")
    options = parser.parse_args()
    started, cpu = time.perf_counter(), cpu_seconds()
    run(options.url, options.folder, options.connections, options.orders)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "cpu_s": cpu_seconds() - cpu, "peak_kib": peak_kib()}))


if __name__ == "__main__":
    main()
