-- What addresses are derived from: the public halves of a key set, or on an account chain the factory of keyless forwarders
-- and the treasury that they pay. Fixed at first start; anything else is refused by the service.
CREATE TABLE wallet_key_set (
    chain text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hot', 'cold')),
    name text NOT NULL,
    xpubs text[] CHECK (cardinality(xpubs) = 3),
    origins text[] CHECK (cardinality(origins) = 3),
    factory bytea CHECK (length(factory) = 20),
    treasury bytea CHECK (length(treasury) = 20 AND treasury <> factory),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, kind),
    UNIQUE (chain, name),
    CHECK (num_nonnulls(xpubs, origins) IN (0, 2)),
    CHECK (num_nonnulls(factory, treasury) = 2 - num_nonnulls(xpubs, origins)),
    CHECK (kind = 'cold' OR factory IS NULL)
);
CREATE TRIGGER wallet_key_set_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_key_set
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Every asset that was ever held, as the settings first named it: what a token's rows are read by, should it be missing there.
CREATE TABLE wallet_asset (
    id text PRIMARY KEY CHECK (starts_with(id, chain || '/')),
    chain text NOT NULL,
    code text NOT NULL,
    decimals integer NOT NULL CHECK (decimals >= 0),
    recorded_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER wallet_asset_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_asset
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- How far each branch is derived. Its row is locked by whoever derives; handing out does not touch it.
CREATE TABLE wallet_branch (
    chain text NOT NULL,
    kind text NOT NULL,
    branch integer NOT NULL CHECK (branch >= 0),
    merchant_id text,
    next_index integer NOT NULL DEFAULT 0 CHECK (next_index >= 0),
    low_index integer NOT NULL DEFAULT 0, -- nothing below it waits in the pool: hand-out starts to look here
    refill_index integer NOT NULL DEFAULT 0, -- once this one is handed out, the pool is refilled
    pool_target integer NOT NULL CHECK (pool_target > 0),
    refilled_at timestamptz,
    disputed_index integer, -- from here on a signer derives other addresses: nothing of it is handed out
    PRIMARY KEY (chain, kind, branch),
    FOREIGN KEY (chain, kind) REFERENCES wallet_key_set (chain, kind),
    CHECK ((branch >= 2) = (merchant_id IS NOT NULL))
);
CREATE UNIQUE INDEX wallet_branch_of_merchant ON wallet_branch (merchant_id, chain, kind) WHERE merchant_id IS NOT NULL;

CREATE TABLE wallet_address (
    id text PRIMARY KEY,
    chain text NOT NULL,
    kind text NOT NULL,
    branch integer NOT NULL,
    index integer NOT NULL CHECK (index >= 0),
    script bytea NOT NULL,
    address text NOT NULL,
    merchant_id text,
    purpose text CHECK (purpose IN ('change', 'house', 'invoice', 'standing', 'sweep')),
    reference text,
    asset text CHECK (starts_with(asset, chain || '/')), -- what it was handed out to be paid in; no value: whatever comes
    expected numeric(78, 0) NOT NULL DEFAULT 0 CHECK (expected >= 0),
    expected_until timestamptz,
    handed_out_at timestamptz,
    derived_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain, kind, branch, index),
    UNIQUE (chain, script),
    FOREIGN KEY (chain, kind, branch) REFERENCES wallet_branch (chain, kind, branch),
    CHECK ((handed_out_at IS NULL) = (purpose IS NULL)),
    CHECK (handed_out_at IS NOT NULL OR asset IS NULL),
    CHECK (purpose IS NULL OR (branch >= 2) = (purpose IN ('invoice', 'standing'))),
    CHECK (purpose IS NULL OR (branch = 1) = (purpose = 'house'))
);
-- Only what waits is in it, so that handing out costs the same however many are in use.
CREATE INDEX wallet_address_pool ON wallet_address (chain, kind, branch, index) WHERE handed_out_at IS NULL;
CREATE UNIQUE INDEX wallet_address_standing ON wallet_address (merchant_id, chain, reference) WHERE purpose = 'standing';
CREATE INDEX wallet_address_standing_list ON wallet_address (merchant_id, id) WHERE purpose = 'standing';
CREATE INDEX wallet_address_expected ON wallet_address (chain, expected_until) INCLUDE (expected)
    WHERE kind = 'hot' AND expected_until IS NOT NULL;
CREATE INDEX wallet_address_hot_news ON wallet_address (chain, handed_out_at) INCLUDE (expected)
    WHERE kind = 'hot' AND expected_until IS NOT NULL;
-- An address handed out is never handed out again, whatever a process tries.
CREATE TRIGGER wallet_address_once BEFORE UPDATE ON wallet_address
    FOR EACH ROW WHEN (OLD.handed_out_at IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER wallet_address_kept BEFORE DELETE OR TRUNCATE ON wallet_address
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The treasury's choice for invoices; no row, or a time that has passed, means cold.
CREATE TABLE wallet_intake (
    chain text PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('hot', 'cold')),
    until timestamptz,
    room numeric(78, 0), -- what hot hand-outs may still expect, as of counted_at; no value: no bound
    counted_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE FUNCTION wallet_intake_kind(p_chain text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN EXISTS (
        SELECT FROM wallet_intake WHERE chain = p_chain AND kind = 'hot' AND (until IS NULL OR until > clock_timestamp())
    ) AND NOT EXISTS (
        SELECT FROM stop_switch WHERE name = 'hot-intake' AND scope IN ('*', p_chain) AND cleared_at IS NULL
    ) AND NOT ledger_frozen(p_chain) THEN 'hot' ELSE 'cold' END;
$$;
COMMENT ON FUNCTION wallet_intake_kind IS
    'The key set that invoices are handed out from now; cold unless hot is chosen, not stopped, and no breach stands';

CREATE FUNCTION wallet_take(
    p_chain text, p_kind text, p_branches integer[], p_purpose text, p_references text[], p_assets text[],
    p_expected numeric[], p_expected_until timestamptz[]
) RETURNS TABLE (place bigint, address wallet_address) LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    -- Asked here once more: the books may have come up short since the choice was read.
    IF p_kind = 'hot' AND p_purpose = 'invoice' AND ledger_frozen(p_chain) THEN
        RETURN;
    END IF;
    RETURN QUERY
    WITH wanted AS MATERIALIZED (
        SELECT item.place, item.branch, item.reference, item.asset, item.expected, item.expected_until,
            row_number() OVER (PARTITION BY item.branch ORDER BY item.place) AS turn
        FROM unnest(p_branches, p_references, p_assets, p_expected, p_expected_until) WITH ORDINALITY
            AS item (branch, reference, asset, expected, expected_until, place)
    ), counts AS MATERIALIZED (
        SELECT wanted.branch, count(*) AS wishes FROM wanted GROUP BY wanted.branch
    ), picked AS MATERIALIZED (
        SELECT waiting.id, counts.branch, waiting.index
        FROM counts
        JOIN wallet_branch AS source ON source.chain = p_chain AND source.kind = p_kind AND source.branch = counts.branch
        CROSS JOIN LATERAL (
            SELECT free.id, free.index FROM wallet_address AS free
            WHERE free.chain = p_chain AND free.kind = p_kind AND free.branch = counts.branch
              AND free.index >= source.low_index AND free.handed_out_at IS NULL
              AND free.index < coalesce(source.disputed_index, 2147483647)
            ORDER BY free.index LIMIT counts.wishes
            FOR UPDATE SKIP LOCKED
        ) AS waiting
    ), matched AS (
        SELECT wanted.*, numbered.id
        FROM wanted JOIN (
            SELECT picked.id, picked.branch, row_number() OVER (PARTITION BY picked.branch ORDER BY picked.index) AS turn
            FROM picked
        ) AS numbered ON numbered.branch = wanted.branch AND numbered.turn = wanted.turn
    )
    UPDATE wallet_address AS taken
    SET purpose = p_purpose, reference = matched.reference, asset = matched.asset, handed_out_at = clock_timestamp(),
        expected = CASE WHEN p_kind = 'hot' THEN matched.expected ELSE 0 END,
        expected_until = CASE WHEN p_kind = 'hot' THEN matched.expected_until END
    FROM matched WHERE taken.id = matched.id
    RETURNING matched.place, taken;
END $$;
COMMENT ON FUNCTION wallet_take IS
    'Hands out waiting addresses, one per wish, in one SKIP LOCKED statement; a wish without a row found its pool dry, or hot frozen';

-- Coins. Where a chain tx stands now is one row; coins and spends are facts about its content and never change.
CREATE TABLE wallet_tx (
    chain text NOT NULL,
    txid text NOT NULL,
    height integer,
    block_hash text,
    in_mempool boolean NOT NULL DEFAULT false,
    own boolean NOT NULL DEFAULT false, -- it spends our coins
    PRIMARY KEY (chain, txid),
    CHECK ((height IS NULL) = (block_hash IS NULL)),
    CHECK (height IS NULL OR NOT in_mempool)
);
CREATE INDEX wallet_tx_in_mempool ON wallet_tx (chain, txid) WHERE in_mempool;
CREATE INDEX wallet_tx_block ON wallet_tx (chain, block_hash) WHERE block_hash IS NOT NULL;

CREATE TABLE wallet_coin (
    chain text NOT NULL,
    txid text NOT NULL,
    vout integer NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    address_id text NOT NULL REFERENCES wallet_address (id),
    kind text NOT NULL,
    coinbase boolean NOT NULL,
    spent_by_txid text, -- the chain tx, in a block or the mempool now, that spends it
    PRIMARY KEY (chain, txid, vout),
    FOREIGN KEY (chain, txid) REFERENCES wallet_tx (chain, txid)
);
CREATE INDEX wallet_coin_unspent ON wallet_coin (chain, kind) WHERE spent_by_txid IS NULL;

CREATE TABLE wallet_spend (
    chain text NOT NULL,
    txid text NOT NULL,
    prev_txid text NOT NULL,
    prev_vout integer NOT NULL,
    PRIMARY KEY (chain, prev_txid, prev_vout, txid),
    FOREIGN KEY (chain, txid) REFERENCES wallet_tx (chain, txid)
);
CREATE INDEX wallet_spend_tx ON wallet_spend (chain, txid);

-- Outputs of our own chain txs that an intent paid; written by outbound before anyone can see the chain tx.
CREATE TABLE wallet_own_payment (
    chain text NOT NULL,
    txid text NOT NULL,
    vout integer NOT NULL,
    reference text NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, txid, vout)
);
CREATE TRIGGER wallet_own_payment_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_own_payment
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON wallet_key_set, wallet_branch, wallet_address, wallet_intake, wallet_tx, wallet_coin, wallet_spend,
    wallet_own_payment TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT INSERT ON wallet_branch, wallet_address TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT UPDATE (next_index, low_index, refill_index, pool_target, refilled_at) ON wallet_branch
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT UPDATE (purpose, reference, asset, handed_out_at, expected, expected_until) ON wallet_address
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT EXECUTE ON FUNCTION wallet_intake_kind, wallet_take TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT INSERT ON wallet_key_set TO strongroom_worker, strongroom_treasury;
GRANT SELECT, INSERT ON wallet_asset TO strongroom_worker;
GRANT INSERT, UPDATE ON wallet_intake TO strongroom_treasury;
GRANT INSERT ON wallet_own_payment TO strongroom_treasury;
GRANT INSERT ON wallet_tx, wallet_coin, wallet_spend TO strongroom_worker;
GRANT UPDATE (height, block_hash, in_mempool, own) ON wallet_tx TO strongroom_worker;
GRANT UPDATE (spent_by_txid) ON wallet_coin TO strongroom_worker;
