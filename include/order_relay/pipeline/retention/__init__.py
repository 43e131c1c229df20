"""Retention: removal of settled orders' data and of status accounts' files and texts."""
