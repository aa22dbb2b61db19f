"""The gauges: their names, what they mean, their labels; and one reading of them.

Amounts are base units of the asset named beside them. Prometheus keeps 64-bit floats, so an amount above 2**53 is
rounded there: gauges are for watching, the books are for counting.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction


class Gauge(Enum):
    """Every gauge; what it tells, and its labels in their order."""

    def __init__(self, text: str, labels: tuple[str, ...]) -> None:
        """Name the parts of a member's value."""
        self.text = text
        self.labels = labels

    CHAIN_HEIGHT = ("height up to which a chain's facts are recorded", ("chain",))
    CHAIN_LAG = ("blocks that the node has and the records have not", ("chain",))
    CHAIN_FINALIZED = ("height that the chain itself calls final", ("chain",))
    CHAIN_STATUS = ("1 for the state that a chain's watcher is in", ("chain", "status"))
    CHAIN_STATUS_AGE = ("seconds since a chain's watcher last said how it is", ("chain",))
    DEPOSITS = ("deposits on their way to being credited", ("chain", "asset", "state"))
    PAYOUTS = ("payouts that wait: queued, or short of hot funds", ("chain", "asset", "state"))
    PAYOUTS_AGE = ("seconds that the oldest waiting payout has waited", ("chain", "asset", "state"))
    SLOTS = ("chain txs of ours that are not final", ("chain", "kind", "state"))
    HOT = ("what hot holds, or may draw, in base units", ("chain", "asset"))
    HOT_BAND = ("the most that hot is to hold, in base units", ("chain", "asset"))
    HOT_ABOVE = ("what hot holds above its band, in base units: what a thief could take beyond it", ("chain", "asset"))
    HOT_ABOVE_AGE = ("seconds for which hot has held more than its band", ("chain", "asset"))
    BREACH = ("what of clients' money is not covered as it has to be, in base units", ("asset", "kind"))
    BREACH_AGE = ("seconds for which it has not been covered", ("asset", "kind"))
    UNGATHERED = ("what forwarders hold that is not gathered, in base units", ("asset",))
    UNGATHERED_AGE = ("seconds that the oldest of it has waited", ("asset",))
    RELAYER_BALANCE = ("gas money of a relayer, in wei", ("chain", "relayer"))
    RELAYER_LOW = ("gas money below which a relayer raises an alarm, in wei", ("chain", "relayer"))
    RELAYER_ACTIVE = ("1 for the relayer that sends now", ("chain", "relayer"))
    RELAYER_ALARMS = ("what people have to look at of a relayer", ("chain", "relayer"))
    RELAYER_OPEN = ("nonces of a relayer that no block has yet", ("chain", "relayer"))
    GAS_SPENT = ("gas money spent in the last day, in wei", ("chain", "relayer"))
    GAS_BUDGET = ("gas money that may be spent in a day, in wei", ("chain", "relayer"))
    VOIDS = ("holds that stay until a signer promises never to sign", ("chain",))
    UNPROVEN = ("what the chain has and a signer's own books have not yet", ("chain", "signer", "state"))
    UNPROVEN_AGE = ("seconds that the oldest of it has waited for that signer", ("chain", "signer"))
    SIGNER = ("1 for the state that a signer was in when last asked", ("signer", "state"))
    SIGNER_AGE = ("seconds since a signer was last asked", ("signer",))
    UNATTESTED = ("addresses that a signer has not attested yet", ("signer",))
    DISPUTED = ("branches of which a signer derives other addresses than we do: none is handed out", ("signer",))
    OUTBOX = ("events that no handler had yet", ("state",))
    OUTBOX_AGE = ("seconds that the oldest of these events has waited", ())
    WEBHOOKS = ("webhook deliveries that wait", ("state",))
    WEBHOOKS_AGE = ("seconds that the oldest of these deliveries has waited", ())
    PAR = ("1 where a stablecoin is at its par, 0 where it is not or nobody knows", ("asset", "par"))
    PAR_PRICE = ("the last price of a stablecoin in what it stands for", ("asset", "par"))
    PAR_PRICE_AGE = ("seconds since a price of a stablecoin was agreed", ("asset", "par"))
    PAR_INVOICES = ("invoices that wait for their stablecoin's par", ("asset",))
    STOPPED = ("1 where an operator, or we ourselves, stopped something", ("stop", "scope"))
    RECONCILED = ("1 where books, chain and journals agreed the last time", ())
    RECONCILED_AGE = ("seconds since they were last compared", ())

    @property
    def full_name(self) -> str:
        """The name that Prometheus knows it by."""
        return f"strongroom_{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One reading; ``labels`` are the values of the gauge's labels, in their order."""

    gauge: Gauge
    value: int | Fraction
    labels: tuple[str, ...] = ()
