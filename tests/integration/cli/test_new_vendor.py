"""What ``new-vendor`` makes works as it is: tests, ``doctor``, the DAG file and the pipeline's wiring."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.admin.test_new_vendor import call, made

FILES = {
    "vendors/acme/README.md",
    "vendors/acme/client.py",
    "vendors/acme/connection.py",
    "vendors/acme/mapping.yaml",
    "vendors/acme/order.schema.json",
    "vendors/acme/quality.yaml",
    "vendors/acme/stand_in.py",
    "vendors/acme/vendor.py",
    "tests/conftest.py",
    "tests/test_acme.py",
}


WIRED = """
import sys
from order_relay.connections import Connection
from order_relay.wiring.pipeline import Wiring

extra = {"org": "acme", "token_url": "https://auth.example/token", "manufacturer_id": "7", "catalog_id": "3"}
connection = Connection("any", "https://vendor.example", "user", "secret", extra=extra)
with Wiring.for_pipeline(sys.argv[1], lambda _: connection, "sqlite:///none", "file:///tmp/none") as wiring:
    wiring.check()
"""


@pytest.mark.parametrize(
    ("options", "pipeline"),
    [
        (("--source",), "acme_to_shopatron"),
        (("--destination", "--with", "supercat", "--title", "Acme Shipping"), "supercat_to_acme"),
    ],
    ids=["source", "destination"],
)
def test_the_new_vendor_works_in_a_repository_of_its_own(
    options: tuple[str, ...], pipeline: str, tmp_path: Path
) -> None:
    result = call("acme", *options, "--into", str(tmp_path))
    assert result.exit_code == 0, result.exception
    assert made(tmp_path) == FILES | {f"config/{pipeline}.yaml", f"dags/{pipeline}.py"}
    assert "ORDER_RELAY_VENDORS=" in result.output
    left = re.compile(r"@[A-Z]+@")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and left.search(path.read_text())]
    environment = {**os.environ, "ORDER_RELAY_CONFIG": str(tmp_path / "config")}
    commands = (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        [sys.executable, "-m", "order_relay", "doctor", "--no-vendors", "--json"],
        [sys.executable, f"dags/{pipeline}.py"],
        [sys.executable, "-c", WIRED, pipeline],
    )
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "doctor" in command, done.stdout[-3000:] + done.stderr[-2000:]
        environment["ORDER_RELAY_VENDORS"] = str(tmp_path / "vendors")
        if "doctor" in command:
            assert '"vendor acme"' in done.stdout, done.stderr
            assert "cannot be imported" not in done.stdout
