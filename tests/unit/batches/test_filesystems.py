"""From a store's URL to a folder or a service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_relay.batches import BatchStore, DamagedBatchError, StoreUnavailableError
from order_relay.batches.filesystems import local_path, open_filesystem
from order_relay.batches.objects import translate_errors
from order_relay.errors import ConfigurationError

ODD = ["my airflow", "a%20b", "100%", "a#b", "a?b=c", "a::b", "Grüße", "日本", "a+b&c", "%", "s3:"]


@pytest.mark.parametrize("name", ODD)
def test_a_folder_of_any_name_is_the_folder_that_is_used(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    store = BatchStore(folder.as_uri())
    store.write_text("a/b.txt", "x")
    assert (folder / "a" / "b.txt").read_text() == "x"
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert list(store.list()) == ["a/b.txt"]
    assert store.local


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1).map(lambda t: f"/x{t}"))
def test_every_path_survives_its_url(path: str) -> None:
    assert local_path(Path(path).as_uri()) == str(Path(path))


def test_characters_may_be_written_as_they_are(tmp_path: Path) -> None:
    assert local_path("file:///x/my airflow/a#b?c") == "/x/my airflow/a#b?c"
    assert local_path("file:///x/100%/y") == "/x/100%/y"
    assert local_path("file://localhost/x") == "/x"


@pytest.mark.parametrize("url", ["file://data/batches", "file://data", "file://", "local://~/batches"])
def test_a_path_that_is_not_absolute_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="three slashes"):
        BatchStore(url)


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("s3://bucket/x", r"apache-airflow-providers-amazon\[s3fs\]", "s3"),
        ("s3a://b/x", "amazon", "s3"),
        ("gs://bucket/x", "apache-airflow-providers-google", "gcs"),
        ("gcs://bucket/x", "google", "gcs"),
        ("abfs://container/x", "apache-airflow-providers-microsoft-azure", "azure"),
        ("abfss://container/x", "azure", "azure"),
        ("wasb://container/x", "azure", "azure"),
    ],
)
def test_a_service_whose_package_is_missing_names_it(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("s3fs", "gcsfs", "adlfs"):  # also where they are installed
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=package) as error:
        BatchStore(url)
    assert f"order-relay[{extra}]" in str(error.value)


@pytest.mark.parametrize("url", ["foo://bucket/x", "hdfs://host/x"])
def test_an_unknown_scheme_is_no_traceback(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=url.partition(":")[0]):
        open_filesystem(url)


def test_what_a_cloud_s_library_raises_is_the_stores_trouble() -> None:
    no_credentials = type("NoCredentialsError", (Exception,), {"__module__": "botocore.exceptions"})
    message = r"writing 'a' failed: NoCredentialsError"
    with pytest.raises(StoreUnavailableError, match=message) as error, translate_errors("a", "writing"):
        raise no_credentials("key AKIA...")
    assert "AKIA" not in str(error.value)
    with pytest.raises(KeyError), translate_errors("a", "writing"):
        raise KeyError("ours")


def test_a_plain_error_from_a_cloud_s_library_is_the_stores_trouble() -> None:
    scope: dict[str, Any] = {"__name__": "botocore.endpoint"}
    exec("def connect(): raise ValueError('Invalid endpoint: http://user:secret@host')", scope)
    message = "reading 'a' failed: ValueError"
    with pytest.raises(StoreUnavailableError, match=message) as error, translate_errors("a", "reading"):
        scope["connect"]()
    assert "secret" not in str(error.value)


def test_an_error_of_ours_keeps_its_type_even_if_a_cloud_s_library_is_below_it() -> None:
    scope: dict[str, Any] = {"__name__": "s3fs.core", "problem": DamagedBatchError("object 'b' is truncated")}
    exec("def read(): raise problem", scope)
    with pytest.raises(DamagedBatchError, match="'b' is truncated"), translate_errors("a", "writing"):
        scope["read"]()


def test_writing_to_a_bucket_that_does_not_exist_says_so() -> None:
    with pytest.raises(StoreUnavailableError, match="bucket or folder does not"), translate_errors("a", "writing"):
        raise FileNotFoundError("bucket")
    with pytest.raises(DamagedBatchError, match="'a' is missing"), translate_errors("a", "reading"):
        raise FileNotFoundError("object")
