"""From a store's URL to its file system and root. What is missing or wrong is said with what to install or write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import fsspec.core

from order_relay.errors import ConfigurationError, missing_package

LOCAL_SCHEMES = frozenset({"file", "local"})

_AMAZON = ("apache-airflow-providers-amazon[s3fs]", "s3")
_GOOGLE = ("apache-airflow-providers-google", "gcs")
_AZURE = ("apache-airflow-providers-microsoft-azure", "azure")
PROVIDER_PACKAGES: Mapping[str, tuple[str, str]] = {
    "s3": _AMAZON,
    "s3a": _AMAZON,
    "gs": _GOOGLE,
    "gcs": _GOOGLE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "az": _AZURE,
    "adl": _AZURE,
    "wasb": _AZURE,
}
"""By scheme: the package that brings the file system, and this package's extra that installs it."""


def open_filesystem(url: str, filesystem: Any = None) -> tuple[Any, str]:
    """The fsspec file system of a URL (or the given one), and the root in it. Raises ``ConfigurationError``."""
    if filesystem is not None:
        return filesystem, str(filesystem._strip_protocol(url))  # fsspec has no public spelling of this
    scheme = scheme_of(url)
    if scheme in LOCAL_SCHEMES:
        return fsspec.filesystem("file"), local_path(url)
    try:
        found, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise unusable_scheme(scheme, error) from None
    return found, str(root)


def scheme_of(url: str) -> str:
    """The part before ``://``, in small letters."""
    return url.partition("://")[0].lower()


def local_path(url: str) -> str:
    """The path that a ``file://`` URL names. Percent-encoded characters are decoded; spaces, ``#`` and ``?`` may also
    be written as they are. Raises ``ConfigurationError`` for a path that is not absolute: tasks have no folder of their
    own.
    """
    host, slash, path = url.partition("://")[2].partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise ConfigurationError(
            f"the batch store {url!r} names no absolute path; write it with three slashes: file:///path"
        )
    return unquote(f"/{path}", errors="surrogateescape")


def unusable_scheme(scheme: str, error: Exception) -> ConfigurationError:
    """The error for a scheme that cannot be used here; names the package to install, where it is known."""
    if scheme in PROVIDER_PACKAGES:
        package, extra = PROVIDER_PACKAGES[scheme]
        return missing_package(f"the batch store {scheme}://... (Variable order_relay_batches)", package, error, extra)
    return ConfigurationError(
        f"the batch store {scheme}://... (Variable order_relay_batches) cannot be used here ({error}). Use file://, "
        "s3://, gs:// or abfs://, or install the file system that fsspec needs for it"
    )
