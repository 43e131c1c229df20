"""From a source's documents to canonical orders: mapping rules, converters, eligibility, and content hashes."""
