"""The response of GET new_orders, including malformed variants."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from aiohttp import web

_HEAD, _TAIL = b'{"status":"success","error":null,"data":[', b"]}"
_PER_WRITE = 32


_TYPE = {"Content-Type": "application/json; charset=utf-8"}


def whole(orders: Sequence[bytes], fault: str = "") -> web.Response:
    """The envelope in one piece."""
    return web.Response(body=b"".join(_pieces(orders, fault)), headers=_TYPE)


async def drip(request: web.Request, orders: Sequence[bytes], seconds: float) -> web.StreamResponse:
    """Write the envelope in pieces, spread over ``seconds``."""
    response = web.StreamResponse(headers=_TYPE)
    await response.prepare(request)
    pause_s = seconds / (len(orders) // _PER_WRITE + 2)
    for piece in _normal(orders):
        await response.write(piece)
        await asyncio.sleep(pause_s)
    await response.write_eof()
    return response


def _pieces(orders: Sequence[bytes], fault: str) -> Iterator[bytes]:
    if fault == "truncated":
        entire = b"".join(_normal(orders))
        yield entire[: len(entire) * 2 // 3]
    elif fault in _WHOLE:
        yield _WHOLE[fault]
    elif fault in _EXTRA_ORDER:
        yield from _normal([*orders[:1], _EXTRA_ORDER[fault], *orders[1:]])
    elif fault == "duplicate_envelope_keys":
        yield from _normal(orders, tail=b'],"data":[]}')
    elif fault == "trailing_text":
        yield from _normal(orders, tail=b"]} <!-- generated -->")
    elif fault == "data_object":
        yield b'{"status":"success","error":null,"data":{"orders":['
        yield b",".join(orders)
        yield b"]}}"
    else:
        yield from _normal(orders)


def _normal(orders: Sequence[bytes], tail: bytes = _TAIL) -> Iterator[bytes]:
    if not orders:
        yield _HEAD + tail
        return
    for start in range(0, len(orders), _PER_WRITE):
        lead = b"," if start else _HEAD
        yield lead + b",".join(orders[start : start + _PER_WRITE])
    yield tail


_WHOLE = {
    "data_missing": b'{"status":"success","error":null}',
    "status_number": b'{"status":1,"error":null,"data":[]}',
    "not_json": b"Service temporarily busy, please try again\n",
}

# A further order that a lenient reader would accept.
_EXTRA_ORDER = {
    "nan": b'{"id":1,"uuid":"00000000-0000-4000-8000-000000000001","order_number":"1-010126-1","items":[],"total":NaN}',
    "huge_number": b'{"id":2,"uuid":"00000000-0000-4000-8000-000000000002","order_number":"1-010126-2","total":1e400}',
    "duplicate_keys": b'{"id":3,"uuid":"00000000-0000-4000-8000-000000000003","order_number":"1-010126-3","id":4}',
    "deep": b'{"id":5,"uuid":"00000000-0000-4000-8000-000000000005","order_number":"1-010126-5","items":'
    + b"[" * 5000
    + b"]" * 5000
    + b"}",
    "latin1": '{"id":6,"uuid":"00000000-0000-4000-8000-000000000006","order_number":"1-010126-6","notes":"ü"}'.encode(
        "latin-1"
    ),
}
