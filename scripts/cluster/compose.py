"""Reads ``docker-compose.yaml``, so that a cluster that is started by hand has the same settings and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml
from local_airflow import ROOT, CommandError

FILE = ROOT / "docker-compose.yaml"

AIRFLOW = ("airflow-apiserver", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker")
"""The services that run an Airflow command until they are stopped."""

ADDRESSES = {
    "@postgres/": "@127.0.0.1:{postgres}/",
    '"host": "postgres"': '"host": "127.0.0.1", "port": {ledger}',
    "redis://redis:6379/": "redis://127.0.0.1:{redis}/",
    "http://airflow-apiserver:8080/": "http://127.0.0.1:{api}/",
    "http://localhost:": "http://127.0.0.1:",
}
"""How services name each other in the file, and their addresses here; in braces the port."""

_VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?P<rule>:[?-](?P<text>[^}]*))?\})")


def environment(service: str, values: Mapping[str, str], ports: Mapping[str, int]) -> dict[str, str]:
    """Environment of a service, with the variables of ``.env`` from ``values`` and loopback addresses.

    Raises ``CommandError`` if the file needs a variable that is missing.
    """
    found = {name: fill_in(str(value), values) for name, value in _service(service).get("environment", {}).items()}
    return {name: _here(value, ports) for name, value in found.items()}


def command(service: str) -> list[str]:
    """The command of a service, as a list."""
    given = _service(service)["command"]
    parts = shlex.split(given) if isinstance(given, str) else [str(part) for part in given]
    return [part.replace("$$", "$") for part in parts]


def fill_in(text: str, values: Mapping[str, str]) -> str:
    """Replace the variables in a value of the file as Docker Compose does."""

    def value_of(match: re.Match[str]) -> str:
        name, rule = match["name"], match["rule"] or ""
        if name is None:
            return "$"
        if given := values.get(name, ""):
            return given
        if rule.startswith(":?"):
            raise CommandError(f"{FILE.name} needs {name}: {match['text']}")
        return match["text"] or ""

    return _VARIABLE.sub(value_of, text)


def _here(text: str, ports: Mapping[str, int]) -> str:
    for there, here in ADDRESSES.items():
        text = text.replace(there, here.format(**ports))
    return text


def _service(name: str) -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["services"][name]
    return service
