"""Order identity: source ids, order numbers, lineages, and the values that tell orders apart."""
