"""Stand-ins are found by folder, in the package and in the folders of ORDER_RELAY_VENDORS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from order_relay_sandbox import Sandbox, serve_in_thread, stand_ins, with_role
from order_relay_sandbox.__main__ import main

STAND_IN = """
from aiohttp import web

from order_relay_sandbox.audit import Offer
from order_relay_sandbox.stand_in import Option, Route, StandIn, Switches

from .orders import made


class DepotSwitches(Switches):
    key: str = "demo"


class Depot(StandIn[DepotSwitches]):
    name = "depot"
    roles = ("source",)
    switches_model = DepotSwitches
    roots = ("/depot/",)
    options = (Option("--depot-key", "key", "the depot's key"),)

    @classmethod
    def routes(cls):
        return [Route("GET", "/depot/orders", "list")]

    def control_routes(self):
        return [web.get("/_depot/key", self.show)]

    def connection(self, url):
        return {"host": f"{url}/depot", "login": "", "password": self.switches.key, "extra": {}}

    def offer(self, orders, kind):
        for number in orders:
            self.audit.offer(Offer(self.name, number, number, "", None, number, None, kind))
        return 1

    def generate(self, count, seed):
        self.offer(made(count), "plain")

    async def list(self, request):
        return web.json_response(made(2))

    async def show(self, request):
        return web.json_response(self.switches.key)

    def report(self):
        return {"key": self.switches.key}

    def refusal(self, refused):
        return web.json_response({"depot": refused.status}, status=refused.status)


STAND_IN = Depot
"""


@pytest.fixture
def vendors(tmp_path, monkeypatch):
    """A folder of vendors with one stand-in, ``depot``, and one vendor without."""
    (tmp_path / "depot").mkdir()
    (tmp_path / "plain").mkdir()
    (tmp_path / "depot" / "stand_in.py").write_text(STAND_IN)
    (tmp_path / "depot" / "orders.py").write_text("def made(count):\n    return [f'D{n}' for n in range(count)]\n")
    monkeypatch.setenv("ORDER_RELAY_VENDORS", f"{tmp_path}{os.pathsep}{tmp_path / 'plain'}")
    return tmp_path


def test_in_the_package():
    assert with_role("source")[:2] == ("supercat", "cloudsuite")
    assert "shopatron" in with_role("destination")
    assert "acommerce" in with_role("status_source")


def test_a_stand_in_elsewhere_has_everything_of_its_own(vendors):
    assert "depot" in with_role("source")
    with serve_in_thread({"depot": {"key": "k"}}, orders=3, sources=["depot"]) as sandbox:
        assert sandbox.report()["offered"] == 3
        assert sandbox.report()["depot"] == {"key": "k"}
        assert sandbox.get("/depot/orders") == ["D0", "D1"]
        assert sandbox.get("/_depot/key") == "k"
        assert sandbox.connections()["depot"]["host"] == f"{sandbox.url}/depot"


async def test_it_answers_unknown_paths_itself(vendors, calling):
    async with calling() as caller:
        assert (await caller.call("GET", "/depot/nothing"))[:2] == (404, {"depot": 404})
        assert (await caller.call("POST", "/depot/orders"))[:2] == (405, {"depot": 405})
        assert (await caller.call("GET", "/nothing"))[0] == 404


def test_its_options_and_switches_are_known_by_command(vendors, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--depot-key" in capsys.readouterr().out
    with pytest.raises(ValueError, match="kee"):
        Sandbox({"depot": {"kee": 1}})


@pytest.mark.parametrize("folder", ["other", "shopatron"])
def test_a_name_must_be_its_folders_and_unique(vendors, folder):
    (vendors / folder).mkdir()
    text = STAND_IN.replace("from .orders import made", "made = list")
    (vendors / folder / "stand_in.py").write_text(text if folder == "other" else text.replace('"depot"', '"shopatron"'))
    with pytest.raises(ValueError, match="unique"):
        stand_ins()


def test_a_folder_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("ORDER_RELAY_VENDORS", "/nowhere")
    with pytest.raises(ValueError, match="ORDER_RELAY_VENDORS: folder not found: /nowhere"):
        stand_ins()


def test_a_broken_stand_in_stops_the_sandbox(vendors):
    Path(vendors / "depot" / "stand_in.py").write_text("import nothing_of_this_name\n")
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        stand_ins()


@pytest.mark.parametrize("name", ["acommerce", "cloudsuite", "shopatron", "supercat"])
def test_connections_carry_the_switches_credentials(name):
    connection = Sandbox({"supercat": {"password": "p"}}).connections("http://h")[name]
    assert set(connection) == {"host", "login", "password", "extra"}
    assert connection["host"].startswith("http://h")
    assert (connection["password"] == "p") is (name == "supercat")
