"""Retention: removes data of settled orders, and files and texts of status accounts."""
