-- What each comparison found. Reading the other rooms' tables is the auditor's role, which may read everything.
CREATE TABLE reconciliation_run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    clean boolean NOT NULL,
    chains integer NOT NULL,
    journal_rows bigint NOT NULL,
    differences jsonb NOT NULL
);
CREATE TRIGGER reconciliation_run_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The gas capital of each relayer, in wei: what was paid in, found by its balance, and what an operator says was taken out
-- again. Paid in, less taken out, less what its chain txs have cost, is its balance at every block.
CREATE TABLE reconciliation_gas (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain text NOT NULL,
    relayer bytea NOT NULL CHECK (octet_length(relayer) = 20),
    number integer NOT NULL CHECK (number > 0),
    kind text NOT NULL CHECK (kind IN ('paid-in', 'taken-out')),
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    height bigint, -- the block at which a payment was found
    block_hash text,
    reason text NOT NULL DEFAULT '',
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain, relayer, number), -- of two that find the same payment one is recorded
    CHECK ((kind = 'paid-in') = (height IS NOT NULL)),
    CHECK ((height IS NULL) = (block_hash IS NULL)),
    CHECK (kind = 'paid-in' OR reason <> '')
);
CREATE TRIGGER reconciliation_gas_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reconciliation_gas
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON reconciliation_run, reconciliation_gas TO strongroom_worker;
GRANT SELECT ON reconciliation_run TO strongroom_api, strongroom_treasury;
