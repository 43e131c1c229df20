"""Checks that texts use plain technical English: fails on words and phrases listed here, with what to write instead.

`PATHS` says what is checked, `ALLOWED` what may stay. Code spans and code blocks are not checked.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PATHS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
"""Glob patterns, relative to the project."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "docs/dags.md": ("tell", "stand", "judge", "mend"),  # generated; descriptions of the trigger forms
    "docs/settings.md": ("tell", "stand", "so many"),  # generated; descriptions of the connection forms
}
"""Pattern of paths -> names of rules that are not applied there; ``*`` for all."""

RULES: dict[str, tuple[str, str]] = {
    "tell": (r"(?:tells?|telling|told)(?! (?:\w+ )?apart)|hears?|heard", "notify, report, acknowledge, send"),
    "mend": (r"mend|mends|mended|mending", "fix, correct"),
    "so many": (
        r"at most so|so (?:many|long|much) (?:after|before|orders|days|seconds|times)",
        "maximum, after N days",
    ),
    "stand": (
        r"(?:does not |must not |may )?stands? (?:in|on|there|beside|for)\b|stands|stood|lies|goes on|go on",
        "is in, is set in, continues",
    ),
    "rest": (r"(?<!the )rests|resting|wakes?|woken|woke", "is suspended, resumes"),
    "judge": (r"judge|judges|judged|judging", "evaluate"),
    "law": (r"laws?", "accounting check, rule, invariant"),
    "books": (r"books?", "ledger, accounting check"),
    "person": (r"a person|persons|people", "an operator"),
    "far side": (r"far side|gone", "the destination; no longer returned"),
    "can not": (r"can not", "cannot"),
    "twice": (r"(?:stands|is|are|was|comes|came|appears|exists?|named|listed|there) twice", "duplicate"),
    "is no": (r"(?<!there )(?<!which )is no (?!longer|more|less|different|better)\w+", "is not a, must be"),
}
"""Name of a rule -> regular expression (whole words, any case), and what to write instead."""

_PATTERNS = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, (words, _) in RULES.items()}
_CODE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1|``[^`]+``|`[^`]*`|^(?: {4}|\t)[^\n|*-]*$|\]\([^)]*\)", re.M | re.S)


def main() -> int:
    """Print every finding; 1 if there is any."""
    pages = sorted({page for pattern in PATHS for page in ROOT.glob(pattern)})
    findings = [finding for page in pages for finding in check(page)]
    for finding in findings:
        sys.stderr.write(f"{finding}\n")
    return bool(findings)


def check(page: Path) -> Iterator[str]:
    """The findings of one page: place, words, and what to write instead."""
    name = page.relative_to(ROOT)
    allowed = {rule for pattern, rules in ALLOWED.items() if name.match(pattern) for rule in rules}
    if "*" in allowed:
        return
    for number, line in enumerate(prose(page.read_text(encoding="utf-8")).splitlines(), 1):
        for rule, pattern in _PATTERNS.items():
            if rule not in allowed:
                for found in pattern.findall(line):
                    yield f"{name}:{number}: {found!r}; write: {RULES[rule][1]}"


def prose(text: str) -> str:
    """The text without code, with its line breaks kept."""
    return _CODE.sub(lambda match: "\n" * match.group().count("\n"), text)


if __name__ == "__main__":
    sys.exit(main())
