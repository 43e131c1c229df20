"""Files of a server come whole into the batch store, whatever happens in between, and are given up there only then."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from order_relay.batches import BatchStore, StoreUnavailableError
from order_relay.errors import TransientError
from order_relay.pipeline.fulfilment.status_fetch import FetchReport, FileSkipped, RemoteFile, fetch_files
from order_relay.pipeline.settings.sections import FetchSettings
from tests.support.failpoints import killed_at

ACCOUNT = "acommerce_status"


@dataclass
class Server:
    """A folder of files: content by name; ``locked`` ones may not be read."""

    there: dict[str, bytes] = field(default_factory=dict)
    locked: set[str] = field(default_factory=set)
    moved: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    read_names: list[str] = field(default_factory=list)

    def files(self) -> list[RemoteFile]:
        return [RemoteFile(n, self.sizes.get(n, len(data)), "20260501") for n, data in self.there.items()]

    def read(self, file: RemoteFile, limit: int) -> bytes:
        if file.name in self.locked:
            raise FileSkipped("the server refuses it")
        self.read_names.append(file.name)
        return self.there[file.name][: limit + 1]

    def delete(self, file: RemoteFile) -> None:
        del self.there[file.name]

    def move(self, file: RemoteFile, folder: str, name: str) -> None:
        self.moved[f"{folder}/{name}"] = self.there.pop(file.name)


@pytest.fixture
def store(tmp_path: Path) -> BatchStore:
    return BatchStore(tmp_path.as_uri())


def run(
    store: BatchStore, server: Server, *, pause: Callable[[float], None] = lambda _: None, **settings: Any
) -> FetchReport:
    return fetch_files(ACCOUNT, server, store, FetchSettings(connection="c", **settings), size_limit=100, pause=pause)


def drops(store: BatchStore) -> dict[str, bytes]:
    names = store.list(f"{ACCOUNT}/drops")
    return {name.rpartition("/")[2].partition("-")[2]: store.filesystem.cat_file(store.place(name)) for name in names}


def test_new_files_that_fit_the_pattern_and_each_once(store: BatchStore) -> None:
    server = Server({"a.csv": b"1", "b.txt": b"2", ".c.csv": b"3"})
    assert run(store, server).fetched == 1
    assert drops(store) == {"a.csv": b"1"}
    server.there["d.csv"] = b""
    assert run(store, server).fetched == 1
    assert run(store, server).fetched == 0
    assert drops(store) == {"a.csv": b"1", "d.csv": b""}
    assert server.read_names == ["a.csv", "d.csv"]
    assert set(server.there) == {"a.csv", "b.txt", ".c.csv", "d.csv"}


def test_two_versions_of_one_name_wait_side_by_side(store: BatchStore) -> None:
    server = Server({"a.csv": b"1"})
    run(store, server)
    server.there["a.csv"] = b"11"
    run(store, server)
    assert sorted(store.filesystem.cat_file(store.place(name)) for name in store.list(f"{ACCOUNT}/drops")) == [
        b"1",
        b"11",
    ]


def test_what_becomes_of_it_at_the_server(store: BatchStore) -> None:
    deleted, moved = Server({"a.csv": b"1"}), Server({"a.csv": b"2"})
    run(store, deleted, afterwards="delete")
    assert deleted.there == {}
    run(store, moved, afterwards="move", move_to="/done")
    assert [(name.partition("-")[2], data) for name, data in moved.moved.items()] == [("a.csv", b"2")]


@pytest.mark.parametrize(
    "name",
    [
        "../up.csv",
        "..\\up.csv",
        "/etc/x.csv",
        "line\nbreak.csv",
        "\x1b[2J.csv",
        "\u202e.csv",
        "x" * 1_001 + ".csv",
    ],
)
def test_hostile_names_are_refused_and_keep_no_other_waiting(store: BatchStore, name: str) -> None:
    found = run(store, Server({name: b"bad", "good.csv": b"1"}))
    assert (found.fetched, len(found.trouble)) == (1, 1)
    assert found.trouble[0].isprintable()
    assert found.trouble[0].isascii()
    assert drops(store) == {"good.csv": b"1"}


def test_names_that_the_store_has_no_letters_for(store: BatchStore) -> None:
    run(store, Server({"Stand März (1).csv": b"1"}))
    assert drops(store) == {"Stand_M_rz__1_.csv": b"1"}


@pytest.mark.parametrize("name", ["สถานะ.csv", "REPORT.CSV", "a\u200bb.csv", "x" * 240 + ".csv", "[1].csv"])
def test_any_name_without_a_path_is_fetched(store: BatchStore, name: str) -> None:
    found = run(store, Server({name: b"1"}))
    assert (found.fetched, found.trouble) == (1, [])
    assert list(drops(store).values()) == [b"1"]


def test_an_unmatched_file_is_reported_unless_the_pattern_was_configured(store: BatchStore) -> None:
    there = {"status.txt": b"1", ".status.csv": b"2"}
    found = run(store, Server(dict(there)))
    assert (found.fetched, found.passed_over) == (0, 2)
    assert [text.split("'")[1] for text in found.trouble] == ["status.txt"]
    found = run(store, Server(dict(there)), pattern="*.csv")
    assert (found.passed_over, found.trouble) == (2, [])


def test_too_large_refused_or_not_what_was_listed(store: BatchStore) -> None:
    server = Server(
        {"huge.csv": b"x" * 101, "locked.csv": b"1", "more.csv": b"xx", "less.csv": b"x", "good.csv": b"1"},
        locked={"locked.csv"},
        sizes={"more.csv": 1, "less.csv": 2},
    )
    found = run(store, server, afterwards="delete")
    assert found.fetched == 1
    assert [text.split("'")[1] for text in found.trouble] == ["huge.csv", "less.csv", "locked.csv", "more.csv"]
    assert drops(store) == {"good.csv": b"1"}
    assert set(server.there) == {"huge.csv", "locked.csv", "more.csv", "less.csv"}


def test_one_that_still_grows_is_left_for_the_next_time(store: BatchStore) -> None:
    server, waited = Server({"a.csv": b"1", "b.csv": b"1"}), []

    def grows(seconds: float) -> None:
        waited.append(seconds)
        server.there["a.csv"] += b"2"

    found = run(store, server, pause=grows, settled_s=3)
    assert (found.fetched, found.growing, waited) == (1, 1, [3.0])
    assert drops(store) == {"b.csv": b"1"}
    assert run(store, server, pause=waited.append, settled_s=3).fetched == 1
    assert run(store, server, pause=waited.append, settled_s=3).fetched == 0
    assert waited == [3.0, 3.0], "nothing new, nothing to wait for"


@pytest.mark.parametrize("settings", [{"afterwards": "delete"}, {"afterwards": "move", "move_to": "done"}, {}])
def test_killed_anywhere_nothing_is_lost(store: BatchStore, settings: dict[str, Any]) -> None:
    wanted = {"a.csv": b"1", "b.csv": b"2"}
    for place in itertools.count():
        server = Server(dict(wanted))
        for name in list(store.list()):
            store.remove(name)
        if not killed_at(place, partial(run, store, server, **settings)):
            break
        assert {**server.there, **drops(store)} == wanted
        run(store, server, **settings)
        assert drops(store) == wanted
    assert place > 5


def test_a_full_store_gives_nothing_up(store: BatchStore, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server({"a.csv": b"1"})

    def full(*_: Any) -> None:
        raise StoreUnavailableError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(BatchStore, "write_bytes", full)
        with pytest.raises(TransientError):
            run(store, server, afterwards="delete")
    assert server.there == {"a.csv": b"1"}
    assert run(store, server, afterwards="delete").fetched == 1


def test_a_damaged_memory_costs_one_more_fetch(store: BatchStore) -> None:
    server = Server({"a.csv": b"1"})
    run(store, server)
    store.write_bytes(f"{ACCOUNT}/fetched.json", b"{")
    assert run(store, server).fetched == 1
    assert drops(store) == {"a.csv": b"1"}


@pytest.mark.parametrize(
    "settings",
    [
        {"afterwards": "move"},
        {"move_to": "done"},
        {"afterwards": "move", "folder": "out", "move_to": "out/"},
        {"folder": "a\r\nDELE b"},
        {"afterwards": "forget"},
    ],
)
def test_invalid_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FetchSettings(connection="c", **settings)
