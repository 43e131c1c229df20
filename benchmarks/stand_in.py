"""A minimal stand-in for both vendors: it counts bodies and responds.

It is a separate process that implements HTTP/1.1 with keep-alive on a bare asyncio protocol, reads bodies by their
``Content-Length`` and validates nothing, so that the benchmark measures the engine (or the bare loop) and not a server.

    python benchmarks/stand_in.py --orders FILE --latency-ms 20     prints {"port": n} and serves until its stdin closes

With ``--lose-every 100`` it stores every hundredth order that is posted and closes the connection without an answer. It
then reads bodies, counts orders by their number, and finds them in a search for external ids.

    GET  /_counts   counts and CPU seconds since the last reset
    POST /_reset    reset the counts
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

CHUNK = 1 << 18
TOKEN = b'{"access_token":"bench","token_type":"bearer","expires_in":3600,"scope":""}'
EMPTY_PAGE = b'{"totalCount":0,"collection":[]}'


def cpu_seconds() -> float:
    """User and system time of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Counts:
    """Counts since the last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Reset the counts; order ids restart from one."""
        self.posted = self.posted_bytes = self.acknowledged = self.offered = self.tokens = self.unanswered = 0
        self.stored: Counter[str] = Counter()
        self.by_key: dict[str, list[dict[str, Any]]] = {}
        self.cpu_at_reset = cpu_seconds()

    def store(self, body: bytes) -> None:
        """Count an order by its number, whatever the sender calls it, and keep it for searches."""
        order = json.loads(body)
        key = str(order.get("externalOrderID") or order["order_number"])
        self.stored[key] += 1
        self.by_key.setdefault(key, []).append({**order, "orderID": self.posted})

    def search(self, path: bytes) -> bytes:
        """A page of the orders with the external ids in the query, or an empty one."""
        query = parse_qs(urlsplit(path.decode()).query)
        keys = [key for text in query.get("externalOrderID", ()) for key in text.split(",")]
        found = [order for key in keys for order in self.by_key.get(key, ())]
        return json.dumps({"totalCount": len(found), "collection": found}).encode()

    def as_json(self) -> bytes:
        """The response of ``/_counts``."""
        return json.dumps(
            {
                "posted": self.posted,
                "posted_bytes": self.posted_bytes,
                "acknowledged": self.acknowledged,
                "offered": self.offered,
                "tokens": self.tokens,
                "unanswered": self.unanswered,
                "stored": len(self.stored),
                "doubled": sum(number - 1 for number in self.stored.values()),
                "cpu_s": cpu_seconds() - self.cpu_at_reset,
            }
        ).encode()


class StandIn(asyncio.Protocol):
    """One connection. Requests are answered in order; aiohttp does not pipeline, so one is open at a time."""

    def __init__(self, counts: Counts, orders: Path, latency_s: float, lose_every: int) -> None:
        self._counts = counts
        self._orders = orders
        self._latency_s = latency_s
        self._lose_every = lose_every
        self._buffer = bytearray()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._streams: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pause_writing(self) -> None:
        """The peer reads slowly: pause the stream of orders."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """Resume streaming."""
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a stream that is no longer read."""
        self._may_write.set()
        for stream in self._streams:
            stream.cancel()

    def data_received(self, data: bytes) -> None:
        """Buffer the data; respond to every complete request in it."""
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end])
            length = _content_length(head)
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            method, path, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            self._answer(method, path, body)

    def _answer(self, method: bytes, path: bytes, body: bytes) -> None:
        counts = self._counts
        if path.startswith(b"/api/v2/importOrder"):
            counts.posted += 1
            counts.posted_bytes += len(body)
            answer = b'{"orderID":%d}' % counts.posted
            if self._lose_every:
                counts.store(body)
                if counts.posted % self._lose_every == 0:
                    counts.unanswered += 1
                    self._transport.close()
                    return
            if self._latency_s:
                asyncio.get_running_loop().call_later(self._latency_s, self._write, answer)
            else:
                self._write(answer)
        elif path.endswith(b"/orders/new_orders"):
            self._source(method, body)
        elif path.startswith(b"/oauthserver"):
            counts.tokens += 1
            self._write(TOKEN)
        elif path == b"/_counts":
            self._write(counts.as_json())
        elif path == b"/_reset":
            counts.reset()
            self._write(b"{}")
        else:
            self._write(counts.search(path) if counts.by_key else EMPTY_PAGE)

    def _source(self, method: bytes, body: bytes) -> None:
        if method == b"GET":
            stream = asyncio.get_running_loop().create_task(self._stream_orders())
            self._streams.add(stream)
            stream.add_done_callback(self._streams.discard)
            return
        numbers = json.loads(body)
        self._counts.acknowledged += len(numbers)
        data = {number: {"success": True} for number in numbers}
        self._write(json.dumps({"status": "success", "error": None, "data": data}).encode())

    async def _stream_orders(self) -> None:
        """Stream all orders as one envelope, in chunks, from a file with one JSON order per line."""
        start = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        self._transport.write(start + _chunk(b'{"status":"success","error":null,"data":['))
        with self._orders.open("rb") as file:
            first = True
            while lines := file.readlines(CHUNK):
                self._counts.offered += len(lines)
                text = b",".join(line.rstrip(b"\n") for line in lines)
                self._transport.write(_chunk(text if first else b"," + text))
                first = False
                await self._may_write.wait()
        self._transport.write(_chunk(b"]}") + b"0\r\n\r\n")

    def _write(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    end = lowered.find(b"\r\n", at + 2)
    return int(lowered[at + 17 : end if end >= 0 else None])


async def serve(orders: Path, latency_s: float, lose_every: int) -> None:
    """Serve on a free loopback port until standard input closes, so that it never outlives its parent."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    server = await loop.create_server(lambda: StandIn(counts, orders, latency_s, lose_every), "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--orders", type=Path, required=True, help="file with one JSON order per line")
    parser.add_argument("--latency-ms", type=float, default=0.0, help="delay before each response to an order")
    parser.add_argument("--lose-every", type=int, default=0, help="lose the answer to each order with this number")
    options = parser.parse_args()
    asyncio.run(serve(options.orders, options.latency_ms / 1000, options.lose_every))


if __name__ == "__main__":
    main()
