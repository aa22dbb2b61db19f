"""What a merchant sees of its balances, invoices, deposits, payouts and webhooks, in a browser."""
