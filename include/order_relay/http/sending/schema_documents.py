"""Reads a JSON Schema that a vendor publishes, with the documents that it refers to."""

from __future__ import annotations

import json
from typing import Any

from order_relay.http.sending.search import SearchReader
from order_relay.orders.schema.published_schema import referenced_documents

MAX_DOCUMENTS = 20


async def read_schema_documents(session: SearchReader, path: str) -> tuple[dict[str, Any], str]:
    """The document at a path and those of the same folder that it refers to, by file name; and what is wrong.

    A referenced document that cannot be read allows everything. Raises ``ConfigurationError`` or ``ThrottledError``.
    """
    folder, _, first = path.rpartition("/")
    documents: dict[str, Any] = {}
    wanted = [first]
    while wanted:
        name = wanted.pop()
        if len(documents) == MAX_DOCUMENTS:
            return {}, f"it refers to more than {MAX_DOCUMENTS} documents"
        reply = await session.get(f"{folder}/{name}", {})
        if reply.status != 200 and name == first:
            return {}, f"it answered HTTP {reply.status}" if reply.status else "it did not answer"
        try:
            documents[name] = json.loads(reply.body) if reply.status == 200 else {}
        except (ValueError, RecursionError):
            return {}, f"{name} is not JSON"
        wanted += sorted(referenced_documents(documents[name]) - documents.keys() - set(wanted))
    return documents, ""
