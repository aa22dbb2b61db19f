"""Votes among endpoints: enough that agree, and nobody else as many."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.chains.errors import EndpointsDisagreeError, NodeDownError
from strongroom.chains.ethereum.endpoint import REST_SECONDS, Endpoint, Trouble
from strongroom.chains.ethereum.endpoints import Endpoints
from strongroom.infra.settings import AssetSettings, ChainSettings, EthereumSettings
from strongroom_core.assets import DEVNET


def _settings(count: int, agree_min: int) -> ChainSettings:
    contracts = ("factory", "cold_safe", "hot_safe", "allowance", "multisend")
    addresses: dict[str, Any] = {name: "0x" + f"{number:02x}" * 20 for number, name in enumerate(contracts, 1)}
    urls = tuple(f"http://127.0.0.1:{port}/key-{port}" for port in range(1, count + 1))
    return ChainSettings(
        id=DEVNET.id,
        ethereum=EthereumSettings(rpc_urls=urls, agree_min=agree_min, **addresses),
        assets=(AssetSettings(id=f"{DEVNET.id}/slip44:60", code="ETH", decimals=18, minimum_deposit=0, payout_fee=0),),
    )


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 6))
def test_an_answer_counts_when_enough_gave_it_and_no_other_counts_too(said: list[int], agree_min: int) -> None:
    endpoints = Endpoints(_settings(6, agree_min))
    answers = dict(zip(endpoints.all, said, strict=False))
    believed = [answer for answer, count in Counter(said).items() if count >= agree_min]
    if len(believed) == 1:
        assert endpoints.vote(answers, "it", Trouble.OTHER_BLOCK) == believed[0]
        for endpoint, answer in answers.items():
            assert bool(endpoint.trouble) == (answer != believed[0])
    else:
        with pytest.raises(EndpointsDisagreeError):
            endpoints.vote(answers, "it", Trouble.OTHER_BLOCK)


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=6), st.integers(1, 2))
def test_a_height_counts_when_enough_have_reached_it(heights: list[int], agree_min: int) -> None:
    endpoints = Endpoints(_settings(6, agree_min))
    height = endpoints._backed(heights)
    assert sum(other >= height for other in heights) >= agree_min
    assert sum(other > height for other in heights) < agree_min


def test_an_endpoint_is_named_by_number_and_host_and_a_trouble_passes_with_its_own_question() -> None:
    endpoint = Endpoint(2, "https://user:pass@rpc.example.com:8545/v3/secret-key", DEVNET.id)
    assert endpoint.name == "endpoint 2 (rpc.example.com:8545)"
    endpoint.blame(Trouble.OTHER_CONTENT, "differs")
    endpoint.failed(NodeDownError("no answer"))
    assert endpoint.trouble == f"{endpoint.name}: differs, {endpoint.name}: no answer"
    assert endpoint.resting
    assert REST_SECONDS > 0
    endpoint.clear(Trouble.FAILS)
    endpoint.clear(Trouble.LAGS)
    assert endpoint.trouble == f"{endpoint.name}: differs"
    endpoint.clear(Trouble.OTHER_CONTENT)
    assert endpoint.trouble == ""
