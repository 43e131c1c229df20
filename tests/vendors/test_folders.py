"""Vendors are found by their folder, in the package and in the folders of ``ORDER_RELAY_VENDORS``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from order_relay import vendors
from order_relay.airflow.doctor.checks import Severity
from order_relay.airflow.doctor.vendor_folders import vendor_folders
from order_relay.airflow.provider import connection_forms
from order_relay.errors import ConfigurationError

SHIPPED = Path(vendors.__file__).parent
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "vendors"
    folder.mkdir()
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, str(folder)])
    return folder


def copied(vendor: str, target: Path) -> None:
    """The vendor's folder under another name, as if somebody had written it outside the package."""
    shutil.copytree(SHIPPED / vendor, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.glob("*.py"):
        text = path.read_text().replace(f"vendors.{vendor}", f"vendors.{target.name}")
        path.write_text(text.replace(f'"{vendor}"', f'"{target.name}"'))


def test_the_parts_of_a_folder_say_what_a_vendor_can_do() -> None:
    assert {"supercat", "shiprush"} <= set(vendors.vendor_names())
    assert "shiprush" in vendors.vendor_names("endpoint")
    assert not vendors.load_vendor("shiprush").source
    assert vendors.folder_problems() == []
    assert vendors.outside_vendors() == {}
    assert list(vendor_folders()) == []


def test_a_vendor_outside_the_package_is_found(outside: Path) -> None:
    copied("supercat", outside / "foundshop")
    (outside / "tests").mkdir()
    (outside / "tests" / "__init__.py").touch()
    assert vendors.outside_vendors() == {"foundshop": outside / "foundshop"}
    found = vendors.load_vendor("foundshop")
    assert (found.name, found.format().mapping) == ("foundshop", vendors.load_vendor("supercat").format().mapping)
    assert "foundshop" in connection_forms()
    assert [(row.level, row.check) for row in vendor_folders()] == [(Severity.OK, "vendor foundshop")]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("supercat", f"the name is used by {SHIPPED / 'supercat'}; rename"),
        ("My-Shop", "consists of lower-case letters"),
        ("9shop", "starts with a letter"),
        ("import", "consists of"),
    ],
)
def test_a_wrong_name_is_refused(outside: Path, name: str, problem: str) -> None:
    (outside / name).mkdir()
    (outside / name / "vendor.py").touch()
    with pytest.raises(ConfigurationError, match="ORDER_RELAY_VENDORS") as raised:
        vendors.vendor_module("supercat", "vendor")
    assert problem in str(raised.value)
    assert str(outside / name) in str(raised.value)
    assert connection_forms().keys() == {path.parent.name for path in SHIPPED.glob("*/connection.py")}
    assert [found.level for found in vendor_folders()] == [Severity.FAIL]


@pytest.mark.parametrize(("root", "problem"), [("relative", "absolute"), ("/no/such/folder", "does not exist")])
def test_a_wrong_folder_is_refused(monkeypatch: pytest.MonkeyPatch, root: str, problem: str) -> None:
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, root])
    with pytest.raises(ConfigurationError, match=f"ORDER_RELAY_VENDORS.*{root}.*{problem}"):
        vendors.vendor_module("supercat", "vendor")


def test_two_folders_cannot_have_a_vendor_of_one_name(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = outside.parent / "other"
    for root in (outside, other):
        (root / "myshop").mkdir(parents=True)
        (root / "myshop" / "vendor.py").touch()
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, str(other)])
    assert [str(outside / "myshop") in problem for problem in vendors.folder_problems()] == [True]


def test_a_broken_vendor_stops_neither_airflow_nor_other_vendors(
    outside: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (outside / "brokenshop").mkdir()
    (outside / "brokenshop" / "vendor.py").write_text("import no_such_library\n")
    forms = connection_forms()
    assert "supercat" in forms
    assert "brokenshop" not in forms
    assert "brokenshop" in caplog.text
    (found,) = vendor_folders()
    assert found.level is Severity.FAIL
    assert "vendor.py cannot be imported: ModuleNotFoundError" in found.found
    assert vendors.vendor_module("supercat", "vendor")


def test_the_doctor_names_imports_that_may_break(outside: Path) -> None:
    (outside / "importingshop").mkdir()
    source = (
        "from order_relay import errors\nfrom order_relay.ledger import Ledger\nimport order_relay.vendors.supercat\n"
    )
    (outside / "importingshop" / "vendor.py").write_text(source)
    (outside / "importingshop" / "endpoint.py").write_text("from order_relay.ledger import Ledger\n")
    warned = [found.found for found in vendor_folders() if found.level is Severity.WARN]
    assert warned == [
        "vendor.py imports order_relay.ledger.Ledger, order_relay.vendors.supercat",
    ]


SCRIPT = """
import runpy, sys
from order_relay.airflow import hooks
from order_relay.airflow.provider import get_provider_info
from order_relay.airflow.api_server import fastapi_apps
from order_relay.connections import Connection
from order_relay.wiring.pipeline import Wiring

dag = runpy.run_path(sys.argv[1])["myshop_to_shopatron"]
assert "order_relay.vendors.myshop.client" not in sys.modules, "parsing a DAG file is light"
assert dag.dag_id == "myshop_to_shopatron"
connection = Connection("any", "https://vendor.example", "user", "secret", extra={
    "org": "acme", "token_url": "https://auth.example/token", "manufacturer_id": "7", "catalog_id": "3"})
urls = "sqlite:///" + sys.argv[2], "file://" + sys.argv[3]
with Wiring.for_pipeline(dag.dag_id, lambda _: connection, *urls) as wiring:
    wiring.check()
    assert type(wiring.source).__module__ == "order_relay.vendors.myshop.client"
assert "myshop" in {kind["connection-type"] for kind in get_provider_info()["connection-types"]}
assert "MyshopHook" == type(getattr(hooks, "MyshopHook")("x")).__name__
"""


def test_a_vendor_in_a_repository_of_its_own(tmp_path: Path) -> None:
    """With the package installed, a team needs its vendor's folder, a pipeline file, a DAG file and the variable."""
    copied("supercat", tmp_path / "vendors" / "myshop")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "myshop_to_shopatron.yaml").write_text(
        (REPOSITORY / "include/config/supercat_to_shopatron.yaml").read_text().replace("supercat", "myshop")
    )
    (tmp_path / "my_dags.py").write_text(
        (REPOSITORY / "dags/supercat_to_shopatron.py").read_text().replace("supercat", "myshop")
    )
    environment = {
        **os.environ,
        "ORDER_RELAY_VENDORS": str(tmp_path / "vendors"),
        "ORDER_RELAY_CONFIG": str(tmp_path / "config"),
    }
    arguments = [tmp_path / "my_dags.py", tmp_path / "ledger.sqlite", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
