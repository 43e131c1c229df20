"""Notes on orders: bounded, and readable in the forms that older ledgers hold."""

from __future__ import annotations

from order_relay.orders.notes import MAX_NOTES, Note, as_plain, bounded, from_plain


def test_notes_survive_their_plain_form() -> None:
    notes = [Note("text_cut", "orderComment", "shortened to 1000 characters"), Note("x")]
    assert from_plain(as_plain(notes)) == notes


def test_a_text_from_an_older_ledger_is_a_note_without_code_and_path() -> None:
    assert from_plain(["orderComment cut at 1000"]) == [Note("note", "", "orderComment cut at 1000")]


def test_equal_notes_count_once_and_the_number_of_notes_is_bounded() -> None:
    many = [Note("text_cut", f"/items/{n % 150}") for n in range(300)]
    kept = bounded(many)
    assert len(kept) == MAX_NOTES
    assert kept[:-1] == many[: MAX_NOTES - 1]
    assert kept[-1] == Note("more_notes", "", "51 more notes are not listed")
    assert bounded(many[:3] + many[:3]) == many[:3]
