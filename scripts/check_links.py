"""Checks README and docs for dead links and for paths of code that do not exist, and the site's menu."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CODE_ROOTS = (".", "include", "include/order_relay")
"""Folders that paths in code spans are relative to."""

OTHERS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "include/**/README.md")

_FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$", re.MULTILINE)
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|yaml|yml|json|md)|(?:[\w.-]+/){2,})`")
_PLACEHOLDER = re.compile(r"NAME|VENDOR|SOURCE|PIPELINE|RUN")
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def main() -> int:
    """Print every problem; 1 if there is any."""
    pages = sorted({*DOCS.rglob("*.md"), *(page for pattern in OTHERS for page in ROOT.glob(pattern))})
    problems = [problem for page in pages for problem in (*dead_links(page), *missing_code(page))] + missing_in_menu()
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    sys.stdout.write(f"{len(pages)} pages, {len(problems)} problems\n")
    return bool(problems)


def dead_links(page: Path) -> Iterator[str]:
    """Dead links of a page."""
    text = page.read_text(encoding="utf-8")
    prose = _CODE.sub("", _FENCE.sub("", text))
    for link in _LINK.findall(prose):
        if _EXTERNAL.match(link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        where = f"{page.relative_to(ROOT)}: link {link!r}"
        if not target.exists():
            yield f"{where}: {path} does not exist"
        elif page.is_relative_to(DOCS) and not target.is_relative_to(DOCS):
            yield f"{where}: leaves docs/ and would be dead on the site"
        elif anchor and target.suffix == ".md" and anchor not in anchors(target):
            yield f"{where}: {target.name} has no heading #{anchor}"


def missing_code(page: Path) -> Iterator[str]:
    """Paths in code spans, such as ``ledger/alerts.py``, that do not exist. ``NAME`` and the like are placeholders."""
    for path in _PATH.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        roots = [page.parent, *(ROOT / root for root in CODE_ROOTS)]
        ours = path[-1] != "/" or any((root / path.partition("/")[0]).exists() for root in roots)
        if ours and not _PLACEHOLDER.search(path) and not any((root / path).exists() for root in roots):
            yield f"{page.relative_to(ROOT)}: {path} does not exist"


@cache
def anchors(page: Path) -> frozenset[str]:
    """Anchors of a page's headings, without those that GitHub and the site form differently."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip()
        github, site = slug.replace(" ", "-"), re.sub(r"[-\s]+", "-", slug)
        if not seen[github] and github == site:
            found.add(github)
        seen[github] += 1
    return frozenset(found)


def missing_in_menu() -> list[str]:
    """Pages missing from the site's menu, and menu entries without a page."""
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    named = set(re.findall(r"[\w./-]+\.md", menu))
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    listed_elsewhere = {page for page in there if page.startswith("decisions/")}
    return [
        *(f"mkdocs.yml: {page} does not exist" for page in sorted(named - there)),
        *(f"mkdocs.yml: {page} is missing from nav" for page in sorted(there - named - listed_elsewhere)),
    ]


if __name__ == "__main__":
    sys.exit(main())
