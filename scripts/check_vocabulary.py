"""Checks that texts use plain technical English: fails on words and phrases listed here, with what to write instead.

Pages: prose without code. Python: docstrings, comments, messages (string literals of several words) and identifiers.
YAML: everything. `PENDING` lists the packages that do not pass yet.

    check_vocabulary.py             fail on any finding outside `PENDING`, and where a package has more than listed
    check_vocabulary.py PATH ...    print the findings of these files or folders
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md", "include/**/*.md")
CODE = ("include/**/*.py", "dags/**/*.py", "plugins/**/*.py", "scripts/*.py", "benchmarks/**/*.py")
DATA = ("include/**/*.yaml", "scripts/*.yaml")
"""Glob patterns, relative to the project."""

PENDING: dict[str, int] = {
    "include/order_relay/ledger/store/migrations": 5,
}
"""Package -> findings it has at most. Lower the number when you remove some, drop the package when none is left."""

ALLOWED: dict[str, tuple[str, ...]] = {
    "scripts/check_vocabulary.py": ("*",),
    "docs/settings.md": ("tell", "stand", "so many"),  # generated; descriptions of the connection forms
}
"""Pattern of paths -> names of rules that are not applied there; ``*`` for all."""

PUBLIC_WORDS = frozenset(
    {"gone_after_s", "gone_at", "mended_at", "tell", "tell_after_s", "told_at", "told_size"}  # ``tell`` is a task id
)
"""Columns, YAML keys, commands and members of other systems' messages: allowed as identifiers."""

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
    "far side": (r"far sides?|gone", "the destination; no longer returned"),
    "can not": (r"can not", "cannot"),
    "twice": (r"(?:stands|is|are|was|comes|came|appears|exists?|named|listed|there) twice", "duplicate"),
    "is no": (r"(?<!there )(?<!which )is no (?!longer|more|less|different|better)\w+", "is not a, must be"),
    "firm": (r"firms?", "company"),
    "whatever says": (r"(?:whoever|whatever) (?:\w+ )?says", "regardless of"),
}
"""Name of a rule -> regular expression (whole words, any case), and what to write instead."""

IDENTIFIERS = frozenset(
    [
        "told",
        "tell",
        "tells",
        "said",
        "heard",
        "mend",
        "mended",
        "mending",
        "judge",
        "judged",
        "judging",
        "law",
        "laws",
        "books",
        "people",
        "gone",
        "whys",
        "woken",
    ]
)
"""Words that no identifier has as a part."""

_PATTERNS = {name: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for name, (words, _) in RULES.items()}
_ANY = re.compile("|".join(pattern.pattern for pattern in _PATTERNS.values()), re.IGNORECASE)
_NAME = re.compile(rf"(?<![^\W_])(?:{'|'.join(sorted(IDENTIFIERS))})(?![^\W_])", re.IGNORECASE)
_CODE_SPAN = re.compile(
    r"^ {0,3}(```|~~~).*?^ {0,3}\1|``[^`]+``|`[^`]*`|^(?: {4}|\t)[^\n|*-]*$|\]\([^)]*\)", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"``[^`]+``|`[^`\n]*`")
_FIELD = re.compile(r"\{[^{}]*\}")
_FSTRING_PART = getattr(tokenize, "FSTRING_MIDDLE", None)  # Python 3.12 and later
_STRING = re.compile(r"(?is)^([rbfu]*)('''|\"\"\"|'|\")(.*)\2$")


def main(arguments: list[str]) -> int:
    """Print findings; 1 if any is outside ``PENDING``, or a pending package has more than listed."""
    if arguments:
        for file in _files(arguments):
            for finding in check(file):
                sys.stdout.write(f"{finding}\n")
        return 0
    failures: list[str] = []
    counts: Counter[str] = Counter()
    for file in _files(()):
        package = next((name for name in PENDING if file.is_relative_to(ROOT / name)), None)
        findings = list(check(file))
        if package is None:
            failures += findings
        else:
            counts[package] += len(findings)
    failures += [
        f"{name}: {counts[name]} findings, at most {most} expected; see scripts/check_vocabulary.py {name}"
        for name, most in PENDING.items()
        if counts[name] > most
    ]
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    return bool(failures)


def _files(arguments: list[str] | tuple[()]) -> list[Path]:
    found = {file for pattern in (*PAGES, *CODE, *DATA) for file in ROOT.glob(pattern)}
    if arguments:
        wanted = [Path(argument).resolve() for argument in arguments]
        found = {file for file in found if any(file.is_relative_to(place) for place in wanted)}
    return sorted(found)


def check(file: Path) -> Iterator[str]:
    """The findings of one file: where, the words, and what to write instead."""
    name = file.relative_to(ROOT)
    allowed = {rule for pattern, rules in ALLOWED.items() if name.match(pattern) for rule in rules}
    if "*" in allowed:
        return
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        if not (_ANY.search(text) or _NAME.search(text)):
            return  # tokenizing is slow
        for number, identifier in private_identifiers(text):
            yield f"{name}:{number}: identifier {identifier!r}"
        parts = texts_of(text)
    else:
        parts = iter([(1, prose(text) if file.suffix == ".md" else _SPAN.sub("", text))])
    for start, part in parts:
        for number, line in enumerate(part.splitlines(), start):
            for rule, pattern in _PATTERNS.items():
                if rule not in allowed:
                    for found in pattern.findall(line):
                        yield f"{name}:{number}: {found!r}; write: {RULES[rule][1]}"


def prose(text: str) -> str:
    """A page without code, with its line breaks kept."""
    return _CODE_SPAN.sub(_blank, text)


def texts_of(source: str) -> Iterator[tuple[int, str]]:
    """First line and text of each comment and of each string literal that holds several words, without code spans."""
    for token in _tokens(source):
        if token.type == tokenize.COMMENT:
            yield token.start[0], _SPAN.sub("", token.string)
        elif token.type == tokenize.STRING and (match := _STRING.match(token.string)):
            prefix, _, text = match.groups()
            if "f" in prefix.lower():
                text = _FIELD.sub(_blank, text)
            if len(text.split()) > 1:
                yield token.start[0], _SPAN.sub(_blank, text)
        elif token.type == _FSTRING_PART:
            yield token.start[0], _SPAN.sub(_blank, token.string)


def private_identifiers(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each identifier with a part among ``IDENTIFIERS``; each name once."""
    seen: set[str] = set()
    for token in _tokens(source):
        if token.type == tokenize.NAME and token.string not in seen | PUBLIC_WORDS and _NAME.search(token.string):
            seen.add(token.string)
            yield token.start[0], token.string


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source).readline)


def _blank(match: re.Match[str]) -> str:
    return "\n" * match.group().count("\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
