"""Fixtures for every test: a real PostgreSQL, real Bitcoin nodes, and sockets on the loopback address only."""

pytest_plugins = [
    "tests.fixtures.sockets",
    "tests.fixtures.scratch",
    "tests.fixtures.order",
    "tests.fixtures.examples",
    "tests.fixtures.postgres",
    "tests.fixtures.bitcoin",
    "tests.fixtures.ethereum",
    "tests.fixtures.ethereum_house",
    "tests.fixtures.crashes",
    "tests.fixtures.shared_data",
    "tests.fixtures.tokens",
]
