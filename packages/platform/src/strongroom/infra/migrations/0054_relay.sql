-- Gas relayers: who they are, what they were asked to send, and the nonces that carry it.

-- One row per account. Whoever gives out a nonce holds the rows of its chain; `next_nonce` only grows.
CREATE TABLE outbound_relayer (
    chain text NOT NULL,
    address bytea NOT NULL CHECK (octet_length(address) = 20),
    position integer NOT NULL CHECK (position >= 0),
    next_nonce bigint NOT NULL CHECK (next_nonce >= 0),
    chain_nonce bigint NOT NULL CHECK (chain_nonce >= 0),
    balance numeric(78, 0) NOT NULL CHECK (balance >= 0),
    gas_low numeric(78, 0) NOT NULL DEFAULT 0,
    budget numeric(78, 0) NOT NULL DEFAULT 0,
    key_loaded boolean NOT NULL DEFAULT true,
    alarms text[] NOT NULL DEFAULT '{}',
    detail text NOT NULL DEFAULT '',
    checked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, address)
);

-- One call with at most one effect, named by who wants it.
CREATE TABLE outbound_relay (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL,
    purpose text NOT NULL CHECK (purpose IN ('safe', 'gather', 'deploy', 'cold')),
    reference text NOT NULL CHECK (char_length(reference) BETWEEN 1 AND 200),
    target bytea NOT NULL CHECK (octet_length(target) = 20),
    data bytea NOT NULL,
    gas_limit bigint NOT NULL CHECK (gas_limit >= 21000),
    state text NOT NULL DEFAULT 'planned'
        CHECK (state IN ('planned', 'signed', 'broadcast', 'mined', 'final', 'dropped')),
    reason text NOT NULL DEFAULT '',
    txid text,
    height bigint,
    block_hash text,
    success boolean,
    gas_used bigint,
    fee numeric(78, 0),
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0, -- simulations that failed in a row
    retry_at timestamptz NOT NULL DEFAULT now(),
    request_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain, purpose, reference),
    CHECK ((state IN ('mined', 'final')) = (success IS NOT NULL)),
    CHECK ((success IS NULL) = (height IS NULL)),
    CHECK ((height IS NULL) = (block_hash IS NULL)),
    CHECK ((success IS NULL) = (fee IS NULL))
);
CREATE INDEX outbound_relay_open ON outbound_relay (chain, id) WHERE state NOT IN ('final', 'dropped');

-- One nonce of one account. `released`: it carries its relay no more, which may have another one.
CREATE TABLE outbound_relay_nonce (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL,
    relayer bytea NOT NULL,
    nonce bigint NOT NULL CHECK (nonce >= 0),
    relay_id bigint REFERENCES outbound_relay,
    released boolean NOT NULL DEFAULT false,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'mined', 'final', 'foreign')),
    emptied boolean NOT NULL DEFAULT false, -- to be taken by an empty self-call, whatever it carried
    underpriced boolean NOT NULL DEFAULT false, -- a node said so: raise it without waiting
    mined_number integer,
    mined_height bigint,
    mined_hash text,
    mined_at timestamptz,
    fee numeric(78, 0), -- what it cost, once mined
    worst numeric(78, 0) NOT NULL CHECK (worst >= 0), -- what it may cost at most
    sent_height bigint,
    sent_at timestamptz,
    -- The block in which it was first seen taken with none of our versions in a block.
    missed_height bigint,
    missed_hash text,
    missed_at timestamptz,
    retry_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain, relayer, nonce),
    FOREIGN KEY (chain, relayer) REFERENCES outbound_relayer,
    CHECK ((state IN ('mined', 'final')) = (mined_number IS NOT NULL)),
    CHECK ((mined_number IS NULL) = (mined_height IS NULL)),
    CHECK ((mined_number IS NULL) = (mined_hash IS NULL)),
    CHECK ((mined_number IS NULL) = (fee IS NULL)),
    CHECK ((missed_height IS NULL) = (missed_hash IS NULL)),
    CHECK (relay_id IS NOT NULL OR emptied)
);
-- However the code above plans: a relay is carried by one nonce at a time.
CREATE UNIQUE INDEX outbound_relay_one_nonce ON outbound_relay_nonce (relay_id) WHERE NOT released;
CREATE INDEX outbound_relay_nonce_open ON outbound_relay_nonce (chain, relayer, nonce) WHERE state IN ('open', 'mined');
CREATE INDEX outbound_relay_nonce_spent ON outbound_relay_nonce (chain, mined_at) WHERE state IN ('mined', 'final');
CREATE INDEX outbound_relay_nonce_foreign ON outbound_relay_nonce (chain, missed_at) WHERE state = 'foreign';

CREATE TABLE outbound_relay_version (
    nonce_id bigint NOT NULL REFERENCES outbound_relay_nonce,
    number integer NOT NULL CHECK (number > 0),
    kind text NOT NULL CHECK (kind IN ('call', 'empty')),
    gas_limit bigint NOT NULL CHECK (gas_limit >= 21000),
    max_fee numeric(78, 0) NOT NULL CHECK (max_fee > 0),
    tip numeric(78, 0) NOT NULL CHECK (tip >= 0 AND tip <= max_fee),
    state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'signed', 'broadcast')),
    raw bytea,
    txid text UNIQUE,
    offered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (nonce_id, number),
    CHECK ((state = 'planned') = (raw IS NULL)),
    CHECK ((raw IS NULL) = (txid IS NULL))
);

CREATE TABLE outbound_relay_history (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relay_id bigint REFERENCES outbound_relay,
    nonce_id bigint REFERENCES outbound_relay_nonce,
    at timestamptz NOT NULL DEFAULT now(),
    arrow text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX outbound_relay_history_of ON outbound_relay_history (relay_id, id);
CREATE TRIGGER outbound_relay_history_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON outbound_relay_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER outbound_relay_wake AFTER INSERT ON outbound_relay
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('relay');
CREATE TRIGGER outbound_relay_version_wake AFTER INSERT OR UPDATE OF state ON outbound_relay_version
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('relay');

GRANT SELECT, INSERT, UPDATE ON outbound_relayer, outbound_relay, outbound_relay_nonce, outbound_relay_version
    TO strongroom_treasury;
GRANT SELECT, INSERT ON outbound_relay_history TO strongroom_treasury;
-- Signed bytes are nobody else's business, nor are calls: one to a Safe carries the signatures that execute it.
GRANT SELECT ON outbound_relayer, outbound_relay_nonce, outbound_relay_history TO strongroom_api, strongroom_worker;
REVOKE SELECT ON outbound_relay, outbound_relay_version FROM strongroom_auditor;
GRANT SELECT (id, chain, purpose, reference, target, gas_limit, state, reason, txid, height, block_hash, success, gas_used,
    fee, attempts, failures, retry_at, request_id, created_at, updated_at) ON outbound_relay
    TO strongroom_api, strongroom_worker, strongroom_auditor;
GRANT SELECT (nonce_id, number, kind, gas_limit, max_fee, tip, state, txid, offered_at, created_at) ON outbound_relay_version
    TO strongroom_auditor;
