-- Forwarders swept to the cold Safe, many in one chain tx. What a forwarder holds is the deposits' record and the chain's
-- word; here is what was sent for, and what would not move.
CREATE TABLE treasury_gathering (
    id text PRIMARY KEY,
    chain text NOT NULL,
    state text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'done', 'failed')),
    txid text,
    height bigint,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CHECK ((state = 'sent') = (ended_at IS NULL))
);
CREATE INDEX treasury_gathering_open ON treasury_gathering (chain) WHERE state = 'sent';

-- `amount` is what the forwarder held when it was planned, `left_over` what it held after the block that swept it.
CREATE TABLE treasury_gathered (
    gathering_id text NOT NULL REFERENCES treasury_gathering,
    address_id text NOT NULL,
    branch bigint NOT NULL,
    index bigint NOT NULL,
    script bytea NOT NULL,
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    left_over numeric(78, 0) CHECK (left_over >= 0),
    PRIMARY KEY (gathering_id, address_id, asset)
);

CREATE TABLE treasury_stuck (
    chain text NOT NULL,
    address_id text NOT NULL,
    asset text NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    reason text NOT NULL,
    retry_at timestamptz NOT NULL,
    PRIMARY KEY (chain, address_id, asset)
);

-- Size and age of what waits on forwarders, as last counted; published.
CREATE TABLE treasury_ungathered (
    chain text NOT NULL,
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    forwarders integer NOT NULL CHECK (forwarders >= 0),
    since timestamptz NOT NULL,
    PRIMARY KEY (chain, asset)
);

GRANT SELECT ON treasury_gathering, treasury_gathered, treasury_stuck, treasury_ungathered
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT INSERT, UPDATE ON treasury_gathering, treasury_gathered, treasury_ungathered TO strongroom_treasury;
GRANT INSERT, UPDATE, DELETE ON treasury_stuck TO strongroom_treasury;
