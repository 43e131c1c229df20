"""Whether the claims of a vendor's ``quality.yaml`` are right: every rule answered, and every name in it exists."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from order_relay import vendors
from order_relay.http.connection_settings import STANDARD_FIELDS
from order_relay.pipeline.settings.pipeline import PipelineSettings
from order_relay.pipeline.settings.status_account import StatusSettings
from order_relay.wiring.transformation import settings_model
from order_relay_sandbox import stand_ins

RULES = Path(__file__).with_name("rules.yaml")
FILE = "quality.yaml"

Role = Literal["source", "destination", "status_source", "endpoint"]
Basis = Literal["stated", "seen", "inferred", "assumed"]
Status = Literal["done", "todo", "exempt"]


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


def repository_of(vendor: str) -> Path | None:
    """The repository of a vendor's folder: the next folder above it that has tests; ``None`` if installed."""
    above = (*folder_of(vendor).parents, *Path(vendors.__file__).parents)
    return next((folder for folder in above if (folder / "tests").is_dir()), None)


def page_of(vendor: str) -> Path:
    """The vendor's page: in the documentation, or the README of a folder outside the package."""
    page = (repository_of(vendor) or Path()) / "docs" / "vendors" / f"{vendor}.md"
    return page if page.exists() else folder_of(vendor) / "README.md"


def read(vendor: str) -> Quality:
    """A vendor's file. Raises ``FileNotFoundError`` or ``ValidationError``."""
    return Quality(**yaml.safe_load((folder_of(vendor) / FILE).read_text(encoding="utf-8")))


def problems(vendor: str) -> list[str]:
    """What is wrong with a vendor's file; each line names the file and the entry."""
    try:
        quality = read(vendor)
    except FileNotFoundError:
        return [f"{vendor}/{FILE} is missing: answer the rules of order_relay_contract/support/rules.yaml"]
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
    yield from (f"code: {path} does not exist" for path in fact.code if not _place(vendor, path))


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
        unknown = set(answer.docs) - _anchors(page_of(vendor))
        yield from (f"rules: {name}: {page_of(vendor).name} has no section #{anchor}" for anchor in sorted(unknown))


def _repeated(names: Iterable[str]) -> list[str]:
    given = list(names)
    return sorted({name for name in given if given.count(name) > 1})


def _place(vendor: str, path: str) -> Path | None:
    folder = folder_of(vendor)
    bases = (folder, repository_of(vendor) or folder, folder.parent)
    return next((base / path for base in bases if (base / path).exists()), None)


def _is_test(vendor: str, test: str) -> bool:
    path, _, name = test.partition("::")
    place = _place(vendor, path)
    if place is None or not name:
        return place is not None
    return re.search(rf"^\s*(async )?def {re.escape(name)}\(", place.read_text(encoding="utf-8"), re.M) is not None


def _is_setting(vendor: str, name: str) -> bool:
    section, _, key = name.rpartition(".")
    if not section:
        return name in STANDARD_FIELDS or name in vendors.load_vendor(vendor).form()["extra"]
    if section == "transform":
        return key in settings_model(vendor).model_fields
    return any(key in _keys(model, section) for model in (PipelineSettings, StatusSettings))


def _keys(model: type[BaseModel], section: str) -> Mapping[str, Any]:
    field = model.model_fields.get(section)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((kind.model_fields for kind in kinds if hasattr(kind, "model_fields")), {})


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"(?m)^#+ +(.+?) *$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
