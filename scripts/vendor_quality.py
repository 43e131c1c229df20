"""Checks each vendor's ``quality.yaml`` and generates docs/vendors/quality.md and the tables of facts from it.

Names of vendors as arguments; default: all that are found. Prints what is wrong and exits with 1 if anything is.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import get_args

from order_relay import vendors
from order_relay.airflow.provider import connection_forms
from order_relay_contract.support.quality import Basis, Quality, Status, problems, read, rules

BASES: tuple[Basis, ...] = get_args(Basis)
SIGNS: Mapping[Status, str] = {"done": "✓", "todo": "todo", "exempt": "–"}

_LEGEND = """\
*Stated*: on a public page of the vendor. *Seen*: in public code or in somebody else's document. *Inferred*: our
conclusion from either, or from a related product. *Assumed*: none of these; a setting, the schema or the mapping
changes it.
[Quality of the vendors](quality.md) names the sources, and how to find out what is assumed.
"""
_FACTS = re.compile(r"(<!-- begin: facts[^\n]*-->\n).*?(<!-- end: facts -->)", re.DOTALL)


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
