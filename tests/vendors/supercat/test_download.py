"""The order download's body: one array or one order a line, read in pieces of any size."""

import json

import pytest

from order_relay.errors import MalformedResponseError
from order_relay.orders.schema import malformed
from order_relay.vendors.supercat.download import read_download

ORDERS = [{"id": n, "order_number": f"7001-021524-{n}", "notes": 'a "}" {[ ü'} for n in range(3)]
ARRAY = json.dumps(ORDERS, ensure_ascii=False).encode()
LINES = b"".join(json.dumps(order).encode() + b"\n" for order in ORDERS)


def read(body, size=7, limit=1 << 16):
    return list(read_download((body[at : at + size] for at in range(0, len(body), size)), max_order=limit))


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "body", [ARRAY, LINES, LINES.rstrip(), b"\xef\xbb\xbf" + LINES, LINES.replace(b"\n", b"\r\n\n")]
)
def test_both_forms_are_read(body, size):
    assert [order.document for order in read(body, size)] == ORDERS


def test_no_orders():
    assert read(b"[]") == []


@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (b'{"id":9,"total":NaN}', malformed.NOT_A_NUMBER),
        (b'{"id":9,"id":8}', malformed.DUPLICATE_KEY),
        (b'{"id":9,"notes":"\xfc"}', malformed.BAD_BYTE),
        (b'{"id":9,"notes":"' + b"x" * 400 + b'"}', malformed.TOO_LARGE),
        (b'{"id":9,"notes" "x"}', malformed.NOT_JSON),
    ],
)
def test_a_bad_order_concerns_itself_alone(bad, problem, lines):
    texts = [json.dumps(ORDERS[0]).encode(), bad, json.dumps(ORDERS[1]).encode()]
    found = read(b"\n".join(texts) if lines else b"[" + b",".join(texts) + b"]", limit=200)
    assert [order.problem for order in found] == ["", problem, ""]
    assert [found[0].document, found[2].document] == ORDERS[:2]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"<html>", "HTML"),
        (ARRAY[:-30], "truncated"),
        (LINES[:-30], "truncated"),
        (json.dumps(ORDERS[0], indent=1).encode(), "neither an array of orders nor one order a line"),
        (b'{"status":"error","error":"closed on Sundays","data":null}', "closed on Sundays"),
        (b'{"error":"no such format"}\n', "no such format"),
        (b"[1,2]", "not objects"),
        (b"[{}]]", "not valid JSON"),
    ],
)
def test_what_is_no_list_of_orders_is_refused(body, message):
    with pytest.raises(MalformedResponseError, match=message):
        read(body)
