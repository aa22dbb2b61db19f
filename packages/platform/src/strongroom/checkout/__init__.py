"""The page on which a shopper pays."""
