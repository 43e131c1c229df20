"""JSON as vendors send it: strict, bounded, and recovered order by order if a part is malformed."""
