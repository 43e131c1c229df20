"""Reading what vendors answer over HTTP: bounded, strictly checked, with errors in our words. Knows no vendor."""
