import pathlib

import fsspec
import pytest

from order_relay.batches import BatchReader, BatchStore, BatchWriter, DamagedBatchError, Manifest, StoreUnavailableError
from order_relay.batches import writer as writer_module


@pytest.fixture
def store(tmp_path):
    return BatchStore(f"file://{tmp_path}/not/there/yet")


@pytest.fixture(params=["file", "memory"])
def any_store(request, tmp_path):
    if request.param == "file":
        return BatchStore(f"file://{tmp_path}/root")
    return BatchStore(f"memory://{tmp_path.name}", filesystem=fsspec.filesystem("memory", skip_instance_cache=True))


def path_of(store, name):
    return f"{store._root}/{name}"


def test_lines_come_back_as_they_were_written(any_store):
    info = any_store.write_jsonl("p/runs/r/work.jsonl.gz", [b'{"a":1}', b"", '"ü"'.encode()])
    assert (info.records, info.name) == (3, "p/runs/r/work.jsonl.gz")
    assert list(any_store.read_jsonl(info.name, info.sha256)) == [b'{"a":1}', b"", '"ü"'.encode()]
    assert list(any_store.read_jsonl(info.name)) == [b'{"a":1}', b"", '"ü"'.encode()]


def test_the_same_lines_give_the_same_bytes(store):
    first = store.write_jsonl("a", [b"1", b"2"])
    second = store.write_jsonl("b", [b"1", b"2"])
    assert first.sha256 == second.sha256


def test_an_empty_object_is_an_object(any_store):
    info = any_store.write_jsonl("empty", [])
    assert list(any_store.read_jsonl("empty", info.sha256)) == []


def test_listing_is_sorted_and_leaves_out_what_is_unfinished(any_store, tmp_path):
    any_store.write_text("p/b", "x")
    any_store.write_text("p/a/c", "x")
    if any_store.local:
        (tmp_path / "root/p/.part-of-z.123").write_text("half")
    assert list(any_store.list("p")) == ["p/a/c", "p/b"]
    assert list(any_store.list("nothing")) == []


def test_json_and_text(any_store):
    any_store.write_json("m.json", {"b": "ü", "a": [1]})
    assert any_store.read_json("m.json") == {"b": "ü", "a": [1]}
    assert any_store.exists("m.json")
    any_store.remove("m.json")
    any_store.remove("m.json")
    assert not any_store.exists("m.json")


def test_a_failed_writer_leaves_no_file_and_keeps_the_existing_one(any_store, tmp_path):
    any_store.write_jsonl("o", [b"old"])

    def lines():
        yield b"new"
        raise RuntimeError("source broke")

    with pytest.raises(RuntimeError):
        any_store.write_jsonl("o", lines())
    assert list(any_store.read_jsonl("o")) == [b"old"]
    if any_store.local:
        assert [p.name for p in (tmp_path / "root").iterdir()] == ["o"]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("keep", [0, 1, 10, -9, -1])
def test_a_cut_object_is_named(store, keep, checked):
    info = store.write_jsonl("cut.gz", [b"%d" % n for n in range(1000)])
    with pathlib.Path(path_of(store, "cut.gz")).open("r+b") as file:
        file.truncate(keep if keep >= 0 else info.bytes + keep)
    with pytest.raises(DamagedBatchError, match=r"cut\.gz"):
        list(store.read_jsonl("cut.gz", info.sha256 if checked else None))


def test_a_changed_object_gives_no_line_at_all(store):
    info = store.write_jsonl("x.gz", [b"%d" % n for n in range(100_000)])
    with pathlib.Path(path_of(store, "x.gz")).open("ab") as file:
        file.write(b"more")
    with pytest.raises(DamagedBatchError, match="checksum"):
        next(store.read_jsonl("x.gz", info.sha256))
    with pytest.raises(DamagedBatchError, match="has data after its end"):
        list(store.read_jsonl("x.gz"))


def test_a_missing_object_is_named(any_store):
    with pytest.raises(DamagedBatchError, match="gone"):
        list(any_store.read_jsonl("gone"))
    with pytest.raises(DamagedBatchError, match="gone"):
        any_store.read_json("gone")


def test_what_is_not_json_is_damage(store):
    store.write_text("m.json", "{")
    with pytest.raises(DamagedBatchError, match=r"m\.json"):
        store.read_json("m.json")


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/../../b", "", "a//b", "a\nb", "a/"])
def test_names_stay_below_the_root(store, name):
    with pytest.raises(ValueError, match="not a name"):
        store.write_text(name, "x")


def test_a_disk_that_refuses_is_a_passing_trouble(store, monkeypatch):
    def full(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("order_relay.batches.objects.os.fsync", full)
    store_folder = path_of(store, "")
    with pytest.raises(StoreUnavailableError, match=r"'a'.*No space left"):
        store.write_text("a", "x")
    assert not store.exists("a")
    assert store_folder


def test_a_batch_rolls_its_parts_and_is_read_row_by_row(any_store, monkeypatch):
    monkeypatch.setattr(writer_module, "PART_RECORDS", 3)
    writer = BatchWriter(any_store, "pipe", "b1")
    places = [writer.add(b'{"n":%d}' % n) for n in range(7)]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]
    manifest = writer.close((str(n) for n in range(7)), {"fetched_at": "now"})
    assert (manifest.records, manifest.parts, manifest.name, manifest.batch_id) == (7, 3, "pipe/batches/b1", "b1")
    reader = BatchReader(any_store, "pipe", "b1", manifest.sha256)
    assert reader.rows(1, [2, 0]) == {0: b'{"n":3}', 2: b'{"n":5}'}
    assert [text for _, _, text in reader.orders()] == [b'{"n":%d}' % n for n in range(7)]
    assert list(reader.identities()) == [str(n) for n in range(7)]
    assert reader.facts["fetched_at"] == "now"
    with pytest.raises(DamagedBatchError, match="no line 3"):
        reader.rows(1, [3])
    with pytest.raises(DamagedBatchError, match="no part 3"):
        reader.rows(3, [0])


def test_parts_are_bounded_in_bytes_too(store, monkeypatch):
    monkeypatch.setattr(writer_module, "PART_BYTES", 10)
    writer = BatchWriter(store, "pipe", "b1")
    assert [writer.add(b"x" * 8), writer.add(b"x" * 2), writer.add(b"x" * 50)] == [(0, 0), (0, 1), (1, 0)]


def test_an_aborted_batch_leaves_nothing(any_store, monkeypatch):
    monkeypatch.setattr(writer_module, "PART_RECORDS", 1)
    writer = BatchWriter(any_store, "pipe", "b1")
    for _ in range(3):
        writer.add(b"{}")
    writer.abort()
    assert list(any_store.list("pipe")) == []


def test_an_empty_batch_is_a_batch(any_store):
    manifest = BatchWriter(any_store, "pipe", "b1").close([])
    assert (manifest.records, manifest.parts) == (0, 0)
    assert list(BatchReader(any_store, "pipe", "b1", manifest.sha256).orders()) == []


def test_a_manifest_passes_through_xcom():
    manifest = Manifest("batch", "p", "p/batches/b", 3, 1, "ab", 10)
    sent = manifest.as_xcom()
    assert all(isinstance(value, str | int) for value in sent.values())
    assert Manifest.from_xcom({**sent, "later": 1}) == manifest
