"""The package as an Airflow provider: its connection types and their forms.

Airflow calls ``get_provider_info`` through the entry point ``apache_airflow_provider`` in each of its processes, so
imports are light. A vendor's form is made from the settings model that its folder declares.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import order_relay
from order_relay import vendors

log = logging.getLogger(__name__)

LEDGER_FORM: dict[str, Any] = {
    "connection_type": "order_relay_ledger",
    "name": "Order Relay ledger (PostgreSQL)",
    "hook": "LedgerHook",
    "hidden_fields": [],
    "relabeling": {"schema": "Database"},
    "placeholders": {"host": "postgres.example", "schema": "order_relay", "port": "5432"},
    "extra": {
        "sslmode": {
            "type": "string",
            "title": "SSL mode",
            "enum": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
            "default": "prefer",
            "description": "As in libpq. The type postgres of Airflow's PostgreSQL provider works as well.",
        },
    },
}

DESK_FORM: dict[str, Any] = {
    "connection_type": "order_relay_desk",
    "name": "Order Relay order desk (own login)",
    "hook": "DeskHook",
    "hidden_fields": ["host", "schema", "login", "password", "port"],
    "extra": {
        "users": {
            "type": "object",
            "title": "Users",
            "required": True,
            "description": 'By name: role (viewer, operator or admin), password (made by "order-relay serve '
            '--hash-password"), and optionally pipelines, a list of names.',
        },
        "idle_minutes": {
            "type": "number",
            "title": "Idle minutes",
            "minimum": 1,
            "maximum": 1440,
            "default": 30,
            "description": "A session ends after this time without a request.",
        },
        "session_hours": {
            "type": "number",
            "title": "Session hours",
            "minimum": 0.1,
            "maximum": 168,
            "default": 12,
            "description": "A session ends this long after the login.",
        },
    },
}


def get_provider_info() -> dict[str, Any]:
    """Name, version, connection types, and the converter of our assets for OpenLineage, as Airflow reads them."""
    return {
        "package-name": "order-relay",
        "name": "Order Relay",
        "description": "Moves orders from where they are taken to where they are fulfilled, exactly once.",
        "versions": [order_relay.__version__],
        "connection-types": [connection_type(form) for form in (*connection_forms().values(), LEDGER_FORM, DESK_FORM)],
        "asset-uris": [
            {
                "schemes": ["x-order-relay"],
                "handler": None,  # any URI is valid
                "to_openlineage_converter": "order_relay.airflow.telemetry.lineage.to_openlineage",
            }
        ],
    }


def connection_forms() -> dict[str, Mapping[str, Any]]:
    """The connection form of every vendor, by folder name."""
    forms = {}
    for name in vendors.vendor_names():
        try:
            forms[name] = import_module(f"{vendors.__name__}.{name}.vendor").VENDOR.form()
        except Exception:  # must not stop Airflow; `doctor` and each task that needs the vendor report it
            log.exception("vendor %s cannot be loaded; its connection form is left out", name)
    return forms


def hook_class(form: Mapping[str, Any]) -> str:
    """The name of a form's hook class in ``airflow.hooks``: ``MyshopHook`` for type ``myshop``."""
    return str(form.get("hook") or f"{form['connection_type'].capitalize()}Hook")


def connection_type(form: Mapping[str, Any]) -> dict[str, Any]:
    """A form in the shape that Airflow expects from a provider."""
    return {
        "connection-type": form["connection_type"],
        "hook-name": form["name"],
        "hook-class-name": f"order_relay.airflow.hooks.{hook_class(form)}",
        "ui-field-behaviour": {
            "hidden-fields": list(form.get("hidden_fields", ())),
            "relabeling": dict(form.get("relabeling", {})),
            "placeholders": dict(form.get("placeholders", {})),
        },
        "conn-fields": {name: _field(schema) for name, schema in form.get("extra", {}).items()},
    }


def _field(schema: Mapping[str, Any]) -> dict[str, Any]:
    """One extra field. Optional fields must allow null, or Airflow's form would not accept them empty."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "required")}
    if not schema.get("required"):
        kind = rest.get("type", "string")
        rest["type"] = [*(kind if isinstance(kind, list) else [kind]), "null"]
        if "enum" in rest:
            rest["enum"] = [*rest["enum"], None]
    return {"label": schema.get("title", ""), "description": schema.get("description", ""), "schema": rest}
