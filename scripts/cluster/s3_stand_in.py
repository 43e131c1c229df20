"""A stand-in for Amazon S3 on a loopback port, with one bucket: ``s3_stand_in.py PORT BUCKET``.

SIGUSR1 closes the port and SIGUSR2 opens it again; the objects stay in memory.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server


def main(port: int, bucket: str) -> None:
    """Serve until the process ends."""
    signals: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, lambda number, _: signals.put(number))
    app = DomainDispatcherApplication(create_backend_app)
    server = _listen(app, port)
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", **keys).create_bucket(Bucket=bucket)
    while True:
        if _next(signals) == signal.SIGUSR1:
            server.shutdown()
            server.server_close()
        else:
            server = _listen(app, port)


def _next(signals: queue.SimpleQueue[int]) -> int:
    """The next signal; waits in short steps, since a signal's handler runs between them."""
    while True:
        try:
            return signals.get(timeout=0.1)
        except queue.Empty:
            continue


def _listen(app: DomainDispatcherApplication, port: int):
    server = make_server("127.0.0.1", port, app, threaded=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    return server


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
