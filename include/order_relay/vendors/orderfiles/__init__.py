"""Orders in CSV and JSON lines files: a source for history imports."""
