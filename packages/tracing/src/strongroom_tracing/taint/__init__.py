"""Exact taint on chains of coins: poison, haircut, FIFO, LIFO, TIHO, forward and backward."""
