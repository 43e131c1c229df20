"""``new-vendor``: the files that it makes work as they are, and it overwrites nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from order_relay.cli import app as app_module
from order_relay.cli.admin import new_vendor
from order_relay.errors import ConfigurationError
from order_relay_contract.support.quality import RULES

SOURCE = ("--source", "--with", "shopatron")


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app_module.app, ["new-vendor", *arguments])


def problem(*arguments: str) -> str:
    result = call(*arguments)
    assert isinstance(result.exception, ConfigurationError), (result.output, result.exception)
    return str(result.exception)


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("role", ["source", "destination"])
def test_each_rule_of_quality_is_answered(role: str) -> None:
    rules = yaml.safe_load(RULES.read_text())
    template = Path(new_vendor.__file__).with_name("templates") / role / "quality.yaml.template"
    answered = yaml.safe_load(template.read_text().replace("@TITLE@", "X"))["rules"]
    assert answered.keys() == {name for name, rule in rules.items() if role in rule.get("roles", [role])}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "newco_to_shopatron.py").touch()
    assert "dags/newco_to_shopatron.py" in problem("newco", *SOURCE, "--into", str(tmp_path))
    assert made(tmp_path) == {"dags/newco_to_shopatron.py"}


def test_a_second_vendor_keeps_the_tests_configuration(tmp_path: Path) -> None:
    assert call("newco", *SOURCE, "--into", str(tmp_path)).exit_code == 0
    (tmp_path / "tests" / "conftest.py").write_text("# ours\n")
    assert call("bolt", *SOURCE, "--into", str(tmp_path)).exit_code == 0
    assert (tmp_path / "tests" / "conftest.py").read_text() == "# ours\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("newco",), "either --source or --destination"),
        (("newco", "--source", "--destination"), "either --source or --destination"),
        (("My-Shop", "--source"), "lower-case letters and digits"),
        (("supercat", "--source"), "'supercat' exists already"),
        (("newco", "--source", "--with", "supercat"), "'supercat' is not a destination; available: "),
        (("newco", "--destination"), "name it with --with; available: cloudsuite, "),
        (("newco", "--source", "--into", "/no/such/folder"), "does not exist"),
        (("newco", "--source", "--title", 'New "Co"'), "without quotes"),
        (("newco", "--source", "--title", "New: Co"), "without quotes, colons"),
    ],
)
def test_wrong_arguments_are_named(arguments: tuple[str, ...], message: str) -> None:
    assert message in problem(*arguments)


def test_an_installed_package_needs_the_repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("order_relay.__file__", str(tmp_path / "site-packages" / "order_relay" / "__init__.py"))
    assert "--into FOLDER" in problem("newco", "--source")


def test_in_a_checkout_the_files_are_where_the_others_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("order_relay.__file__", str(tmp_path / "include" / "order_relay" / "__init__.py"))
    (tmp_path / "mkdocs.yml").write_text("nav:\n  - A: vendors/a.md\n  - Quality: vendors/quality.md\n  - B: b.md\n")
    result = call("newco", *SOURCE, "--title", "New Co")
    assert result.exit_code == 0
    assert max(map(len, result.output.partition("\n")[2].splitlines())) <= 80
    assert "  - A: vendors/a.md\n  - New Co: vendors/newco.md\n  - Quality" in (tmp_path / "mkdocs.yml").read_text()
    assert {
        "include/order_relay/vendors/newco/__init__.py",
        "include/order_relay_sandbox/newco/__init__.py",
        "include/order_relay_sandbox/newco/stand_in.py",
        "include/config/newco_to_shopatron.yaml",
        "dags/newco_to_shopatron.py",
        "docs/vendors/newco.md",
        "tests/vendors/newco/__init__.py",
        "tests/vendors/newco/contract/__init__.py",
        "tests/vendors/newco/contract/test_newco.py",
    } <= made(tmp_path)
