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
