-- One incoming payment: one output of a chain tx to one of our addresses. Rows are never deleted; a payment that comes back
-- after a reorganisation is the same row in its next cycle.
CREATE TABLE deposit (
    id text PRIMARY KEY,
    chain text NOT NULL,
    asset text NOT NULL,
    merchant_id text,
    address_id text NOT NULL,
    address text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hot', 'cold')),
    branch integer NOT NULL,
    purpose text,
    reference text,
    txid text NOT NULL,
    vout integer NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    coinbase boolean NOT NULL,
    rbf boolean NOT NULL,
    below_minimum boolean NOT NULL,
    wrong_asset boolean NOT NULL, -- the address was handed out to be paid in another asset
    confirmations_needed integer CHECK (confirmations_needed > 0), -- none: the chain itself says what is final
    state text NOT NULL CHECK (state IN ('seen', 'confirming', 'confirmed', 'held', 'credited', 'reversed', 'dropped')),
    height bigint,
    block_hash text,
    cycle integer NOT NULL CHECK (cycle > 0), -- grows each time it confirms again after having been credited
    credited_cycle integer NOT NULL DEFAULT 0 CHECK (credited_cycle IN (cycle, cycle - 1)),
    fee numeric(78, 0) NOT NULL DEFAULT 0 CHECK (fee >= 0),
    credited numeric(78, 0) NOT NULL DEFAULT 0 CHECK (credited >= 0), -- net, in the books now
    exception text,
    replaced_by text,
    first_seen_at timestamptz NOT NULL,
    credited_at timestamptz,
    emptied_by text, -- account chains: the chain tx that took it from its forwarder to the treasury
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- On an account chain a chain tx that is in another block after a reorganisation may do something else there: that is
    -- another deposit. At most one of them is on the chain, see below.
    UNIQUE (chain, txid, vout, address_id, asset, amount),
    CHECK (starts_with(asset, chain || '/')),
    CHECK (emptied_by IS NULL OR height IS NOT NULL),
    CHECK ((height IS NULL) = (block_hash IS NULL)),
    CHECK ((height IS NOT NULL) = (state IN ('confirming', 'confirmed', 'held', 'credited'))),
    CHECK ((state = 'credited') = (credited + fee = amount)),
    CHECK (state = 'credited' OR credited + fee = 0)
);
CREATE UNIQUE INDEX deposit_on_chain ON deposit (chain, txid, vout) WHERE height IS NOT NULL;
CREATE INDEX deposit_of_merchant ON deposit (merchant_id, id);
CREATE INDEX deposit_on_address ON deposit (address_id);
CREATE INDEX deposit_open ON deposit (chain) WHERE state IN ('confirming', 'confirmed');
CREATE INDEX deposit_small ON deposit (chain, merchant_id, asset) INCLUDE (amount)
    WHERE below_minimum AND state IN ('confirming', 'confirmed');
-- What forwarders still hold. A bitcoin-like's deposits are coins, so that none of them is in it.
CREATE INDEX deposit_unswept ON deposit (chain, id)
    WHERE state = 'credited' AND emptied_by IS NULL AND starts_with(chain, 'eip155:');
CREATE INDEX deposit_pending ON deposit (merchant_id, asset) WHERE state IN ('seen', 'confirming', 'confirmed', 'held');

-- Every arrow that a deposit went, and the chain event or the reason that it went for.
CREATE TABLE deposit_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deposit_id text NOT NULL REFERENCES deposit (id),
    from_state text,
    to_state text NOT NULL,
    cycle integer NOT NULL,
    event_id bigint,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX deposit_history_of ON deposit_history (deposit_id, id);

-- What was posted. A cycle is credited once and reversed once; a later cycle is credited only after the one before it was
-- reversed. So credits minus reversals of a deposit is 0 or 1, whatever a process does.
CREATE TABLE deposit_credit (
    deposit_id text NOT NULL REFERENCES deposit (id),
    cycle integer NOT NULL CHECK (cycle > 0),
    cycle_before integer GENERATED ALWAYS AS (CASE WHEN cycle > 1 THEN cycle - 1 END) STORED,
    ledger_transaction_id text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (deposit_id, cycle)
);
CREATE TABLE deposit_reversal (
    deposit_id text NOT NULL,
    cycle integer NOT NULL,
    ledger_transaction_id text NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (deposit_id, cycle),
    FOREIGN KEY (deposit_id, cycle) REFERENCES deposit_credit (deposit_id, cycle)
);
ALTER TABLE deposit_credit ADD FOREIGN KEY (deposit_id, cycle_before) REFERENCES deposit_reversal (deposit_id, cycle);

-- The best block that deposits were judged by; behind the watcher's by what is not handled yet.
CREATE TABLE deposit_tip (
    chain text PRIMARY KEY,
    height bigint NOT NULL,
    block_hash text NOT NULL
);

DO $$
DECLARE
    fact text;
BEGIN
    FOREACH fact IN ARRAY ARRAY['deposit_history', 'deposit_credit', 'deposit_reversal'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', fact || '_append_only', fact);
    END LOOP;
END $$;
CREATE TRIGGER deposit_kept BEFORE DELETE OR TRUNCATE ON deposit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON deposit, deposit_history, deposit_credit, deposit_reversal, deposit_tip
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT INSERT ON deposit, deposit_history, deposit_credit, deposit_reversal TO strongroom_worker;
GRANT UPDATE (state, height, block_hash, cycle, credited_cycle, fee, credited, exception, replaced_by, credited_at, updated_at)
    ON deposit TO strongroom_worker;
GRANT UPDATE (emptied_by) ON deposit TO strongroom_worker, strongroom_treasury;
GRANT INSERT, UPDATE ON deposit_tip TO strongroom_worker;
