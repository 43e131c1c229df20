"""The comparison with other tools can be repeated: it has a command, and its versions are pinned."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_make_bench_compares_with_other_tools_in_pinned_versions() -> None:
    assert "ifdef RIVALS\n\t@$(BIN)/python benchmarks/rivals.py\n" in (ROOT / "Makefile").read_text()
    pins = (ROOT / "benchmarks" / "rivals" / "requirements.txt").read_text().split()
    assert [pin.partition("==")[0] for pin in pins] == ["dlt", "singer-sdk"]
    assert all(pin.partition("==")[2] for pin in pins)
