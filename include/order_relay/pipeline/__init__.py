"""The vendor-neutral part: the stages of a run, the ports that vendors implement, and what surrounds them."""
