"""One folder for each vendor: client, schema, mapping. No vendor knows another."""
