"""The database: durable transactions, column types, and migrations."""
