"""Notes on orders: bounded, and readable in the forms that older ledgers hold."""

from __future__ import annotations

from order_relay.orders.notes import MAX_NOTES, OrderNote, limit_notes, notes_from_json, notes_to_json


def test_notes_survive_their_plain_form() -> None:
    notes = [OrderNote("text_cut", "orderComment", "cut to 1000 characters"), OrderNote("x")]
    assert notes_from_json(notes_to_json(notes)) == notes


def test_a_text_from_an_older_ledger_is_a_note_without_code_and_path() -> None:
    assert notes_from_json(["orderComment cut at 1000"]) == [OrderNote("note", "", "orderComment cut at 1000")]


def test_equal_notes_count_once_and_the_number_of_notes_is_bounded() -> None:
    many = [OrderNote("text_cut", f"/items/{n % 150}") for n in range(300)]
    kept = limit_notes(many)
    assert len(kept) == MAX_NOTES
    assert kept[:-1] == many[: MAX_NOTES - 1]
    assert kept[-1] == OrderNote("more_notes", "", "51 more notes are not listed")
    assert limit_notes(many[:3] + many[:3]) == many[:3]
