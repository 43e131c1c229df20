"""Removing what is no longer needed of stored objects, so that a crash at any point loses nothing that is.

A part that has to go partly is written anew under a name that says what it keeps, the manifest is pointed to it, and
only then the old part is removed. Rows keep their numbers: removed ones are empty lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict
from datetime import datetime
from typing import Any

from order_relay.batches.store import BatchStore
from order_relay.batches.writer import batch_prefix


def trim_batch(
    store: BatchStore, pipeline: str, batch_id: str, keep: Mapping[int, Set[int]], *, now: datetime, dry_run: bool
) -> int:
    """Remove all raw orders of a closed batch but the rows ``keep`` (by part); how many parts this changes.

    Identities and manifest stay, the latter with ``trimmed_at`` and the rows that each part keeps. A kept row that was
    removed before does not come back. Raises ``DamagedBatchError``.
    """
    name = f"{batch_prefix(pipeline, batch_id)}/manifest.json"
    facts: dict[str, Any] = store.read_json(name)
    parts: list[dict[str, Any]] = facts["parts"]
    rows = [sorted(set(keep.get(number, ())) & _kept_rows(part)) for number, part in enumerate(parts)]
    changed = [number for number, part in enumerate(parts) if len(rows[number]) < len(_kept_rows(part))]
    if changed and not dry_run:
        trimmed = [
            _rewrite(store, part, rows[number]) if number in changed else part for number, part in enumerate(parts)
        ]
        store.write_json(name, {**facts, "parts": trimmed, "trimmed_at": now.isoformat()})
        for number in changed:
            store.remove(parts[number]["name"])
    return len(changed)


def trim_rows(store: BatchStore, name: str, keep: Set[int], *, dry_run: bool) -> bool:
    """Empty all lines of an object but ``keep``, under its own name; whether there was anything to empty."""
    if not any(text and row not in keep for row, text in enumerate(store.read_jsonl(name))):
        return False
    if not dry_run:
        store.write_jsonl(name, _kept_lines(store, name, keep))
    return True


def _kept_rows(part: Mapping[str, Any]) -> Set[int]:
    """The rows that a part has still."""
    return set(part["kept"]) if "kept" in part else set(range(part["records"]))


def _rewrite(store: BatchStore, part: Mapping[str, Any], rows: list[int]) -> dict[str, Any]:
    """What the manifest says of a part that keeps these rows only."""
    if not rows:
        return {"name": "", "records": part["records"], "bytes": 0, "sha256": "", "kept": []}
    stem = part["name"].rpartition("/")[2].split(".")[0]
    mark = hashlib.sha256(repr(rows).encode()).hexdigest()[:12]
    name = f"{part['name'].rpartition('/')[0]}/{stem}.kept-{mark}.jsonl.gz"
    info = store.write_jsonl(name, _kept_lines(store, part["name"], set(rows), part["sha256"]))
    return {**asdict(info), "records": part["records"], "kept": rows}


def _kept_lines(store: BatchStore, name: str, keep: Set[int], sha256: str | None = None) -> Iterator[bytes]:
    for row, text in enumerate(store.read_jsonl(name, sha256)):
        yield text if row in keep else b""
