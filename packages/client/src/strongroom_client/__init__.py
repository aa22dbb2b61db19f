"""What a merchant runs: its key, its signed payment intents, the API client and the verification of webhooks."""
