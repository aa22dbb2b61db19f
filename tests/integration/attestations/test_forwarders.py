"""On an EVM chain the signers derive the forwarders themselves, from the factory and the cold Safe of their policy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address
from nacl.signing import SigningKey

from strongroom.attestations import service
from strongroom.attestations.jobs import make_attesting
from strongroom.infra.database import make_pool, transaction
from strongroom.merchants.service import create_merchant
from strongroom.outbound.jobs import connect_signers
from strongroom.wallets import service as wallets
from strongroom.wallets.model import Purpose
from strongroom_client.pins import Pins
from strongroom_client.verification import verify_address
from strongroom_signer import host
from strongroom_signer.enrolment import Caps, EnrolledMerchant
from tests.fixtures.devnet import devnet, ethereum
from tests.fixtures.postgres import Database
from tests.integration.attestations.desk import IDENTITIES
from tests.integration.outbound.parts import settings_of
from tests.integration.signer.processes import SignerProcess, make_safe_folder, running
from tests.unit.signer.kit import DEPLOYMENT
from tests.unit.signer.safe_kit import CHAIN, COIN, HOUSE


@pytest.fixture
def safe_signers() -> Iterator[tuple[SignerProcess, SignerProcess]]:
    root = Path(tempfile.mkdtemp(prefix="at"))
    folders = [make_safe_folder(root, name) for name in ("A", "B")]
    for folder in folders:
        folder.merchants.unlink()
    with running(folders[0]) as first, running(folders[1]) as second:
        yield first, second
    shutil.rmtree(root)


async def test_forwarders_are_attested_by_both_signers(pg: Database, safe_signers: tuple[SignerProcess, SignerProcess]):
    places = {"factory": to_checksum_address(HOUSE.factory), "cold_safe": to_checksum_address(HOUSE.cold_safe)}
    settings = settings_of(chain := devnet(ethereum=ethereum(**places)), safe_signers)
    async with make_pool(pg.dsn("worker"), size=1) as worker, make_pool(pg.dsn("treasury"), size=2) as treasury:
        async with transaction(worker) as connection:
            await wallets.sync_key_sets(connection, chain)
        async with make_pool(pg.dsn("api"), size=1) as api, transaction(api) as connection:
            merchant = await create_merchant(connection, "forwarded")
            await wallets.prepare_merchant(connection, chain, merchant.id, merchant.branch, count=5)
            [found] = await wallets.hand_out(connection, CHAIN, merchant.id, Purpose.INVOICE, "test")
        enrolled = EnrolledMerchant(merchant.id, merchant.branch, bytes(SigningKey.generate().verify_key), {})
        for process in safe_signers:
            host.enrol(process.folder, enrolled, Caps(COIN, 1, 1, 1, ()))
            process.reload()
        for one in make_attesting(treasury, settings, connect_signers(settings.signers)):
            assert await one.step() >= 5
        async with transaction(treasury) as connection:
            words = (await service.of_addresses(connection, [found.id]))[found.id]
            lacking = await service.lacking(connection, ["A", "B", "C"])
    shown = [
        {
            "signer": word.signer,
            "identity": word.identity.hex(),
            "key_set": word.key_set,
            "index": word.index,
            "signature": word.signature.hex(),
        }
        for word in words
    ]
    assert {word.key_set for word in words} == {"forwarder"}
    verify_address(Pins(DEPLOYMENT, merchant.id, IDENTITIES), CHAIN, found.address, shown)
    assert [(item.signer, item.disputed) for item in lacking] == [("A", 0), ("B", 0), ("C", 0)]
    assert lacking[2].addresses > lacking[0].addresses == lacking[1].addresses == 0
