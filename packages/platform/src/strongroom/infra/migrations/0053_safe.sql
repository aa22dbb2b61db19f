-- What a Safe slot has beside other slots: who was asked to execute it, and what its destinations really got.

-- Each try to have a version executed; written in the transaction that hands it to the relayer, whose reference it is.
CREATE TABLE safe_handover (
    slot_id text NOT NULL REFERENCES outbound_slot,
    number integer NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (slot_id, number, attempt),
    FOREIGN KEY (slot_id, number) REFERENCES outbound_version
);

-- What a slot did by the balances of its block, against what it was to do: what left the hot Safe for its payments, and what
-- their destinations got. A slot is settled by it. After a reorg the slot has another block, and is measured again.
CREATE TABLE safe_measure (
    slot_id text NOT NULL REFERENCES outbound_slot,
    block_hash text NOT NULL,
    asset text NOT NULL,
    expected numeric(78, 0) NOT NULL CHECK (expected > 0),
    left_hot numeric(78, 0) NOT NULL CHECK (left_hot >= 0),
    received numeric(78, 0) NOT NULL CHECK (received >= 0),
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (slot_id, block_hash, asset)
);

DO $$
DECLARE
    fact text;
BEGIN
    FOREACH fact IN ARRAY ARRAY['safe_handover', 'safe_measure'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON %I FOR EACH STATEMENT '
            'EXECUTE FUNCTION refuse_change()', fact || '_append_only', fact);
    END LOOP;
END $$;

GRANT SELECT, INSERT ON safe_handover, safe_measure TO strongroom_treasury;
GRANT SELECT ON safe_handover, safe_measure TO strongroom_api, strongroom_worker;

-- What the cold Safe's owners signed offline and gave to us to send, by its safeTxHash; what it moves is booked when final.
-- `passed`: another transaction of the cold Safe has used its nonce for good.
CREATE TABLE safe_cold (
    chain text NOT NULL,
    effect text NOT NULL CHECK (effect ~ '^0x[0-9a-f]{64}$'),
    nonce bigint NOT NULL CHECK (nonce >= 0),
    kind text NOT NULL CHECK (kind IN ('refill', 'withdrawal', 'limit')),
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount >= 0),
    state text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'final', 'passed')),
    reason text NOT NULL DEFAULT '',
    txid text,
    height bigint,
    block_hash text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, effect),
    CHECK ((height IS NULL) = (block_hash IS NULL) AND (height IS NULL) = (txid IS NULL)),
    CHECK ((state = 'final') <= (height IS NOT NULL))
);

GRANT SELECT, INSERT, UPDATE ON safe_cold TO strongroom_treasury;
GRANT SELECT ON safe_cold TO strongroom_api, strongroom_worker;
