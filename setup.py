"""Packs the pipeline files of include/config as the package's defaults. Everything else is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

FILES = sorted(str(path) for path in Path("include/config").glob("*.yaml"))


class BuildWithDefaults(build_py):
    """The package, with ``order_relay/default_config``: what is used until a deployment has files of its own."""

    def run(self) -> None:
        """Build, then copy the files. An editable installation reads them where they are."""
        super().run()
        if not self.editable_mode:
            folder = Path(self.build_lib) / "order_relay" / "default_config"
            self.mkpath(str(folder))
            for file in FILES:
                self.copy_file(file, str(folder / Path(file).name))

    def get_source_files(self) -> list[str]:
        """What a source distribution needs."""
        return [*super().get_source_files(), *FILES]


setup(cmdclass={"build_py": BuildWithDefaults})
