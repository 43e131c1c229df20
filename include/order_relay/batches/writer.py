"""Batches of raw orders: written as a stream of parts, read back row by row."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict
from typing import Any

from order_relay.batches.manifest import Manifest
from order_relay.batches.objects import DamagedBatchError, ObjectInfo
from order_relay.batches.store import BatchStore

PART_RECORDS = 500
PART_BYTES = 16 << 20
"""A part is closed after this many raw bytes, even if it holds fewer orders, to bound memory."""


def batch_prefix(pipeline: str, batch_id: str) -> str:
    """The folder of a batch, relative to the store's root."""
    return f"{pipeline}/batches/{batch_id}"


class BatchWriter:
    """Writes one batch. Only the open part is in memory. The batch does not exist before ``close`` has returned."""

    def __init__(self, store: BatchStore, pipeline: str, batch_id: str) -> None:
        self._store, self._pipeline = store, pipeline
        self.prefix = batch_prefix(pipeline, batch_id)
        self._parts: list[ObjectInfo] = []
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, text: bytes) -> tuple[int, int]:
        """Append one order (JSON text without line breaks). Returns its part and row, counted from 0."""
        if self._lines and (len(self._lines) >= PART_RECORDS or self._size + len(text) > PART_BYTES):
            self._flush()
        place = (len(self._parts), len(self._lines))
        self._lines.append(text)
        self._size += len(text)
        return place

    def close(self, identities: Iterable[str], facts: dict[str, Any] | None = None) -> Manifest:
        """Write the last part, the identities (one line each) and, last of all, ``manifest.json`` with ``facts``."""
        if self._lines:
            self._flush()
        listed = self._store.write_jsonl(f"{self.prefix}/identities.txt.gz", _to_lines(identities))
        records = sum(part.records for part in self._parts)
        head = self._store.write_json(
            f"{self.prefix}/manifest.json",
            {
                **(facts or {}),
                "pipeline": self._pipeline,
                "records": records,
                "parts": [asdict(part) for part in self._parts],
                "identities": asdict(listed),
            },
        )
        size = sum(part.bytes for part in self._parts)
        return Manifest("batch", self._pipeline, self.prefix, records, len(self._parts), head.sha256, size)

    def abort(self) -> None:
        """Remove all parts written so far."""
        self._lines.clear()
        for part in self._parts:
            self._store.remove(part.name)

    def _flush(self) -> None:
        name = f"{self.prefix}/part-{len(self._parts):05d}.jsonl.gz"
        self._parts.append(self._store.write_jsonl(name, self._lines))
        self._lines, self._size = [], 0


class BatchReader:
    """Reads a closed batch; every part is verified against its checksum in ``manifest.json``."""

    def __init__(self, store: BatchStore, pipeline: str, batch_id: str, sha256: str | None = None) -> None:
        self._store = store
        self.prefix = batch_prefix(pipeline, batch_id)
        self.facts: dict[str, Any] = store.read_json(f"{self.prefix}/manifest.json", sha256)

    def rows(self, part: int, rows: Collection[int]) -> dict[int, bytes]:
        """The orders in these rows of a part; empty if retention removed one. Raises ``DamagedBatchError``."""
        info = self._part(part)
        there = set(rows) & set(info.get("kept", rows))
        found = self._store.read_rows(info["name"], there, info["sha256"]) if there else {}
        return {row: found.get(row, b"") for row in rows}

    def orders(self) -> Iterator[tuple[int, int, bytes]]:
        """Every remaining order of the batch with its part and row, in the order of the source."""
        for number, info in enumerate(self.facts["parts"]):
            lines = self._store.read_jsonl(info["name"], info["sha256"]) if info["name"] else ()
            yield from ((number, row, text) for row, text in enumerate(lines) if text)

    def parts(self) -> list[str]:
        """The names of the remaining parts."""
        return [info["name"] for info in self.facts["parts"] if info["name"]]

    def identities(self) -> Iterator[str]:
        """The source ids of the batch, in the order of the source."""
        info = self.facts["identities"]
        for text in self._store.read_jsonl(info["name"], info["sha256"]):
            yield text.decode()

    def _part(self, part: int) -> dict[str, Any]:
        parts: list[dict[str, Any]] = self.facts["parts"]
        if not 0 <= part < len(parts):
            raise DamagedBatchError(f"batch store: {self.prefix!r} has no part {part}")
        return parts[part]


def _to_lines(identities: Iterable[str]) -> Iterator[bytes]:
    for identity in identities:
        yield identity.replace("\n", " ").encode()
