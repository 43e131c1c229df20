"""Canary values for personal data, credentials and cards, unique enough to be searched for, and the search.

``found(data, marks)`` looks for each mark in every spelling that software gives texts: plain, escaped for JSON, HTML,
Python and URLs, in Base64 (wherever in the encoded text it begins), in UTF-16, compressed.
"""

from __future__ import annotations

import copy
import gzip
import html
import json
import sqlite3
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

Order = dict[str, Any]

PERSONAL_DATA: Mapping[str, str] = {
    "name": "Žofie Quorthingbury",
    "contact": 'Wolfhelm "Bix" O\'Zanderling',
    "company": "Zwentibold & Töchter Lampenhaus",
    "street": "77 Xyloquartz Crescent",
    "e-mail": "zofie.quorth@markwell.example",
    "phone": "+1 805 947 3318",
    "note": "ring twice, the dog is called Pumpernickelius",
}
CARDS: Mapping[str, str] = {  # invented; each passes Luhn
    "card in payment": "4556737586899855",
    "card in notes": "5425233430109903",
    "card in an address": "378282246310005",
    "card in a custom field": "6011000990139424",
    "card in a line": "4916338506082832",
}
SECRETS: Mapping[str, str] = {
    "source password": "pw-Xk7!vRq2/ZtGuW",
    "client secret": "cs-9fLw_2hQmT+b8sY",
    "API key": "ak-Jd83nVpQzL5rT0",
    "token": "tok-Hq4wEe7yBn1mKs9d",
    "wrong password": "pw-Oops4Gd8LmN1yC",
}
EVERYTHING: Mapping[str, str] = {**PERSONAL_DATA, **CARDS, **SECRETS}
UNSAYABLE: Mapping[str, str] = {**CARDS, **SECRETS}
"""Values that must not appear even in archive and ledger."""


def marked(order: Order) -> Order:
    """The order with canary names, addresses and cards in many members; identities, items and money are unchanged."""
    new = copy.deepcopy(order)
    person = {
        "name": PERSONAL_DATA["name"],
        "company": PERSONAL_DATA["company"],
        "address1": PERSONAL_DATA["street"],
        "address2": f"c/o {PERSONAL_DATA['contact']}",
        "phone": PERSONAL_DATA["phone"],
        "email": PERSONAL_DATA["e-mail"],
    }
    new["bill_to"] = {**order["bill_to"], **person}
    new["ship_to"] = {**order["ship_to"], **person, "address2": f"card {CARDS['card in an address']}"}
    new["sales_rep"] = {"name": PERSONAL_DATA["contact"], "email": PERSONAL_DATA["e-mail"]}
    new["notes"] = f"{PERSONAL_DATA['note']}; pay with {grouped(CARDS['card in notes'])} please"
    new["payment"] = {
        "method": "credit_card",
        "card_last4": "9855",
        "transaction_id": "tx-1",
        "number": CARDS["card in payment"],
        "cvv": "9471",
    }
    new["custom_fields"] = {"remark": f"or {CARDS['card in a custom field']}", "buyer": PERSONAL_DATA["name"]}
    new["items"][0]["options"] = {"engraving": f"{PERSONAL_DATA['name']} {grouped(CARDS['card in a line'], ' ')}"}
    return new


def spoiled(order: Order) -> Order:
    """People's data where numbers and codes are wanted, so that a complaint may be tempted to quote them."""
    new = copy.deepcopy(order)
    new["items"][0]["quantity"] = PERSONAL_DATA["name"]
    new["ship_to"]["country"] = PERSONAL_DATA["e-mail"]
    new["total"] = PERSONAL_DATA["phone"]
    return new


def grouped(card: str, gap: str = "-") -> str:
    """A card number in a common notation."""
    return gap.join(card[at : at + 4] for at in range(0, len(card), 4))


@lru_cache
def spellings(mark: str) -> frozenset[bytes]:
    """The byte sequences that represent a canary."""
    escaped = json.dumps(mark)[1:-1]
    message = {
        mark,
        escaped,
        json.dumps(mark, ensure_ascii=False)[1:-1],
        html.escape(mark),
        repr(mark)[1:-1],
        ascii(mark)[1:-1],
        quote(mark),
        quote_plus(mark),
        quote(mark, safe=""),
    }
    message |= {json.dumps(word)[1:-1] for word in message}  # JSON inside JSON
    if mark.isdigit():
        message |= {grouped(mark), grouped(mark, " ")}
    raw = {word.encode() for word in message} | {mark.encode("utf-16-le")}
    try:
        raw.add(mark.encode("latin-1"))
    except UnicodeEncodeError:
        raw.add(mark.encode("cp1250", "replace"))
    return frozenset(raw | {piece for plain in (mark, escaped) for piece in _base64(plain.encode())})


def _base64(plain: bytes) -> Iterator[bytes]:
    """What of Base64 depends on the text alone, for each of the three places where it may begin."""
    for lead in range(3):
        for encode in (b64encode, urlsafe_b64encode):
            encoded = encode(b"\0" * lead + plain)
            whole = (lead + len(plain)) // 3 * 4
            yield encoded[0 if not lead else 4 : whole]


def found(data: bytes, marks: Mapping[str, str]) -> set[str]:
    """The names of the canaries found in ``data``."""
    text = unpacked(data)
    return {name for name, mark in marks.items() if any(message in text for message in spellings(mark))}


def unpacked(data: bytes) -> bytes:
    """``data``, and behind it what it holds compressed as a whole."""
    for head, unpack in ((b"\x1f\x8b", gzip.decompress), (b"\x78", zlib.decompress)):
        if data.startswith(head):
            try:
                return data + unpack(data)
            except (OSError, EOFError, zlib.error):
                return data
    return data


def in_files(root: Path, marks: Mapping[str, str], leave_out: Iterable[str] = ()) -> dict[str, set[str]]:
    """Marks in the files below ``root``, by path. ``leave_out``: names of files that are not looked at."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name not in set(leave_out))
    hits = {str(path.relative_to(root)): found(path.read_bytes(), marks) for path in files}
    return {path: names for path, names in hits.items() if names}


def in_database(path: Path, marks: Mapping[str, str]) -> dict[str, set[str]]:
    """Marks in a SQLite database, by table and column: each value for itself, so also compressed ones."""
    hits: dict[str, set[str]] = {}
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            rows = database.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in rows.description]
            for row in rows:
                for column, value in zip(names, row, strict=True):
                    data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
                    if seen := found(data, marks):
                        hits.setdefault(f"{table}.{column}", set()).update(seen)
    return hits
