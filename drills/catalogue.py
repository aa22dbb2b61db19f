"""All drills in the order in which they are run: those that do lasting damage come last."""

from __future__ import annotations

from typing import Final

from drills import d01_token_stolen as d01
from drills import d02_signing_key_stolen as d02
from drills import d03_api_host_owned as d03
from drills import d04_database_owned as d04
from drills import d05_node_poisoned as d05
from drills import d06_false_tokens as d06
from drills import d07_everything_but_the_signers as d07
from drills import d08_one_signer_owned as d08
from drills import d09_both_signers_owned as d09
from drills import d10_journal_rolled_back as d10
from drills import d11_clock_moved as d11
from drills import d12_change_as_deposit as d12
from drills import d13_checkout_swapped as d13
from drills import d14_webhook_forged as d14
from drills import d15_fees_burnt as d15
from drills import d16_rates_poisoned as d16
from drills import d17_dust_and_gas as d17
from drills import d18_kill_switch as d18
from drills.model import Drill

_ALL: Final = (d01, d02, d03, d04, d05, d06, d07, d08, d09, d10, d11, d12, d13, d14, d15, d16, d17, d18)
DRILLS: Final[tuple[Drill, ...]] = tuple(
    sorted((item.DRILL for item in _ALL), key=lambda drill: (drill.lasting, drill.number))
)
#: What a signer does without that believes the platform: the comparison.
CONVENTIONAL: Final = frozenset(
    {
        "intent-unsigned",
        "intent-bound",
        "intent-expired",
        "intent-void",
        "output-unmatched",
        "intent-unmatched",
        "change-branch",
        "limit-payout",
        "velocity-merchant",
        "velocity-all",
        "destination-unlisted",
        "fee-rate",
        "fee-absolute",
        "fee-daily",
        "clock",
        "balance-merchant",
        "balance-house",
        "merchant-frozen",
        "coin-unproven",
        "chain-view",
        "peer-silent",
        "price-band",
        "conversion-daily",
        "order-unsigned",
    }
)
#: What the platform and a merchant's server do without there.
CONVENTIONAL_PLATFORM: Final = frozenset({"webhook-signature"})
