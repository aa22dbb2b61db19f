-- One state machine for every chain tx that we send. A slot is a set of coins; its versions spend at least the same coins.
-- On an EVM chain the coin is a Safe's nonce: its address and the nonce, with no amount; a version is one Safe transaction,
-- named by its safeTxHash, and what is drawn from cold (`hot`) or swept to it (`cold`) are its own outputs.
CREATE TABLE outbound_slot (
    id text PRIMARY KEY,
    chain text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('payouts', 'sweep', 'consolidation', 'cancel')),
    state text NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'signed', 'broadcast', 'confirmed', 'final', 'abandoned')),
    reason text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    txid text,
    confirmed_height bigint,
    confirmed_hash text,
    conflict_txid text,
    conflict_height bigint,
    conflict_hash text,
    broadcast_height bigint,
    -- The tip's height when one of its coins was first missed on the chain: what made it stood on an orphaned block.
    missing_height bigint,
    -- Replacements that signers refused in a row, and the height before which no other one is asked for.
    bumps_refused integer NOT NULL DEFAULT 0,
    bump_height bigint,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now(),
    -- Of the first of its payouts: the id that API, treasury and signers log.
    request_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((confirmed_height IS NULL) = (confirmed_hash IS NULL)),
    CHECK (state NOT IN ('confirmed', 'final') OR confirmed_height IS NOT NULL)
);
CREATE INDEX outbound_slot_open ON outbound_slot (chain, retry_at) WHERE state NOT IN ('final', 'abandoned');
CREATE INDEX outbound_slot_abandoned ON outbound_slot (chain, kind, updated_at) WHERE state = 'abandoned';

CREATE TABLE outbound_version (
    slot_id text NOT NULL REFERENCES outbound_slot,
    number integer NOT NULL CHECK (number > 0),
    state text NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'signed', 'broadcast', 'final', 'replaced', 'abandoned')),
    psbt bytea NOT NULL,
    txid text NOT NULL,
    fee numeric(78, 0) NOT NULL CHECK (fee >= 0),
    virtual_bytes integer NOT NULL CHECK (virtual_bytes >= 0),
    rate integer NOT NULL CHECK (rate >= 0),
    raw bytea,
    -- For those who may know that it is signed, but not how.
    signed boolean NOT NULL GENERATED ALWAYS AS (raw IS NOT NULL) STORED,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (slot_id, number),
    UNIQUE (slot_id, txid)
);
-- A Safe transaction has no change output that would make each plan differ: given up, the same may be planned again.
CREATE UNIQUE INDEX outbound_version_txid ON outbound_version (txid) WHERE state <> 'abandoned' OR txid NOT LIKE '0x%';
CREATE INDEX outbound_version_by_txid ON outbound_version (txid);

-- `first_version` is the version that brought the coin in; every later version spends it too.
CREATE TABLE outbound_coin (
    slot_id text NOT NULL REFERENCES outbound_slot,
    first_version integer NOT NULL,
    chain text NOT NULL,
    txid text NOT NULL,
    vout integer NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    branch bigint NOT NULL,
    index bigint NOT NULL,
    open boolean NOT NULL DEFAULT true,
    PRIMARY KEY (slot_id, txid, vout)
);
CREATE UNIQUE INDEX outbound_coin_one_slot ON outbound_coin (chain, txid, vout) WHERE open;
CREATE INDEX outbound_coin_place ON outbound_coin (chain, txid, vout);

CREATE TABLE outbound_own_output (
    slot_id text NOT NULL,
    number integer NOT NULL,
    position integer NOT NULL,
    script bytea NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    key_set text NOT NULL CHECK (key_set IN ('hot', 'cold')),
    branch bigint NOT NULL CHECK (branch = 0),
    index bigint NOT NULL,
    asset text NOT NULL DEFAULT '', -- of a Safe's draws and sweeps; a bitcoin-like has one coin
    PRIMARY KEY (slot_id, number, position),
    FOREIGN KEY (slot_id, number) REFERENCES outbound_version
);

-- `open`: this slot may still pay it. A payout is in at most one open slot, however the code above plans.
CREATE TABLE outbound_payment (
    slot_id text NOT NULL REFERENCES outbound_slot,
    position integer NOT NULL,
    merchant_id text NOT NULL,
    payout_id text NOT NULL,
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    fee numeric(78, 0) NOT NULL CHECK (fee >= 0),
    hold_id text NOT NULL,
    script bytea NOT NULL,
    intent bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    open boolean NOT NULL DEFAULT true,
    -- Paid by the chain although its hold was gone: the key of the posting that took it from suspense.
    suspense_key text,
    PRIMARY KEY (slot_id, position)
);
CREATE UNIQUE INDEX outbound_payment_one_slot ON outbound_payment (hold_id) WHERE open;
CREATE INDEX outbound_payment_hold ON outbound_payment (hold_id);
-- A signer's refusal names a payout by the merchant's id alone, so no two of a slot share one.
CREATE UNIQUE INDEX outbound_payment_one_name ON outbound_payment (slot_id, payout_id);

-- Written as `asked` before a signer is asked: from then on it may have signed, whatever we hear.
CREATE TABLE outbound_answer (
    slot_id text NOT NULL,
    number integer NOT NULL,
    signer text NOT NULL,
    state text NOT NULL CHECK (state IN ('asked', 'signed', 'refused')),
    psbt bytea,
    tag text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    payout_id text NOT NULL DEFAULT '',
    row bigint,
    asked_at timestamptz NOT NULL DEFAULT now(),
    answered_at timestamptz,
    PRIMARY KEY (slot_id, number, signer),
    FOREIGN KEY (slot_id, number) REFERENCES outbound_version,
    CHECK ((state = 'signed') = (psbt IS NOT NULL))
);

CREATE TABLE outbound_void (
    payout_id text NOT NULL,
    merchant_id text NOT NULL,
    chain text NOT NULL,
    slot_id text REFERENCES outbound_slot,
    amount numeric(78, 0) NOT NULL,
    fee numeric(78, 0) NOT NULL,
    hold_id text PRIMARY KEY,
    script bytea NOT NULL,
    intent bytea NOT NULL,
    public_key bytea NOT NULL,
    signature bytea NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('refused', 'cancelled', 'expired')),
    tag text NOT NULL,
    reason text NOT NULL,
    signer text NOT NULL DEFAULT '',
    state text NOT NULL DEFAULT 'wanted' CHECK (state IN ('wanted', 'voided', 'moot')),
    row bigint,
    detail text NOT NULL DEFAULT '',
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    voided_at timestamptz
);
CREATE INDEX outbound_void_wanted ON outbound_void (retry_at) WHERE state = 'wanted';
CREATE INDEX outbound_void_slot ON outbound_void (slot_id);

CREATE TABLE outbound_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slot_id text NOT NULL REFERENCES outbound_slot,
    at timestamptz NOT NULL DEFAULT now(),
    arrow text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX outbound_history_slot ON outbound_history (slot_id, id);
CREATE TRIGGER outbound_history_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON outbound_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE outbound_signer (
    name text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('ok', 'halted', 'unreachable')),
    detail text NOT NULL DEFAULT '',
    rows bigint NOT NULL DEFAULT 0,
    checked_at timestamptz NOT NULL DEFAULT now(),
    refused_at timestamptz
);

-- The height that our own reading of chain events has reached; what is final is counted from it.
CREATE TABLE outbound_height (
    chain text PRIMARY KEY,
    height bigint NOT NULL,
    event_id bigint NOT NULL DEFAULT 0 -- of the last block fact handled
);

CREATE TRIGGER outbound_slot_wake AFTER INSERT OR UPDATE ON outbound_slot
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbound');
CREATE TRIGGER outbound_version_wake AFTER INSERT ON outbound_version
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbound');
CREATE TRIGGER outbound_void_wake AFTER INSERT ON outbound_void
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbound');

GRANT SELECT, INSERT, UPDATE ON outbound_slot, outbound_version, outbound_coin, outbound_payment, outbound_answer,
    outbound_void, outbound_signer, outbound_height TO strongroom_treasury;
GRANT SELECT, INSERT ON outbound_own_output, outbound_history TO strongroom_treasury;
-- Cancelling and expiring ask for a void where a signer may have seen the payout.
GRANT SELECT ON outbound_slot, outbound_coin, outbound_own_output, outbound_payment,
    outbound_void, outbound_signer, outbound_history, outbound_height TO strongroom_api, strongroom_worker;
-- What signers answered is executed by whoever has it: only the treasury reads it, not even the auditor, who reads all else.
REVOKE SELECT ON outbound_version, outbound_answer FROM strongroom_auditor;
GRANT SELECT (slot_id, number, state, txid, fee, virtual_bytes, rate, signed, created_at) ON outbound_version
    TO strongroom_api, strongroom_worker, strongroom_auditor;
GRANT SELECT (slot_id, number, signer, state, tag, reason, payout_id, row, asked_at, answered_at) ON outbound_answer
    TO strongroom_api, strongroom_worker, strongroom_auditor;
GRANT INSERT ON outbound_void TO strongroom_api, strongroom_worker;
