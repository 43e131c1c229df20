"""JSON Schema validation of vendor records, the package's formats, and orders whose text is malformed."""
