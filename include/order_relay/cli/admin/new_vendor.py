"""``new-vendor``: the files of a new vendor, of its pipeline and of its tests, made from ``templates/``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

import order_relay
from order_relay import COMMAND
from order_relay.cli.output import print_line
from order_relay.errors import ConfigurationError
from order_relay.pipeline.settings.locations import CONFIG_VARIABLE
from order_relay.vendors import VENDORS_VARIABLE, all_vendors, is_vendor_name, vendor_names

Role = Literal["source", "destination"]

_TEMPLATES = Path(__file__).with_name("templates")
_SUFFIX = ".template"
_TITLE = re.compile(r"\w([^\"'\\:#\n]{0,48}[^\s\"'\\:#])?")
_SUITE = "from order_relay_contract import *  # noqa: F403  (tests that every vendor passes)\n"


def new_vendor(
    name: Annotated[str, typer.Argument(help="Name of the vendor's folder: lower-case letters and digits.")],
    source: Annotated[bool, typer.Option("--source", help="Orders are read from it.")] = False,
    destination: Annotated[bool, typer.Option("--destination", help="Orders are sent to it.")] = False,
    other: Annotated[
        str | None, typer.Option("--with", help="Vendor at the other end of the pipeline; default: the only one.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Its name in texts; default: NAME, capitalized.")] = None,
    into: Annotated[
        Path | None, typer.Option(help="Your repository, with folders vendors, config, dags and tests.")
    ] = None,
) -> None:
    """Make the folder of a new vendor, its stand-in, its tests, and a pipeline in shadow mode. Overwrites nothing."""
    if source == destination:
        raise ConfigurationError("give either --source or --destination")
    role: Role = "source" if source else "destination"
    if not is_vendor_name(name):
        raise ConfigurationError(
            f"NAME {name!r} must consist of lower-case letters and digits, beginning with a letter"
        )
    if name in vendor_names():
        raise ConfigurationError(f"a vendor {name!r} exists already")
    title = title or name.capitalize()
    if not _TITLE.fullmatch(title):
        raise ConfigurationError("--title must have at most 50 characters, without quotes, colons, # and backslashes")
    layout = _Layout.of(into)
    files = _rendered(layout, name, title, role, _partner(role, other))
    if existing := sorted(str(path) for path in files if path.exists()):
        raise ConfigurationError(f"nothing was written, because these files exist: {', '.join(existing)}")
    print_line(f"Made in {layout.root}:")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print_line(f"  {path.relative_to(layout.root)}")
    if layout.checkout and _add_to_menu(layout.root / "mkdocs.yml", name, title):
        print_line("and the page's place in the menu of mkdocs.yml")
    for line in _next_steps(layout, name):
        print_line(line)


@dataclass(frozen=True)
class _Layout:
    """Where the files go. ``{}`` is the vendor's name. ``checkout``: the package's own repository."""

    root: Path
    vendor: str = "vendors/{}"
    stand_in: str = "vendors/{}/stand_in.py"
    config: str = "config"
    dags: str = "dags"
    tests: str = "tests"
    checkout: bool = False

    @classmethod
    def of(cls, into: Path | None) -> _Layout:
        package = Path(order_relay.__file__).parent
        if into is not None:
            if not into.is_dir():
                raise ConfigurationError(f"--into: folder {str(into)!r} does not exist")
            return cls(into.absolute())
        if package.parent.name != "include":
            raise ConfigurationError("the package is installed; name your repository with --into FOLDER")
        return cls(
            package.parents[1],
            "include/order_relay/vendors/{}",
            "include/order_relay_sandbox/{}/stand_in.py",
            "include/config",
            tests="tests/vendors/{}/contract",  # a vendor's tests that need sockets
            checkout=True,
        )

    def place(self, template: str, name: str, pipeline: str) -> Path:
        """Where the file made from a template goes."""
        places = {
            "stand_in.py": self.stand_in,
            "pipeline.yaml": f"{self.config}/{pipeline}.yaml",
            "dag.py": f"{self.dags}/{pipeline}.py",
            "test_vendor.py": f"{self.tests}/test_{{}}.py",
            "conftest.py": f"{self.tests}/conftest.py",
            "docs.md": "docs/vendors/{}.md",
        }
        return self.root / places.get(template, f"{self.vendor}/{template}").replace("{}", name)


def _partner(role: Role, given: str | None) -> str:
    """The vendor at the other end of the pipeline."""
    wanted: Role = "destination" if role == "source" else "source"
    available = [vendor.name for vendor in all_vendors() if getattr(vendor, wanted)]
    if given is None and len(available) == 1:
        return available[0]
    if given not in available:
        problem = "name it with --with" if given is None else f"{given!r} is not a {wanted}"
        raise ConfigurationError(f"the other end of the pipeline: {problem}; available: {', '.join(available)}")
    return given


def _rendered(layout: _Layout, name: str, title: str, role: Role, partner: str) -> dict[Path, str]:
    ends = (name, partner) if role == "source" else (partner, name)
    pipeline = "_to_".join(ends)
    values = {
        "NAME": name,
        "CLASS": name.capitalize(),
        "TITLE": title,
        "PIPELINE": pipeline,
        "SOURCE": ends[0],
        "DESTINATION": ends[1],
        "TRANSFORM": _transform(partner) if role == "source" else "# transform: {}",
        "IMPORT_SUITE": "" if layout.checkout else _SUITE,  # a checkout has a module that runs it for all vendors
        "VENDORS": "" if layout.checkout else f'VENDORS = ["{name}"]\n\n',
    }
    files = {}
    for template in _templates(role):
        kind = template.name.removesuffix(_SUFFIX)
        path = layout.place(kind, name, pipeline)
        shared = kind == "conftest.py"  # one for all vendors of a repository
        if (kind == "docs.md" and not layout.checkout) or (shared and (layout.checkout or path.exists())):
            continue
        files[path] = _fill(template.read_text(encoding="utf-8"), values)
    for path in list(files) if layout.checkout else ():
        packages = [folder for folder in path.relative_to(layout.root).parents if name in folder.parts]
        files |= {layout.root / folder / "__init__.py": f'"""{title}."""\n' for folder in packages}
    return dict(sorted(files.items()))


def _add_to_menu(site: Path, name: str, title: str) -> bool:
    """Add the vendor's page to the documentation's menu, after the last vendor; whether there is such a menu."""
    menu = site.read_text(encoding="utf-8") if site.exists() else ""
    entries = list(re.finditer(r"(?m)^( *- ).*: vendors/(?!quality)\w+\.md\n", menu))
    for last in entries[-1:]:
        site.write_text(
            f"{menu[: last.end()]}{last[1]}{title}: vendors/{name}.md\n{menu[last.end() :]}", encoding="utf-8"
        )
    return bool(entries)


def _templates(role: Role) -> Iterator[Path]:
    for folder in ("common", role):
        yield from sorted((_TEMPLATES / folder).glob(f"*{_SUFFIX}"))


def _fill(text: str, values: Mapping[str, str]) -> str:
    """Replace ``@NAME@`` and the like."""
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


def _transform(destination: str) -> str:
    """The section ``transform`` of a pipeline file: the keys that the destination requires, or a comment.

    Values are those of a pipeline file that exists for the destination.
    """
    from order_relay.pipeline.settings.pipeline import load_file, pipeline_files
    from order_relay.wiring.transformation import settings_model

    model = settings_model(destination)
    fields = model.model_fields.items()
    required = [(key, field) for key, field in fields if field.is_required() and key not in model.placeholders]
    if not required:
        return "# transform: {}"
    files = (load_file(path) for _, path in sorted(pipeline_files().items()))
    known = next((dict(file.transform) for file in files if file.destination.vendor == destination), {})
    lines = ["transform:   # check each value"]
    for key, field in required:
        lines += [*textwrap.wrap(field.description or key, 110, initial_indent="  # ", subsequent_indent="  # ")]
        lines += [f"  {key}: {known.get(key, '')}".rstrip()]
    return "\n".join(lines)


def _next_steps(layout: _Layout, name: str) -> Iterator[str]:
    """What to do now, in lines of at most 80 characters except for the folders of ``--into``."""
    tests = layout.tests.format(name) if layout.checkout else f"{layout.tests}/test_{name}.py"
    yield f"\nIts tests pass now: pytest {tests}"
    yield f"\nNext, in {layout.vendor.format(name)}:"
    yield "1. quality.yaml: list what the vendor documents, and what you assume."
    yield "2. order.schema.json, mapping.yaml: the members of an order."
    yield "3. connection.py, client.py: how the vendor is called."
    yield "4. stand_in.py: the same as a server, without looking at your client."
    if layout.checkout:
        yield f"   It is in {Path(layout.stand_in.format(name)).parent}."
        yield "\nThen run `make docs` and `make check`."
    else:
        yield "\nThen set in Airflow's environment, and in this shell:"
        yield f"  export {VENDORS_VARIABLE}={layout.root / 'vendors'}"
        yield f"  export {CONFIG_VARIABLE}={layout.root / 'config'}"
    yield f"Add the connection {name}_default in Airflow, and run `{COMMAND} doctor`."
    yield "The guide is docs/adding-a-vendor.md."
