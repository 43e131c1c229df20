"""Doctor's checks of the connections with which vendors log in to our endpoints."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

from order_relay import vendors
from order_relay.cli.doctor.checks import CheckResult, Severity
from order_relay.errors import ConfigurationError

if TYPE_CHECKING:
    from order_relay.cli.deployment import Installation


def endpoint_modules() -> Iterator[ModuleType]:
    """The ``probes`` modules of vendors that define ``endpoint_probes`` and ``CONNECTION``."""
    for package in pkgutil.iter_modules(vendors.__path__):
        name = f"{vendors.__name__}.{package.name}.probes"
        if find_spec(name) is not None and hasattr(module := import_module(name), "endpoint_probes"):
            yield module


def check_endpoint(installation: Installation, module: ModuleType) -> Iterator[CheckResult]:
    """The vendor's own checks; nothing if its connection is not defined. Raises ``ConfigurationError``."""
    try:
        connection = installation.connection(module.CONNECTION)
    except ConfigurationError:
        return
    for level, found, advice in module.endpoint_probes(connection, set(installation.pipelines)):
        yield CheckResult(Severity(level), f"connection {module.CONNECTION}", found, advice)
