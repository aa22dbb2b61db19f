-- What the signers have to be shown, each on its own: they believe no word of ours, only the chain. A subject is wanted as
-- long as not every signer has it in its own books, from the block that it stands in now.
CREATE TABLE proof_wanted (
    subject text PRIMARY KEY, -- the deposit's id, the slot's, or the name of a log
    kind text NOT NULL CHECK (kind IN ('deposit', 'conflict', 'sweep', 'execution')),
    chain text NOT NULL,
    txid text NOT NULL,
    place integer NOT NULL CHECK (place >= 0), -- the number of the output or log; of a conflict 0
    address_id text, -- where a deposit arrived
    height bigint NOT NULL,
    block_hash text NOT NULL,
    live boolean NOT NULL DEFAULT true, -- the block is in the chain, and deep enough for us
    done boolean NOT NULL DEFAULT false, -- every signer has it, and no reorganisation is expected any more
    wanted_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind IN ('deposit', 'sweep')) = (address_id IS NOT NULL))
);
CREATE INDEX proof_wanted_open ON proof_wanted (chain, height) WHERE live AND NOT done;

-- What a signer said last. `block_hash` and `tip` are those that it was asked with: after a reorganisation it is asked again.
CREATE TABLE proof_answer (
    subject text NOT NULL REFERENCES proof_wanted,
    signer text NOT NULL,
    state text NOT NULL CHECK (state IN ('proven', 'waiting', 'refused')),
    row bigint CHECK (row > 0), -- of its journal
    tag text NOT NULL DEFAULT '',
    reason text NOT NULL DEFAULT '',
    block_hash text NOT NULL,
    tip bigint NOT NULL,
    settled boolean NOT NULL, -- proven when it was beyond the horizon
    attempts integer NOT NULL CHECK (attempts > 0),
    retry_at timestamptz NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (subject, signer),
    CHECK ((state = 'proven') = (row IS NOT NULL)),
    CHECK (NOT settled OR state = 'proven')
);

-- How a signer took the last request about a chain as a whole; `tag` and `reason` where it refused all of it.
CREATE TABLE proof_signer (
    signer text NOT NULL,
    chain text NOT NULL,
    tag text NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    retry_at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (signer, chain)
);

-- In the transaction that confirms a deposit, so that none is forgotten, whoever dies when. An EVM chain's deposits are
-- proven by the sweeps of their forwarders.
CREATE FUNCTION want_deposit_proof() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state IN ('confirmed', 'held', 'credited') THEN
        INSERT INTO proof_wanted AS wanted (subject, kind, chain, txid, place, address_id, height, block_hash)
        VALUES (NEW.id, 'deposit', NEW.chain, NEW.txid, NEW.vout, NEW.address_id, NEW.height, NEW.block_hash)
        ON CONFLICT (subject) DO UPDATE SET live = true, height = EXCLUDED.height, block_hash = EXCLUDED.block_hash,
            done = false, wanted_at = CASE WHEN wanted.done THEN now() ELSE wanted.wanted_at END
        WHERE NOT wanted.live OR wanted.block_hash <> EXCLUDED.block_hash;
    ELSE
        UPDATE proof_wanted SET live = false WHERE subject = NEW.id AND live;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER deposit_proof_new AFTER INSERT ON deposit FOR EACH ROW
    WHEN (starts_with(NEW.chain, 'bip122:') AND NEW.state IN ('confirmed', 'held', 'credited'))
    EXECUTE FUNCTION want_deposit_proof();
CREATE TRIGGER deposit_proof_moved AFTER UPDATE ON deposit FOR EACH ROW
    WHEN (starts_with(NEW.chain, 'bip122:')
        AND (OLD.state, OLD.block_hash) IS DISTINCT FROM (NEW.state, NEW.block_hash))
    EXECUTE FUNCTION want_deposit_proof();

-- A slot that another chain tx made impossible, beyond the horizon: one that spends its coins, or the other version of what
-- its coins were change of. A signer that may have signed it counts its payments as paid until it is shown.
CREATE FUNCTION want_conflict_proof() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO proof_wanted (subject, kind, chain, txid, place, height, block_hash)
    SELECT NEW.id, 'conflict', NEW.chain, cause.txid, 0, cause.height, cause.block_hash
    FROM (
        SELECT NEW.conflict_txid AS txid, NEW.conflict_height AS height, NEW.conflict_hash AS block_hash
        UNION ALL
        SELECT parent.txid, parent.confirmed_height, parent.confirmed_hash
        FROM outbound_coin AS coin
        JOIN outbound_version AS version ON version.txid = coin.txid
        JOIN outbound_slot AS parent ON parent.id = version.slot_id AND parent.txid <> coin.txid
        WHERE coin.slot_id = NEW.id
    ) AS cause
    WHERE cause.block_hash IS NOT NULL
      AND EXISTS (SELECT FROM outbound_answer AS answer WHERE answer.slot_id = NEW.id AND answer.state <> 'refused')
    LIMIT 1
    ON CONFLICT (subject) DO UPDATE SET live = true, done = false, txid = EXCLUDED.txid, height = EXCLUDED.height,
        block_hash = EXCLUDED.block_hash;
    RETURN NULL;
END $$;
CREATE TRIGGER slot_conflict_proof AFTER UPDATE OF state ON outbound_slot FOR EACH ROW
    WHEN (NEW.state = 'abandoned' AND OLD.state <> 'abandoned' AND starts_with(NEW.chain, 'bip122:'))
    EXECUTE FUNCTION want_conflict_proof();

-- On an EVM chain: how far the finalized blocks were read for what forwarders swept (which anyone may have them do), and for
-- what the hot Safe executed.
CREATE TABLE proof_scan (
    chain text PRIMARY KEY,
    next_height bigint NOT NULL CHECK (next_height >= 0)
);
GRANT SELECT, INSERT, UPDATE ON proof_scan TO strongroom_treasury;
GRANT SELECT ON proof_scan TO strongroom_api, strongroom_worker;

CREATE TRIGGER proof_wanted_kept BEFORE DELETE OR TRUNCATE ON proof_wanted FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proof_wanted_wake AFTER INSERT OR UPDATE ON proof_wanted FOR EACH STATEMENT
    EXECUTE FUNCTION notify_channel('proofs');

GRANT SELECT, INSERT ON proof_wanted TO strongroom_worker, strongroom_treasury;
GRANT UPDATE (live, done, height, block_hash, txid, wanted_at) ON proof_wanted TO strongroom_worker, strongroom_treasury;
GRANT SELECT, INSERT, UPDATE ON proof_answer, proof_signer TO strongroom_treasury;
GRANT SELECT ON proof_wanted, proof_answer, proof_signer TO strongroom_api;
GRANT SELECT ON proof_answer, proof_signer TO strongroom_worker;
