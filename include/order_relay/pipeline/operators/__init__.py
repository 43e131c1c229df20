"""What operators decide: reviews of held orders, re-evaluation from the archive and the baseline."""
