"""What Airflow's UI shows for our connection types.

Airflow calls ``get_provider_info`` through the entry point ``apache_airflow_provider`` of the installed package, in
each of its processes: hence light imports only. A vendor's form is the ``IDENTIFIER_RULE`` of its ``connection``
module; a new
vendor folder appears here by itself.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import order_relay
from order_relay import vendors

_HOOK_CLASS = "order_relay.airflow.hooks.OrderRelayHook"

LEDGER_FORM: dict[str, Any] = {
    "connection_type": "order_relay_ledger",
    "name": "Order Relay ledger (PostgreSQL)",
    "hidden_fields": [],
    "relabeling": {"schema": "Database"},
    "placeholders": {"host": "postgres.example", "schema": "order_relay", "port": "5432"},
    "extra": {
        "sslmode": {
            "type": "string",
            "title": "SSL mode",
            "enum": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            "default": "prefer",
            "description": "As in libpq. Where the postgres provider is installed, its connection type does as well.",
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """The package as an Airflow provider: name, version, connection types."""
    return {
        "package-name": "order-relay",
        "name": "Order Relay",
        "description": "Moves orders from where they are taken to where they are fulfilled, once each.",
        "versions": [order_relay.__version__],
        "connection-types": [connection_type(form) for form in (*connection_forms(), LEDGER_FORM)],
    }


def connection_forms() -> list[Mapping[str, Any]]:
    """The ``IDENTIFIER_RULE`` of every vendor folder that has one, by name."""
    names = sorted(
        f"{module.name}.connection" for module in pkgutil.iter_modules(vendors.__path__, vendors.__name__ + ".")
    )
    modules = (import_module(name) for name in names if find_spec(name) is not None)
    return [module.FORM for module in modules if hasattr(module, "FORM")]


def connection_type(form: Mapping[str, Any]) -> dict[str, Any]:
    """A form in the shape that Airflow reads from a provider."""
    return {
        "connection-type": form["connection_type"],
        "hook-name": form["name"],
        "hook-class-name": _HOOK_CLASS,
        "ui-field-behaviour": {
            "hidden-fields": list(form.get("hidden_fields", ())),
            "relabeling": dict(form.get("relabeling", {})),
            "placeholders": dict(form.get("placeholders", {})),
        },
        "conn-fields": {name: _field(schema) for name, schema in form.get("extra", {}).items()},
    }


def _field(schema: Mapping[str, Any]) -> dict[str, Any]:
    """One extra field. Optional ones admit null, or Airflow's form would not let them stay empty."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "required")}
    if not schema.get("required"):
        kind = rest.get("type", "string")
        rest["type"] = [*(kind if isinstance(kind, list) else [kind]), "null"]
        if "enum" in rest:
            rest["enum"] = [*rest["enum"], None]
    return {"label": schema.get("title", ""), "description": schema.get("description", ""), "schema": rest}
