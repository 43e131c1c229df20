"""Corrections of single values of an archived order by an operator."""
