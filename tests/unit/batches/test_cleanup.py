"""Removing rows of stored objects; whatever happens in between, what is kept can be read."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from order_relay.batches import BatchReader, BatchStore, BatchWriter
from order_relay.batches import writer as writer_module
from order_relay.batches.cleanup import trim_batch, trim_rows
from tests.support.failpoints import killed_at

NOW = datetime(2026, 5, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


@pytest.fixture
def batch(store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two parts of three orders each."""
    monkeypatch.setattr(writer_module, "PART_RECORDS", 3)
    writer = BatchWriter(store, "p", "b1")
    for number in range(6):
        writer.add(f'{{"n":{number}}}'.encode())
    writer.close(map(str, range(6)))
    return "b1"


def trim(store: BatchStore, keep: dict[int, set[int]], *, dry_run: bool = False) -> int:
    return trim_batch(store, "p", "b1", keep, now=NOW, dry_run=dry_run)


def reader(store: BatchStore) -> BatchReader:
    return BatchReader(store, "p", "b1")


@pytest.mark.usefixtures("batch")
def test_kept_rows_keep_their_numbers(store: BatchStore) -> None:
    assert trim(store, {1: {2}}) == 2
    assert reader(store).rows(1, {0, 2}) == {0: b"", 2: b'{"n":5}'}
    assert reader(store).rows(0, {0, 1, 2}) == {0: b"", 1: b"", 2: b""}
    assert list(reader(store).orders()) == [(1, 2, b'{"n":5}')]
    assert len([name for name in store.list("p") if "/part-" in name]) == 1
    assert list(reader(store).identities()) == list(map(str, range(6)))
    assert reader(store).facts["trimmed_at"] == NOW.isoformat()


@pytest.mark.usefixtures("batch")
def test_again_with_less_and_never_back(store: BatchStore) -> None:
    assert trim(store, {0: {0, 1}}) == 2
    assert trim(store, {0: {0, 1}}) == 0, "nothing is left to do"
    assert trim(store, {0: {1, 2}, 1: {0}}) == 1
    assert reader(store).rows(0, {0, 1, 2}) == {0: b"", 1: b'{"n":1}', 2: b""}
    assert reader(store).rows(1, {0}) == {0: b""}
    assert trim(store, {}) == 1
    assert reader(store).parts() == []


@pytest.mark.usefixtures("batch")
def test_a_dry_run_changes_nothing(store: BatchStore, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert trim(store, {0: {1}}, dry_run=True) == 2
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("batch")
def test_killed_anywhere_and_done_again(store: BatchStore) -> None:
    for place in itertools.count():
        if not killed_at(place, partial(trim, store, {0: {1}, 1: {place % 3}})):
            break
        assert reader(store).rows(0, {1}) == {1: b'{"n":1}'}, place
    assert place >= 3, "it was killed in several places"
    assert reader(store).rows(0, {0, 1}) == {0: b"", 1: b'{"n":1}'}


def test_lines_of_one_object(store: BatchStore) -> None:
    store.write_jsonl("p/runs/r/payloads.jsonl.gz", [b"a", b"b", b"c"])
    assert trim_rows(store, "p/runs/r/payloads.jsonl.gz", {1}, dry_run=True)
    assert store.read_rows("p/runs/r/payloads.jsonl.gz", {0}) == {0: b"a"}
    assert trim_rows(store, "p/runs/r/payloads.jsonl.gz", {1}, dry_run=False)
    assert not trim_rows(store, "p/runs/r/payloads.jsonl.gz", {1}, dry_run=False)
    assert store.read_rows("p/runs/r/payloads.jsonl.gz", {0, 1, 2}) == {0: b"", 1: b"b", 2: b""}
