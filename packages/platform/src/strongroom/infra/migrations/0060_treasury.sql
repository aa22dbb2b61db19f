-- Payouts that wait for coins, named by their holds: ids of payouts are each merchant's own. The hold stands while a row is
-- queued or slotted.
CREATE TABLE treasury_payable (
    payout_id text NOT NULL,
    merchant_id text NOT NULL,
    chain text NOT NULL,
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    fee numeric(78, 0) NOT NULL CHECK (fee >= 0),
    hold_id text PRIMARY KEY,
    script bytea NOT NULL,
    intent bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'slotted', 'paid', 'withdrawn')),
    solo boolean NOT NULL DEFAULT false,
    short boolean NOT NULL DEFAULT false,
    unproven boolean NOT NULL DEFAULT false, -- the signers' own books do not cover it yet
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now(),
    slot_id text REFERENCES outbound_slot,
    -- The API request that brought it, so that logs can be followed from there to the signers.
    request_id text NOT NULL DEFAULT '',
    enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (merchant_id, payout_id),
    CHECK (state <> 'slotted' OR slot_id IS NOT NULL)
);
CREATE INDEX treasury_payable_queue ON treasury_payable (chain, enqueued_at) WHERE state = 'queued';
CREATE INDEX treasury_payable_slot ON treasury_payable (slot_id) WHERE state = 'slotted';
-- Of its state alone: the planner marks what waits as short or unproven, and would wake itself again and again.
CREATE TRIGGER treasury_payable_wake AFTER INSERT OR UPDATE OF state ON treasury_payable
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('treasury');

-- Merchants whose last judged payout was signed by both signers share chain txs; all others ride alone, so that a
-- refusal, once one signer has agreed, takes nobody else's payout with it.
CREATE TABLE treasury_trusted (
    chain text NOT NULL,
    merchant_id text NOT NULL,
    trusted boolean NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, merchant_id)
);

-- What hot holds against its band, and since when without a pause it has held more: `above` and its age are published.
CREATE TABLE treasury_band (
    chain text NOT NULL,
    asset text NOT NULL,
    held numeric(78, 0) NOT NULL CHECK (held >= 0),
    high numeric(78, 0) NOT NULL CHECK (high >= 0),
    above numeric(78, 0) NOT NULL CHECK (above >= 0),
    since timestamptz,
    measured_at timestamptz NOT NULL,
    PRIMARY KEY (chain, asset),
    CHECK ((since IS NULL) = (above = 0))
);
GRANT SELECT ON treasury_band TO strongroom_api, strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON treasury_band TO strongroom_treasury;

GRANT SELECT, INSERT ON treasury_payable TO strongroom_api;
GRANT UPDATE (state, short) ON treasury_payable TO strongroom_api;
GRANT SELECT, UPDATE ON treasury_payable TO strongroom_worker, strongroom_treasury;
GRANT SELECT ON treasury_trusted TO strongroom_api, strongroom_treasury;
GRANT SELECT, INSERT, UPDATE ON treasury_trusted TO strongroom_worker;
