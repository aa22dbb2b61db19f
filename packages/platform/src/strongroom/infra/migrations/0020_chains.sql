-- What the chains did, as facts. The watcher of a chain is its only writer and decides nothing; rooms read on by event id,
-- each with a cursor of its own. The event log is the watcher's state too: which block is the tip, and which chain txs are
-- open (in the mempool, or on an orphaned block), follows from it alone, so that a watcher killed at any point goes on exactly.

-- Scripts that the watcher looks for. `added_by` lets it load what is new without missing a row that was numbered early
-- and committed late: it reads everything from its last snapshot's oldest open transaction on.
CREATE TABLE chain_watch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL,
    script bytea NOT NULL,
    added_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    UNIQUE (chain, script)
);
CREATE INDEX chain_watch_added ON chain_watch (chain, added_by);
CREATE TRIGGER chain_watch_wake AFTER INSERT ON chain_watch
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('watch');

-- One fact each. `undoes` is the event whose chain txs this one takes back: a disconnected block's connected one, a removed
-- chain tx's mempool_added one (or connected one, where its block was orphaned).
CREATE TABLE chain_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('connected', 'disconnected', 'mempool_added', 'mempool_removed')),
    height bigint,
    block_hash text,
    parent_hash text,
    block_time timestamptz,
    txid text,
    reason text CHECK (reason IN ('replaced', 'conflict', 'evicted')),
    replaced_by text,
    undoes bigint REFERENCES chain_event (id),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind IN ('connected', 'disconnected')) = (height IS NOT NULL AND block_hash IS NOT NULL
        AND parent_hash IS NOT NULL AND block_time IS NOT NULL AND txid IS NULL)),
    CHECK ((kind IN ('mempool_added', 'mempool_removed')) = (txid IS NOT NULL AND block_hash IS NULL AND height IS NULL)),
    CHECK ((kind IN ('disconnected', 'mempool_removed')) = (undoes IS NOT NULL)),
    CHECK ((kind = 'mempool_removed') = (reason IS NOT NULL)),
    CHECK (replaced_by IS NULL OR reason IN ('replaced', 'conflict'))
);
CREATE INDEX chain_event_in_order ON chain_event (chain, id);
CREATE INDEX chain_event_blocks ON chain_event (chain, id DESC) WHERE kind IN ('connected', 'disconnected');
CREATE INDEX chain_event_heights ON chain_event (chain, height, id DESC) WHERE kind IN ('connected', 'disconnected');
-- A fact is taken back once: a second disconnection of one connection, or removal of one appearance, cannot be written.
CREATE UNIQUE INDEX chain_event_undone_once ON chain_event (undoes, COALESCE(txid, '')) WHERE undoes IS NOT NULL;
CREATE TRIGGER chain_event_wake AFTER INSERT ON chain_event
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('chain');

CREATE TABLE chain_event_tx (
    event_id bigint NOT NULL REFERENCES chain_event (id),
    position integer NOT NULL,
    txid text NOT NULL,
    rbf boolean NOT NULL,
    PRIMARY KEY (event_id, txid)
);
CREATE INDEX chain_event_tx_txid ON chain_event_tx (txid);

CREATE TABLE chain_event_output (
    event_id bigint NOT NULL,
    txid text NOT NULL,
    vout integer NOT NULL CHECK (vout >= 0),
    script bytea NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    coinbase boolean NOT NULL,
    asset text NOT NULL,
    PRIMARY KEY (event_id, txid, vout),
    FOREIGN KEY (event_id, txid) REFERENCES chain_event_tx (event_id, txid)
);

-- Of a Safe on an EVM chain: its address, the nonce that was used up, the safeTxHash that was executed, and how it went.
CREATE TABLE chain_event_spend (
    event_id bigint NOT NULL,
    txid text NOT NULL,
    vin integer NOT NULL CHECK (vin >= 0),
    prev_txid text NOT NULL,
    prev_vout bigint NOT NULL,
    effect text NOT NULL DEFAULT '',
    success boolean NOT NULL DEFAULT true,
    PRIMARY KEY (event_id, txid, vin),
    FOREIGN KEY (event_id, txid) REFERENCES chain_event_tx (event_id, txid)
);

-- Every matched chain tx in full: whoever signs a spend of it wants to see it whole.
CREATE TABLE chain_tx (
    chain text NOT NULL,
    txid text NOT NULL,
    raw bytea NOT NULL,
    PRIMARY KEY (chain, txid)
);

-- How far each room has read.
CREATE TABLE chain_cursor (
    consumer text NOT NULL,
    chain text NOT NULL,
    event_id bigint NOT NULL,
    PRIMARY KEY (consumer, chain)
);

-- What the watcher says of itself; not a fact of the chain, so it is overwritten. `deep_reorg` stays until an operator has
-- cleared the stop of crediting that was set with it.
CREATE TABLE chain_status (
    chain text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('ok', 'syncing', 'down', 'wrong-network', 'disagree', 'reorg-too-deep')),
    height bigint,
    hash text,
    node_height bigint,
    detail text NOT NULL DEFAULT '',
    deep_reorg text,
    finalized_height bigint,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER chain_status_new AFTER INSERT ON chain_status
    FOR EACH ROW EXECUTE FUNCTION notify_channel('chain');
CREATE TRIGGER chain_status_wake AFTER UPDATE ON chain_status
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.finalized_height IS DISTINCT FROM NEW.finalized_height)
    EXECUTE FUNCTION notify_channel('chain');

-- Addresses on EVM chains whose coin is found by their balance, where no traces can be had: those that may be paid now, from
-- the block on that was final when they were handed out.
CREATE TABLE chain_balance_watch (
    chain text NOT NULL,
    script bytea NOT NULL,
    since_height bigint NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (chain, script)
);
-- What may be paid now is found without a look at all that ever was.
CREATE INDEX chain_balance_watch_open ON chain_balance_watch (chain, until);

-- The balance of such an address at the final block at which it was last read; what came since is the difference.
CREATE TABLE chain_balance (
    chain text NOT NULL,
    script bytea NOT NULL,
    height bigint NOT NULL,
    balance numeric(78, 0) NOT NULL CHECK (balance >= 0),
    PRIMARY KEY (chain, script)
);

CREATE INDEX chain_balance_height ON chain_balance (chain, height);

-- Up to which block coin inside of calls was recorded without traces; gone when balances have explained all up to it.
CREATE TABLE chain_untraced (
    chain text PRIMARY KEY,
    height bigint NOT NULL
);

-- Tokens that are refused from a block on, though they are on the allow-list: their balances grow without a transfer, or
-- cannot be read. An operator who knows better accepts the token again; it may be refused again.
CREATE TABLE chain_refused_token (
    chain text NOT NULL,
    asset text NOT NULL,
    reason text NOT NULL,
    height bigint NOT NULL,
    refused_at timestamptz NOT NULL DEFAULT now(),
    accepted_at timestamptz,
    PRIMARY KEY (chain, asset)
);

-- What arrived of a token while it was refused, beside the block's event: no fact that anyone credits. Once the token is
-- accepted again, and the block final, a later event tells of it (`released_by`).
CREATE TABLE chain_refused_output (
    event_id bigint NOT NULL REFERENCES chain_event (id),
    txid text NOT NULL,
    vout integer NOT NULL CHECK (vout >= 0),
    script bytea NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    asset text NOT NULL,
    released_by bigint REFERENCES chain_event (id),
    PRIMARY KEY (event_id, txid, vout)
);
CREATE INDEX chain_refused_output_held ON chain_refused_output (asset, event_id) WHERE released_by IS NULL;

DO $$
DECLARE
    fact text;
BEGIN
    FOREACH fact IN ARRAY ARRAY['chain_event', 'chain_event_tx', 'chain_event_output', 'chain_event_spend', 'chain_tx', 'chain_watch'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', fact || '_append_only', fact);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON chain_event, chain_event_tx, chain_event_output, chain_event_spend, chain_tx TO strongroom_watcher;
GRANT SELECT ON chain_watch, chain_balance_watch TO strongroom_watcher;
GRANT SELECT, INSERT, UPDATE ON chain_refused_token TO strongroom_watcher;
GRANT SELECT, INSERT, UPDATE (released_by) ON chain_refused_output TO strongroom_watcher;
GRANT SELECT, INSERT, UPDATE, DELETE ON chain_untraced TO strongroom_watcher;
GRANT SELECT, INSERT, UPDATE ON chain_balance TO strongroom_watcher;
GRANT SELECT, INSERT, UPDATE ON chain_status TO strongroom_watcher;
GRANT SELECT ON chain_event, chain_event_tx, chain_event_output, chain_event_spend, chain_tx, chain_status
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT SELECT, INSERT ON chain_watch TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT SELECT, INSERT, UPDATE ON chain_balance_watch TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT SELECT ON chain_refused_token, chain_refused_output TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT UPDATE (accepted_at) ON chain_refused_token TO strongroom_worker;
GRANT SELECT, INSERT, UPDATE ON chain_cursor TO strongroom_worker, strongroom_treasury;
GRANT SELECT ON chain_cursor TO strongroom_api;
