"""The index of a chain of coins: from raw blocks to columns, on disk or in memory."""
