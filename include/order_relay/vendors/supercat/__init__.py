"""SuperCat eCat, where sales reps take orders; its documented facts stand in README.md."""
