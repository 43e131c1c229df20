"""Vendors found by their folder: ``vendors/NAME/``."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from order_relay import vendors
from order_relay.errors import ConfigurationError
from order_relay.orders.mapping.canonical import CanonicalReader
from order_relay.orders.payload.transformer import source_reader
from order_relay.orders.schema.validator import VendorFormat
from order_relay.pipeline.settings.pipeline import UNKNOWN_ACCOUNT, PipelineSettings


def vendor_names() -> list[str]:
    """Vendors with a ``vendor.py``; the other folders under ``vendors/`` only serve endpoints."""
    packages = (found.name for found in pkgutil.iter_modules(vendors.__path__) if found.ispkg)
    return sorted(name for name in packages if find_spec(f"{vendors.__name__}.{name}.vendor"))


def vendor_module(vendor: str, part: str) -> ModuleType:
    """A module of a vendor's folder. Raises ``ConfigurationError`` with the available vendors."""
    name = f"{vendors.__name__}.{vendor}.{part}"
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(f"unknown vendor {vendor!r}; available: {', '.join(vendor_names())}") from None


def canonical_reader(settings: PipelineSettings) -> CanonicalReader:
    """The reader of a pipeline's archived orders; needs no connection. Raises ``ConfigurationError``."""
    source, destination = (
        VendorFormat.load(part.SCHEMA, part.MAPPING)
        for part in (vendor_module(party.vendor, "vendor") for party in (settings.source, settings.destination))
    )
    return source_reader(source, destination, settings.transform_settings(UNKNOWN_ACCOUNT))
