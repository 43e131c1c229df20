"""The walkthrough of docs/adding-a-vendor.md, followed to the letter in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from order_relay_sandbox.serving import HOST
from tests.support.speedups import LONG

PAGE = (Path(__file__).parents[3] / "docs" / "adding-a-vendor.md").read_text(encoding="utf-8")
WALKTHROUGH = PAGE.partition("\n## What a source needs")[0]
BLOCKS = re.findall(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', WALKTHROUGH, re.MULTILINE | re.DOTALL)
PORT = "8085"
MISTAKES = {
    "unknown column": ("config/woo_to_shopatron.yaml", "path: delivery_instruction}", "path: delivery_instructions}"),
    "no path": ("vendors/woo/mapping.yaml", "'meta_data[", "'metadata["),
}
"""By words of doctor's message: the mistake that the page describes."""
ONE_TEST = "-k every_order_arrives_once"
"""What the long profile runs of the tests of a vendor as it was made; ``test_new_vendor`` runs all of them."""


class Reader:
    """Somebody who follows the page in the folder ``root``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = ""
        self.servers: list[subprocess.Popen[str]] = []
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.port = str(free.getsockname()[1])
        removed = ("ORDER_RELAY_", "AIRFLOW_", "PYTEST_")
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(removed)}
        self.env |= {"AIRFLOW_HOME": str(root / "airflow"), "PWD": str(root), "PYTHONDONTWRITEBYTECODE": "1"}

    def command(self, line: str, ends: tuple[int, ...] = (0,)) -> None:
        """Run one line of a shell."""
        name, *arguments = shlex.split(line.replace(PORT, self.port).replace("$PWD", str(self.root)))
        if name == "export":
            self.env |= dict(argument.split("=", 1) for argument in arguments)
            return
        starts = {
            "python": [],
            "pytest": ["-m", "pytest", "-p", "no:cacheprovider"],
            "order-relay": ["-m", "order_relay"],
        }
        command = [sys.executable, *starts[name], *arguments]
        if arguments[-1] == "&":
            server = subprocess.Popen(command[:-1], cwd=self.root, env=self.env, stdout=subprocess.PIPE, text=True)
            self.servers.append(server)
            assert server.stdout is not None
            assert "listening" in server.stdout.readline()
            return
        done = subprocess.run(command, check=False, cwd=self.root, env=self.env, capture_output=True, text=True)
        self.output = done.stdout
        assert done.returncode in ends, f"{line}\n{done.stdout[-4000:]}{done.stderr[-2000:]}"

    def write(self, path: str, text: str) -> None:
        """A whole file, which replaces one that ``new-vendor`` made."""
        assert (self.root / path).exists()
        (self.root / path).write_text(text, encoding="utf-8")

    def change(self, path: str, diff: str) -> None:
        """Lines with ``-`` are replaced by those with ``+``; lines with a space are unchanged."""
        lines = diff.splitlines()
        former, new = ("\n".join(line[1:] for line in lines if line[:1] != sign) for sign in "+-")
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(f"{former}\n") == 1, f"{path}: {former}"
        self.write(path, text.replace(f"{former}\n", f"{new}\n"))

    def doctor(self, shown: str) -> None:
        """What the page says of a mistake."""
        path, right, wrong = next(mistake for words, mistake in MISTAKES.items() if words in shown)
        text = (self.root / path).read_text(encoding="utf-8")
        self.write(path, text.replace(right, wrong))
        self.command("order-relay doctor --pipeline woo_to_shopatron", (1,))
        self.write(path, text)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    made = Reader(tmp_path)
    yield made
    for server in made.servers:
        server.terminate()
        server.communicate()


@pytest.mark.slow
def test_every_command_file_and_message_is_right(reader: Reader) -> None:
    assert {"sh", "text", "diff", "json", "yaml", "python"} == {kind for kind, _, _ in BLOCKS}
    left = Counter(line for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines())
    for kind, path, text in BLOCKS:
        if kind == "sh":
            for line in text.splitlines():
                left[line] -= 1
                if not left[line] or not line.startswith("pytest "):
                    reader.command(line)
                elif LONG:
                    reader.command(f"{line} {ONE_TEST}")
        elif kind == "diff":
            reader.change(path, text)
        elif path:
            reader.write(path, text)
        elif kind == "python":
            assert text in (reader.root / "tests" / "test_woo.py").read_text(encoding="utf-8")
        elif text.startswith("config/"):
            assert {line.split()[0] for line in text.splitlines()} == {
                str(file.relative_to(reader.root)) for file in reader.root.rglob("*") if file.is_file()
            }
        else:
            if text.startswith("fail"):
                reader.doctor(text)
            assert [line for line in text.splitlines() if line not in reader.output] == [], reader.output
