"""Ways to run it: in a thread, by command; and its independence."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import order_relay_sandbox
from order_relay_sandbox import Sandbox, serve_in_thread, stand_ins
from order_relay_sandbox.__main__ import main
from order_relay_sandbox.kit import PlainDestinationSwitches, PlainSourceSwitches
from order_relay_sandbox.stand_in import Switches

FOLDER = Path(order_relay_sandbox.__file__).parent


def test_in_a_thread(offered):
    with serve_in_thread(orders=[offered("7", 11)]) as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")
        hostile = [b'{"order_number":"\xff"', b"[" * 100_000, b'{"id":1,\n"order_number":"x"}']
        assert sandbox.offer([offered("8", 12), *hostile], kind="odd") == 4
        sandbox.change({"shopatron": {"latency_ms": 1}})
        report = sandbox.report()
        assert report["offered"] == 5
        assert report["offers"]["8"]["kind"] == "odd"
        assert sandbox.bodies("nothing") == []
        assert sandbox.land() == 0
        sandbox.reset()
        assert sandbox.report()["offered"] == 1


def test_a_taken_port_is_an_error():
    with serve_in_thread() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(RuntimeError, match="did not start"), serve_in_thread(port=port):
            pass


def test_by_command():
    command = [sys.executable, "-m", "order_relay_sandbox", "--port", "0", "--orders", "5", "--org", "acme"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        line = process.stdout.readline()
        try:
            match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", line)
            assert match
            with urllib.request.urlopen(match[1] + "/_audit") as answer:
                assert json.load(answer)["offered"] == 5
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_by_command_with_the_orders_elsewhere():
    command = [sys.executable, "-m", "order_relay_sandbox", "--port", "0", "--orders", "5", "--source", "cloudsuite"]
    with subprocess.Popen([*command, "--client-secret", "s"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        try:
            with urllib.request.urlopen(url + "/_audit") as answer:
                assert set(json.load(answer)["sources"]) == {"cloudsuite"}
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_an_unknown_source_is_named():
    with pytest.raises(ValueError, match="shopatron"):
        Sandbox(sources=["shopatron"])


def test_a_wrong_scenario_is_reported(tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text("shopatron: {duplicate: x}")
    assert main(["--scenario", str(path)]) == 2
    assert "duplicate" in capsys.readouterr().err


def test_imports_nothing_of_the_package_but_itself():
    pattern = re.compile(r"^\s*(?:from|import) (order_relay[\w.]*)", re.MULTILINE)
    imports = {name for path in FOLDER.rglob("*.py") for name in pattern.findall(path.read_text(encoding="utf-8"))}
    assert imports
    assert all(name.startswith("order_relay_sandbox") for name in imports)


def test_the_readme_names_every_switch():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    models: list[type[Switches]] = [PlainSourceSwitches, PlainDestinationSwitches]
    models += [stand_in.switches_model for stand_in in stand_ins().values()]
    names = [name for model in models for name in model.model_fields]
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_only_the_stand_ins_know_their_vendors():
    shared = [path for path in FOLDER.glob("*.py") if path.stem != "serving"]  # its client has helpers for some
    named = {path.name: set(stand_ins()) & set(re.findall(r"\w+", path.read_text().lower())) for path in shared}
    assert {module: vendors for module, vendors in named.items() if vendors} == {}


def test_the_clock_of_all_vendors_can_be_set_back(offered):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    with serve_in_thread(orders=[offered("7", 11)], sources=["cloudsuite"]) as sandbox:
        sandbox.shift_clock(timedelta(days=-1))
        try:
            assert abs(datetime.fromisoformat(sandbox.advance(0)) - yesterday) < timedelta(minutes=1)
        finally:
            sandbox.shift_clock(timedelta())
        assert datetime.fromisoformat(sandbox.advance(0)) - yesterday > timedelta(hours=23)
