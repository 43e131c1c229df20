"""The README's installation, outside the repository: the package is installed, the DAG folder copied, nothing else.

The dependencies come from the environment at hand, and no network is needed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.slow
BUILT_FROM = ("pyproject.toml", "setup.py", "requirements.txt", "README.md")

LOOK = """
import json, logging, sys
logging.disable(logging.WARNING)
from airflow.dag_processing.dagbag import DagBag
import order_relay
from order_relay.desk.rendering import HERE
from order_relay.pipeline.settings.locations import config_folder
from order_relay.pipeline.settings.pipeline import load_file, pipeline_files
from order_relay.wiring.transformation import canonical_reader, checked

bag = DagBag(dag_folder=sys.argv[1], bundle_path=sys.argv[1], bundle_name="installed")
pipelines = {name: checked(load_file(path)) for name, path in pipeline_files().items()}
print(json.dumps({
    "package": order_relay.__file__, "config": str(config_folder()), "dags": sorted(bag.dags),
    "errors": {file: error[-500:] for file, error in bag.import_errors.items()},
    "modes": {name: settings.mode for name, settings in pipelines.items()},
    "desk": sorted(str(file.relative_to(HERE)) for file in HERE.rglob("*.*") if file.suffix[:3] != ".py"),
    "readers": len([canonical_reader(settings) for settings in pipelines.values()]),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the package in it, and a folder ``dags``; the folder that holds both."""
    if int(version("setuptools").partition(".")[0]) < 77 and not os.environ.get("ORDER_RELAY_REQUIRE_BUILD"):
        pytest.skip("the set-up is out of date: building needs setuptools 77 or later (make setup)")
    place = tmp_path_factory.mktemp("installed")
    project = place / "project"
    project.mkdir()
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, project)
    shutil.copytree(ROOT / "include", project / "include", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    venv.create(place / "venv", with_pip=False)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place / "venv")}))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--no-compile", "--target", str(packages), str(project)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # A path alone: what is installed there is importable, but no editable installation of this package is.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    shutil.rmtree(project)
    shutil.copytree(ROOT / "dags", place / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    return place


def run(place: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the environment's Python elsewhere, as a user would: no PYTHONPATH, no setting of ours."""
    ours = ("AIRFLOW", "ORDER_RELAY", "PYTHON")
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        [str(place / "venv" / "bin" / "python"), *arguments],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env=env | {"AIRFLOW_HOME": str(place / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"} | settings,
    )


def python(place: Path, *arguments: str) -> Any:
    """The JSON document that a successful run prints."""
    done = run(place, *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout[done.stdout.index("{") :])


def test_every_dag_of_an_installation_parses_and_nothing_is_live(installed: Path) -> None:
    seen = python(installed, "-c", LOOK, str(installed / "dags"))
    assert Path(seen["package"]).is_relative_to(installed), "the test looks at the installed package"
    assert seen["errors"] == {}
    assert len(seen["dags"]) == len(list((ROOT / "dags").glob("*.py"))) >= 10
    assert Path(seen["config"]).is_relative_to(installed)
    assert set(seen["modes"].values()) == {"shadow"}
    desk = ROOT / "include" / "order_relay" / "desk"
    assert seen["desk"] == sorted(
        str(file.relative_to(desk)) for folder in ("static", "templates") for file in (desk / folder).rglob("*.*")
    )
    assert seen["readers"] == len(seen["modes"]) == 2


COMMAND = "import sys; from importlib.metadata import entry_points; c, = entry_points(group='console_scripts', "
COMMAND += "name='order-relay'); sys.exit(c.load()())"


def test_the_steps_of_the_readme_lead_to_a_working_installation(installed: Path) -> None:
    steps = re.findall(r"^\d\. (.+?)(?=^\d\. |\Z)", section("## Install"), re.MULTILINE | re.DOTALL)
    assert len(steps) == 5
    assert "pip install ." in steps[0], "which the fixture does"

    assert "Copy `include/config/` to `$AIRFLOW_HOME/order_relay/config/`" in steps[1]
    own = installed / "home" / "order_relay" / "config"
    shutil.copytree(ROOT / "include" / "config", own)

    assert "`order-relay ledger migrate`" in steps[2]
    assert python(installed, "-c", COMMAND, "ledger", "migrate", "--json")["migrated"] is True
    assert (installed / "home" / "order_relay" / "ledger.sqlite").is_file()

    assert "`order-relay doctor`" in steps[3]
    seen = python(installed, "-c", COMMAND, "doctor", "--no-vendors", "--json")
    assert seen["ok"] is True, seen
    assert f"2 files in {own}" in {finding["found"] for finding in seen["findings"]}


@pytest.mark.parametrize(("url", "extra"), [("s3://a_connection@bucket/x", "s3"), ("gs://bucket/x", "gcs")])
def test_doctor_names_the_extra_that_a_store_needs_in_one_line(installed: Path, url: str, extra: str) -> None:
    module = {"s3": "s3fs", "gcs": "gcsfs"}[extra]
    without = f"import sys; sys.modules[{module!r}] = None; {COMMAND}"  # also where it is installed
    done = run(installed, "-c", without, "doctor", "--no-vendors", AIRFLOW_VAR_ORDER_RELAY_BATCHES=url)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("fail  batch store")]
    assert f"pip install 'order-relay[{extra}]'" in line
    assert "Traceback" not in done.stdout + done.stderr


def section(heading: str) -> str:
    """What the README says under a heading, up to the next one."""
    text = (ROOT / "README.md").read_text()
    found = text[text.index(heading) + len(heading) :]
    return found[: found.index("\n## ")]
