"""Doctor's checks of the connections with which vendors log in to our endpoints."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING

from order_relay.airflow.doctor.checks import CheckResult, Severity, run_guarded
from order_relay.errors import ConfigurationError
from order_relay.vendors import vendor_module, vendor_names

if TYPE_CHECKING:
    from order_relay.airflow.installation import Installation


def endpoint_modules() -> Iterator[ModuleType]:
    """The ``probes`` modules of vendors that define ``endpoint_probes`` and ``CONNECTION``."""
    modules = (vendor_module(name, "probes") for name in vendor_names("probes"))
    return (module for module in modules if hasattr(module, "endpoint_probes"))


def check_endpoints(installation: Installation, advice: str) -> Iterator[CheckResult]:
    """The checks of all endpoints; ``advice`` is for invalid connections."""
    for module in endpoint_modules():
        yield from run_guarded(f"connection {module.CONNECTION}", advice, partial(check_endpoint, installation, module))


def check_endpoint(installation: Installation, module: ModuleType) -> Iterator[CheckResult]:
    """The vendor's own checks; nothing if its connection is not defined. Raises ``ConfigurationError``."""
    try:
        connection = installation.connection(module.CONNECTION)
    except ConfigurationError:
        return
    for level, found, advice in module.endpoint_probes(connection, set(installation.pipelines)):
        yield CheckResult(Severity(level), f"connection {module.CONNECTION}", found, advice)
