"""What an operator sees of a held order: differences between versions, groups, and the allowed choices."""
