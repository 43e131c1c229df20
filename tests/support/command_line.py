"""Calls of the command line in this process, and the pipeline whose ledger they read."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner, Result

from order_relay.cli import app as app_module
from order_relay.orders.messages import RunContext

PIPELINE = "supercat_to_shopatron"
CTX = RunContext(PIPELINE, "run-1")
PAYLOAD = b'{"externalOrderID":"N-1","customer":{"lastName":"Marked"}}'


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, list(arguments))


def as_json(*arguments: str, code: int = 0) -> Any:
    result = call(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)
