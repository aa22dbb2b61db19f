-- Payouts as merchants see them. Ids are made by merchants, each for itself: two merchants may use the same one, and neither
-- learns of it. Within the house a payout is named by its hold, which the ledger numbers.
CREATE TABLE payout (
    merchant_id text NOT NULL,
    id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL CHECK (kind IN ('payment', 'withdrawal', 'refund')),
    asset text NOT NULL,
    chain text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    fee numeric(78, 0) NOT NULL CHECK (fee >= 0),
    fee_ceiling numeric(78, 0) NOT NULL CHECK (fee_ceiling >= fee),
    destination text NOT NULL,
    tag text NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'queued' CHECK (state IN (
        'queued', 'hot-short', 'planned', 'signed', 'broadcast', 'confirmed', 'final', 'refused', 'cancelled', 'expired'
    )),
    reason text NOT NULL DEFAULT '',
    reason_tag text NOT NULL DEFAULT '',
    txid text,
    confirmed_height bigint,
    hold_id text NOT NULL,
    intent bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (merchant_id, id)
);
CREATE INDEX payout_newest ON payout (merchant_id, number DESC);
CREATE INDEX payout_waiting ON payout (merchant_id) WHERE state IN ('queued', 'hot-short');

CREATE TABLE payout_moment (
    merchant_id text NOT NULL,
    payout_id text NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    status text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (merchant_id, payout_id, id),
    FOREIGN KEY (merchant_id, payout_id) REFERENCES payout
);
CREATE TRIGGER payout_moment_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_moment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT, UPDATE (state, reason, reason_tag, txid, confirmed_height, hold_id, updated_at) ON payout
    TO strongroom_api;
GRANT SELECT, UPDATE (state, reason, reason_tag, txid, confirmed_height, updated_at) ON payout TO strongroom_worker;
GRANT SELECT ON payout TO strongroom_treasury;
GRANT SELECT, INSERT ON payout_moment TO strongroom_api, strongroom_worker;
