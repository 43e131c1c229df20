"""The search for marks is tested first: one that finds nothing proves nothing."""

from __future__ import annotations

import gzip
import json
import sqlite3
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.canaries import CARDS, EVERYTHING, PERSONAL_DATA, found, in_database, in_files

WAYS = {
    "plain": lambda text: text.encode(),
    "JSON": lambda text: json.dumps({"x": text}).encode(),
    "JSON inside JSON": lambda text: json.dumps({"x": json.dumps([text])}).encode(),
    "Base64": lambda text: b64encode(text.encode()),
    "Base64, one later": lambda text: b64encode(f"u{text}".encode()),
    "Base64, two later": lambda text: b64encode(f"u:{text}, more".encode()),
    "URL": lambda text: quote(text, safe="").encode(),
    "compressed": lambda text: gzip.compress(text.encode()),
    "UTF-16": lambda text: text.encode("utf-16"),
    "Python": lambda text: repr([text]).encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_canary_is_found_in_every_encoding(way: str) -> None:
    for name, mark in EVERYTHING.items():
        assert found(WAYS[way](mark), {name: mark}) == {name}, name


def test_without_canaries_it_is_clean() -> None:
    assert found("Žofie, order 6385-031318-392, 1234567890".encode(), EVERYTHING) == set()


def test_a_planted_canary_is_found_in_files_and_tables(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "task.log").write_text(f"could not send to {PERSONAL_DATA['e-mail']}")
    (tmp_path / "clean.log").write_text("nothing")
    assert in_files(tmp_path, EVERYTHING) == {"logs/task.log": {"e-mail"}}
    with sqlite3.connect(tmp_path / "a.db") as database:
        database.execute("CREATE TABLE xcom (id INTEGER, value BLOB)")
        database.execute("INSERT INTO xcom VALUES (1, ?)", (gzip.compress(CARDS["card in notes"].encode()),))
    assert in_database(tmp_path / "a.db", EVERYTHING) == {"xcom.value": {"card in notes"}}
    assert in_files(tmp_path, EVERYTHING, leave_out=["task.log"]) == {}


@pytest.mark.parametrize("card", CARDS.values())
def test_the_invented_cards_pass_luhn(card: str) -> None:
    digits = [int(d) for d in reversed(card)]
    assert sum(digits[::2]) % 10 == -sum(sum(divmod(d * 2, 10)) for d in digits[1::2]) % 10
