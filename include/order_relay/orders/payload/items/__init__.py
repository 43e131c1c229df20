"""The items of payloads: which amounts they carry, and their columns."""
