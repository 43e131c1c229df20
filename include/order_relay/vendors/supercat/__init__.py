"""SuperCat eCat, the source of orders that sales representatives take."""
