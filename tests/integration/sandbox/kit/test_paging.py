"""The ways in which a plain vendor divides its lists, read to the end as a client would."""

from __future__ import annotations

import json

import pytest
from aiohttp.test_utils import make_mocked_request

from order_relay_sandbox.kit import Paging

ROWS = [str(number).encode() for number in range(7)]

WAYS = {
    "page": Paging(rows="orders", next_member="next"),
    "page from 0": Paging(rows="orders", first_page=0, next_member="next"),
    "offset": Paging(way="offset", parameter="offset", size_parameter="limit", rows="results", next_member="next"),
    "cursor": Paging(way="cursor", parameter="cursor", rows="data", next_member="cursor"),
    "link": Paging(link=True),
}


def answer(paging, url):
    page = paging.page(make_mocked_request("GET", url, headers={"Host": "h"}), len(ROWS))
    response = page.response(ROWS[page.start : page.end])
    return json.loads(response.body), response.headers


@pytest.mark.parametrize("way", WAYS)
def test_every_row_once(way):
    paging = WAYS[way]
    url, seen, pages = f"/list?{paging.size_parameter}=3&state=open", [], 0
    while url:
        body, headers = answer(paging, url)
        seen += body[paging.rows] if paging.rows else body
        pages += 1
        if paging.link:
            url = headers.get("Link", "").partition(">")[0].removeprefix("<")
        elif paging.way == "cursor":
            url = body["cursor"] and f"/list?{paging.size_parameter}=3&cursor={body['cursor']}"
        else:
            url = body["next"]
            assert url is None or "state=open" in url
    assert (seen, pages) == (list(range(7)), 3)


def test_members_that_are_not_named_are_left_out():
    body, headers = answer(Paging(rows="orders"), "/list")
    assert set(body) == {"orders"}
    assert set(headers) == {"Content-Type"}
