"""Checks each vendor's ``quality.yaml`` and generates docs/vendors/quality.md and the tables of facts from it.

Names of vendors as arguments; default: all that are found. Prints what is wrong and exits with 1 if anything is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, get_args

import yaml
from check_links import anchors
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from order_relay import vendors
from order_relay.airflow.provider import connection_forms
from order_relay_sandbox.discovery import stand_ins

ROOT = Path(__file__).resolve().parents[1]
RULES = Path(__file__).with_name("vendor_rules.yaml")
FILE = "quality.yaml"
STANDARD_FIELDS = frozenset({"host", "login", "password"})

Role = Literal["source", "destination", "status_source", "endpoint"]
Basis = Literal["stated", "seen", "inferred", "assumed"]
Status = Literal["done", "todo", "exempt"]
BASES: tuple[Basis, ...] = get_args(Basis)
SIGNS: Mapping[Status, str] = {"done": "✓", "todo": "todo", "exempt": "–"}

_LEGEND = """\
*Stated*: on a public page of the vendor. *Seen*: in public code or in somebody else's document. *Inferred*: our
conclusion from either, or from a related product. *Assumed*: none of these; a setting, the schema or the mapping
changes it.
[Quality of the vendors](quality.md) names the sources, and how to find out what is assumed.
"""
_FACTS = re.compile(r"(<!-- begin: facts[^\n]*-->\n).*?(<!-- end: facts -->)", re.DOTALL)
_SECTION = re.compile(r"^#+ `(\w+)`.*$", re.MULTILINE)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(_Entry):
    """One fact about a vendor.

    ``pages``: keys of ``Quality.pages``. ``settings``: fields of the connection, or ``section.key`` of a file.
    ``switches``: of the vendor's stand-in. ``code``: paths in the vendor's folder or the repository. ``probe``: how a
    user with an account finds out.
    """

    topic: str
    basis: Annotated[tuple[Basis, ...], BeforeValidator(lambda given: str(given).split(", ")), Field(min_length=1)]
    fact: str
    pages: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    probe: str = ""


class Answer(_Entry):
    """The answer to one rule.

    ``tests``: paths, each with an optional ``::test_name``. ``docs``: anchors of the vendor's page. ``exempt``: of the
    rule ``contract_suite``, tests of the suite that do not apply to the vendor, each with the reason.
    """

    status: Status
    reason: str = ""
    tests: tuple[str, ...] = ()
    docs: tuple[str, ...] = ()
    exempt: dict[str, str] = {}


class Quality(_Entry):
    """A vendor's ``quality.yaml``."""

    roles: tuple[Role, ...] = Field(min_length=1)
    pages: dict[str, str]
    facts: tuple[Fact, ...] = Field(min_length=1)
    rules: dict[str, Answer]


class Rule(_Entry):
    """One rule of ``vendor_rules.yaml``."""

    text: str
    roles: tuple[Role, ...] = get_args(Role)


@cache
def rules() -> dict[str, Rule]:
    """All rules, in their order."""
    return {name: Rule(**entry) for name, entry in yaml.safe_load(RULES.read_text(encoding="utf-8")).items()}


def folder_of(vendor: str) -> Path:
    """A vendor's folder, in the package or outside."""
    return next(Path(root) / vendor for root in vendors.__path__ if (Path(root) / vendor).is_dir())


def page_of(vendor: str) -> Path:
    """The vendor's page: in the documentation, or the README of a folder outside the repository."""
    page = ROOT / "docs" / "vendors" / f"{vendor}.md"
    return page if page.exists() else folder_of(vendor) / "README.md"


def read(vendor: str) -> Quality:
    """A vendor's file. Raises ``FileNotFoundError`` or ``ValidationError``."""
    return Quality(**yaml.safe_load((folder_of(vendor) / FILE).read_text(encoding="utf-8")))


def problems(vendor: str) -> list[str]:
    """What is wrong with a vendor's file; each line names the file and the entry."""
    try:
        quality = read(vendor)
    except FileNotFoundError:
        return [f"{vendor}/{FILE} is missing: answer the rules of scripts/{RULES.name}"]
    except ValidationError as error:
        return [f"{vendor}/{FILE}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    found = [
        *_wrong_roles(vendor, quality),
        *(f"facts: {topic!r} occurs more than once" for topic in _repeated(fact.topic for fact in quality.facts)),
        *(f"facts: {fact.topic}: {wrong}" for fact in quality.facts for wrong in _wrong_fact(vendor, quality, fact)),
        *_wrong_rules(vendor, quality),
    ]
    return [f"{vendor}/{FILE}: {wrong}" for wrong in found]


def _wrong_roles(vendor: str, quality: Quality) -> Iterator[str]:
    simulated = stand_ins().get(vendor)
    roles: set[str] = set(simulated.roles if simulated else ())
    if vendor in vendors.vendor_names("endpoint"):
        roles.add("endpoint")
    if roles and roles != set(quality.roles):
        yield f"roles: the stand-in and the folder say {', '.join(sorted(roles))}"


def _wrong_fact(vendor: str, quality: Quality, fact: Fact) -> Iterator[str]:
    folder = folder_of(vendor)
    simulated = stand_ins().get(vendor)
    switches = simulated.switches_model.model_fields if simulated else {}
    if "stated" in fact.basis and not fact.pages:
        yield "a stated fact names its pages"
    if "assumed" in fact.basis and not fact.probe:
        yield "an assumed fact says how to find out (`probe`)"
    if not (fact.settings or fact.switches or fact.code):
        yield "name the settings, switches or code that depend on it"
    yield from (f"pages: {page!r} is not listed under `pages`" for page in fact.pages if page not in quality.pages)
    yield from (f"settings: no setting {name!r}" for name in fact.settings if not _is_setting(vendor, name))
    yield from (f"switches: the stand-in has no switch {name!r}" for name in fact.switches if name not in switches)
    yield from (f"code: {path} does not exist" for path in fact.code if not _place(folder, path))


def _wrong_rules(vendor: str, quality: Quality) -> Iterator[str]:
    wanted = {name for name, rule in rules().items() if set(rule.roles) & set(quality.roles)}
    yield from (f"rules: {name} is not answered" for name in rules() if name in wanted - quality.rules.keys())
    yield from (f"rules: {name} does not concern this vendor" for name in quality.rules if name not in wanted)
    for name, answer in quality.rules.items():
        if answer.status == "done" and not (answer.tests or answer.docs):
            yield f"rules: {name}: a rule that is done names its tests (or sections of the page)"
        if answer.status != "done" and not answer.reason:
            yield f"rules: {name}: give the reason"
        yield from (f"rules: {name}: {test} does not exist" for test in answer.tests if not _is_test(vendor, test))
        unknown = set(answer.docs) - anchors(page_of(vendor))
        yield from (f"rules: {name}: {page_of(vendor).name} has no section #{anchor}" for anchor in sorted(unknown))


def _repeated(names: Iterable[str]) -> list[str]:
    given = list(names)
    return sorted({name for name in given if given.count(name) > 1})


def _place(folder: Path, path: str) -> Path | None:
    return next((base / path for base in (folder, ROOT, folder.parent) if (base / path).exists()), None)


def _is_test(vendor: str, test: str) -> bool:
    path, _, name = test.partition("::")
    place = _place(folder_of(vendor), path)
    if place is None or not name:
        return place is not None
    return re.search(rf"^\s*(async )?def {re.escape(name)}\(", place.read_text(encoding="utf-8"), re.M) is not None


def _is_setting(vendor: str, name: str) -> bool:
    section, _, key = name.rpartition(".")
    if not section:
        return name in STANDARD_FIELDS or name in connection_forms()[vendor]["extra"]
    return f"| `{key}` |" in _sections().get(section, "")


@cache
def _sections() -> dict[str, str]:
    """The sections of the settings page, which is generated from the models."""
    _, *parts = _SECTION.split((ROOT / "docs" / "settings.md").read_text(encoding="utf-8"))
    found: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        found[name] = found.get(name, "") + text
    return found


# -- pages


def facts_table(quality: Quality) -> str:
    """The facts of a vendor's page, with the meaning of their bases."""
    rows = [f"| {_cell(fact.topic)} | {', '.join(fact.basis)} | {_cell(fact.fact)} |" for fact in quality.facts]
    return "\n".join([_LEGEND, "| topic | basis | fact, and how it is handled |", "|---|---|---|", *rows, ""])


def with_facts(vendor: str, page: str) -> str:
    """A vendor's page with the current facts between its markers. Raises ``SystemExit`` if there are no markers."""
    table = facts_table(read(vendor))
    page, found = _FACTS.subn(lambda match: match[1] + table + match[2], page)
    if not found:
        raise SystemExit(f"docs/vendors/{vendor}.md: the markers of the table of facts are missing")
    return page


def quality_page(names: Sequence[str], note: str) -> str:
    """docs/vendors/quality.md: every vendor's answers, what is open, and what is assumed."""
    answers = {name: read(name) for name in names}
    titles = {name: str(connection_forms()[name]["name"]).partition(" (")[0] for name in names}
    parts = [
        "# Quality of the vendors",
        note,
        "Each vendor folder answers the same rules in its `quality.yaml`, and lists what is known of the vendor and on "
        "what basis. The tests check that named settings, switches of the sandbox, files, tests and sections exist.",
        "## Rules",
        f"{SIGNS['done']}: done, with tests. todo: open, see below. {SIGNS['exempt']}: does not apply, for the given "
        "reason. Empty: concerns other kinds of vendors.",
        _matrix(answers, titles),
        "## Facts by basis",
        "The facts themselves are on the vendors' pages.",
        _table(
            ("vendor", *BASES),
            [
                (f"[{titles[name]}]({name}.md#facts)", *(str(sum(b in f.basis for f in quality.facts)) for b in BASES))
                for name, quality in answers.items()
            ],
        ),
    ]
    for name, quality in answers.items():
        parts += [f"## {titles[name]}", *_vendor(quality)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _matrix(answers: Mapping[str, Quality], titles: Mapping[str, str]) -> str:
    rows = [
        (rule.text, *(SIGNS[q.rules[name].status] if name in q.rules else "" for q in answers.values()))
        for name, rule in rules().items()
    ]
    return _table(("rule", *(titles[name] for name in answers)), rows)


def _vendor(quality: Quality) -> Iterator[str]:
    open_rules = [(rules()[name].text, a.status, a.reason) for name, a in quality.rules.items() if a.status != "done"]
    yield "Not done:"
    yield _table(("rule", "status", "reason"), open_rules)
    yield "Assumed:"
    yield _table(
        ("topic", "settings", "switches of the sandbox", "code", "how to find out"),
        [
            (fact.topic, *(_code(names) for names in (fact.settings, fact.switches, fact.code)), fact.probe)
            for fact in quality.facts
            if "assumed" in fact.basis
        ],
    )
    yield "Sources of the facts:"
    yield "\n".join(f"- {page}" for page in quality.pages.values())


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def main() -> int:
    """Print every problem; 1 if there is any."""
    found = [problem for vendor in sys.argv[1:] or vendors.vendor_names() for problem in problems(vendor)]
    sys.stderr.write("".join(f"{problem}\n" for problem in found))
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
