"""The documentation's checks notice what they are for, and the reference pages say everything that the code knows."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from order_relay.ledger.schema.states import TRANSITIONS, State
from order_relay.pipeline.report.advice import CODES

ROOT = Path(__file__).resolve().parents[3]


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    sys.modules.pop(name, None)
    return importlib.import_module(name)


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = script("check_links", monkeypatch)
    (tmp_path / "docs").mkdir()
    headings = ("# A page", "## `A` heading, really", "## Twice", "## Twice", "## A / B")
    (tmp_path / "docs" / "there.md").write_text("\n\n".join(headings))
    (tmp_path / "outside.md").write_text("# Outside\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "DOCS", tmp_path / "docs")
    return module


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("there.md", ""),
        ("there.md#a-heading-really", ""),
        ("there.md#twice", ""),
        ("https://vendor.example/x", ""),
        ("gone.md", "does not exist"),
        ("there.md#b-heading", "no heading"),
        ("there.md#a--b", "no heading"),  # GitHub and the site disagree on this anchor
        ("../outside.md", "leaves docs/"),
    ],
)
def test_a_dead_link_is_found(links: ModuleType, link: str, problem: str) -> None:
    page = links.DOCS / "page.md"
    page.write_text(f"See [it]({link}).\n\n```text\n[not a link](nowhere.md)\n```\n")
    found = list(links.dead_links(page))
    assert (problem in found[0]) if problem else not found


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("ledger/states.py", False),
        ("ledger/nowhere.py", True),
        ("include/order_relay/ledger/", False),
        ("include/elsewhere/", True),
        ("vendors/NAME/vendor.py", False),  # a placeholder
        ("batches/2026/", False),  # not one of our folders
    ],
)
def test_a_path_of_code_that_does_not_exist_is_found(links: ModuleType, path: str, missing: bool) -> None:
    (links.ROOT / "include" / "order_relay" / "ledger").mkdir(parents=True)
    (links.ROOT / "include" / "order_relay" / "ledger" / "states.py").touch()
    page = links.DOCS / "page.md"
    page.write_text(f"See `{path}`.\n")
    assert bool(list(links.missing_code(page))) is missing


def test_a_page_without_a_place_in_the_menu_is_found(links: ModuleType) -> None:
    (links.ROOT / "mkdocs.yml").write_text("x: 1\nnav:\n  - A: missing.md\n")
    assert [line.partition(": ")[2] for line in links.missing_in_menu()] == [
        "missing.md does not exist",
        "there.md is missing from nav",
    ]


@pytest.mark.parametrize(
    ("text", "noticed"),
    [
        ("People are told once.", 2),
        ("The setting does not stand in the file.", 1),
        ("It can not be read.", 1),
        ("`told` is code; versions are told apart; there is no other way; the rest waits.", 0),
    ],
)
def test_discouraged_terms_are_found(text: str, noticed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("check_vocabulary", monkeypatch)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "page.md").write_text(f"{text}\n\n```sh\npeople told\n```\n")
    assert len(list(module.check(tmp_path / "page.md"))) == noticed


@pytest.mark.parametrize(
    ("source", "noticed"),
    [
        ('"""Orders that stand in the ledger."""', 1),
        ("x = 1  # a person mends it", 2),
        ('raise ValueError(f"{count} orders can not be read")', 1),
        ("told = said_by = gone_at = 1", 2),
        ('KEYS = {"told": "mended_at", "by": "``told`` is a key"}', 0),
        ('"""First line.\n\nThe third: books.\n"""', 1),
    ],
)
def test_code_is_checked_as_well(source: str, noticed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("check_vocabulary", monkeypatch)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "module.py").write_text(f"{source}\n")
    found = list(module.check(tmp_path / "module.py"))
    assert len(found) == noticed
    assert all(f":{1 + source[: source.find('third')].count(chr(10))}: " in finding for finding in found)


def test_a_package_may_not_get_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("check_vocabulary", monkeypatch)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "include" / "old").mkdir(parents=True)
    (tmp_path / "include" / "old" / "module.py").write_text("told = 1\nsaid = 2\n")
    for most, code in ((2, 0), (1, 1)):
        monkeypatch.setattr(module, "PENDING", {"include/old": most})
        assert module.main([]) == code
    monkeypatch.setattr(module, "PENDING", {})
    assert module.main([]) == 1


def test_the_reference_names_every_state_transition_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    page = script("reference_pages", monkeypatch).states_page()
    assert [state for state in State if f"| `{state}` |" not in page] == []
    assert page.count(" --> ") == sum(map(len, TRANSITIONS.values())) + 4, "two initial and two final states besides"
    assert [code for code in CODES if f"| `{code}` |" not in page] == []


def test_the_diagram_in_the_architecture_page_is_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("reference_pages", monkeypatch)
    page = module.with_diagram("<!-- begin: transitions (generated) -->\nold\n<!-- end: transitions -->\n")
    assert "old" not in page
    assert page.count(" --> ") == sum(map(len, TRANSITIONS.values())) + 4
    with pytest.raises(SystemExit, match="markers"):
        module.with_diagram("a page without them")


def test_a_setting_without_a_meaning_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = script("reference_pages", monkeypatch)

    class Silent(module.BaseModel):  # type: ignore[misc, name-defined]
        delay_s: int = 1

    texts = module.Texts({"file.other": "A text that no setting has."})
    list(module.sections(Silent, texts, "file"))
    with pytest.raises(SystemExit, match=r"add a text for file\.delay_s; no setting file\.other"):
        texts.complain()


def test_the_readme_stays_an_overview() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= 8 * 1024
