"""The stages of a run: extract, validate, dedupe, transform and acknowledge."""
