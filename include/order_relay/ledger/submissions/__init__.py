"""Submissions from intake to a ready payload: transitions, worklist, validation, holds at the source, and runs."""
