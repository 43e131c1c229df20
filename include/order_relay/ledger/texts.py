"""Texts that a database column can hold, and small JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from order_relay.orders.notes import Note, as_plain

MAX_BODY = 16_000  # bytes of an answer that an attempt keeps
MAX_REMARK = 1_000  # bytes of what the destination said beside an order id


def clean(text: str, limit: int = 2_000) -> str:
    """``text`` without what a text column refuses (NUL, lone surrogates), at most ``limit`` bytes of UTF-8."""
    data = text.replace("\x00", "\ufffd").encode("utf-8", "replace")
    return data[:limit].decode("utf-8", "ignore")


def dump(value: Any) -> str:
    """Compact JSON text of plain values."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=str)


def load(text: str | None, default: Any = None) -> Any:
    """The value of JSON text; ``default`` where there is none."""
    return json.loads(text) if text else default


def notes_text(notes: Iterable[Note]) -> str:
    """An order's notes as its row keeps them."""
    return dump(as_plain(Note(clean(n.code, 60), clean(n.path, 300), clean(n.message, 300)) for n in notes))
