"""The domain, without input or output: identity, versions, amounts, mapping and payloads of orders."""
