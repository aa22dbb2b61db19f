-- The books: double entry in plain SQL. Rows are written by the functions below and by nothing else; a process's role may
-- execute them and read. Decisions: docs/decisions/0020 to 0022.

-- What a type of ledger account may hold; the one place that says it. The outer bounds are those of NUMERIC(78,0).
CREATE FUNCTION ledger_low(type text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN type IN ('merchant-available', 'merchant-held', 'in-transit') THEN 0::numeric ELSE 1 - 1e78 END;
CREATE FUNCTION ledger_high(type text) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN type IN ('merchant-owed', 'chain-hot', 'chain-cold') THEN 0::numeric ELSE 1e78 - 1 END;

-- A bucket of one asset. `owner` is a merchant, or empty for the house. `entries` counts them and numbers the last one.
CREATE TABLE ledger_account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner text NOT NULL,
    type text NOT NULL CHECK (type IN (
        'merchant-available', 'merchant-held', 'merchant-owed', 'house-capital', 'house-fees', 'network-fees',
        'in-transit', 'suspense', 'chain-hot', 'chain-cold')),
    asset text NOT NULL,
    balance numeric(78, 0) NOT NULL DEFAULT 0,
    entries bigint NOT NULL DEFAULT 0,
    UNIQUE (owner, type, asset),
    CONSTRAINT ledger_account_owner CHECK ((owner <> '') = (type LIKE 'merchant-%')),
    CONSTRAINT ledger_account_bounds CHECK (balance BETWEEN ledger_low(type) AND ledger_high(type))
) WITH (fillfactor = 40);  -- room for the next version of a row on its own page, so that no index is touched (HOT)

-- Without the balance, which would cost every posting an index entry.
CREATE INDEX ledger_account_owed ON ledger_account (asset, owner) WHERE type = 'merchant-owed';

-- An atomic group of postings. The key makes it happen once; the hash of the input tells "again" from "another".
CREATE TABLE ledger_transaction (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    input_hash bytea NOT NULL CHECK (length(input_hash) = 32),
    kind text NOT NULL,
    memo jsonb NOT NULL,
    posted_at timestamptz NOT NULL
);

-- One leg of a posting: the source's and the destination's share (transaction, line). `seq` numbers an account's entries
-- without gaps, so that its history is one chain, by the primary key. No foreign keys: one function writes both sides.
CREATE TABLE ledger_entry (
    account_id bigint NOT NULL,
    seq bigint NOT NULL,
    transaction bigint NOT NULL,
    line integer NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount <> 0),
    balance_before numeric(78, 0) NOT NULL,
    balance_after numeric(78, 0) NOT NULL,
    PRIMARY KEY (account_id, seq),
    CONSTRAINT ledger_entry_adds_up CHECK (balance_after = balance_before + amount)
);
-- Rows lie in the order of their transactions: a block range index costs nothing to keep and finds them all the same.
CREATE INDEX ledger_entry_transaction ON ledger_entry USING brin (transaction) WITH (pages_per_range = 16, autosummarize = on);

CREATE TABLE ledger_hold (
    id text PRIMARY KEY,
    key text NOT NULL UNIQUE,
    owner text NOT NULL,
    asset text NOT NULL,
    amount numeric(78, 0) NOT NULL CHECK (amount > 0),
    captured numeric(78, 0) NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released numeric(78, 0) NOT NULL DEFAULT 0 CHECK (released >= 0),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed', 'expired')),
    expires_at timestamptz,
    memo jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ledger_hold_adds_up CHECK (
        captured + released <= amount AND (state = 'open') = (captured + released < amount))
);
CREATE INDEX ledger_hold_due ON ledger_hold (expires_at) WHERE state = 'open' AND expires_at IS NOT NULL;

CREATE TRIGGER ledger_transaction_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_account_stays BEFORE DELETE OR TRUNCATE ON ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_hold_stays BEFORE DELETE OR TRUNCATE ON ledger_hold
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Posts a batch: accounts named once (a_*), transactions (t_*, `t_lasts` the number of the last posting of each), postings
-- (p_*, accounts by their number). One that cannot be posted leaves no trace and does not disturb the others, unless it is
-- all or nothing.
-- outcomes: 0 posted, 1 posted before (same key and input), 2 key taken by another input, 3 an account would leave its bounds.
CREATE FUNCTION ledger_post_once(
    a_owners text[], a_types text[], a_assets text[],
    t_keys text[], t_hashes text[], t_kinds text[], t_memos text[], t_lasts integer[],
    p_sources integer[], p_destinations integer[], p_amounts numeric[], all_or_nothing boolean,
    OUT outcomes smallint[], OUT numbers bigint[], OUT posted_ms bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[]; balances numeric[]; seqs bigint[]; lows numeric[]; highs numeric[];
    p_numbers bigint[]; p_lines integer[]; s_befores numeric[]; d_befores numeric[]; s_seqs bigint[]; d_seqs bigint[];
    known record;
    s integer; d integer; p integer; undo integer;
    first integer := 1; fresh bigint; amount numeric; s_before numeric; d_before numeric;
    ms bigint := floor(extract(epoch FROM now()) * 1000);
BEGIN
    -- Those that are missing are made first, in an order, by whoever holds no lock yet: who waited for another's new
    -- account while holding an old one could wait for each other. Then all are locked in the order of their ids.
    IF EXISTS (
        SELECT FROM unnest(a_owners, a_types, a_assets) AS named (owner, type, asset)
        WHERE NOT EXISTS (
            SELECT FROM ledger_account account
            WHERE (account.owner, account.type, account.asset) = (named.owner, named.type, named.asset))
    ) THEN
        INSERT INTO ledger_account (owner, type, asset)
        SELECT named.owner, named.type, named.asset FROM unnest(a_owners, a_types, a_assets) AS named (owner, type, asset)
        WHERE NOT EXISTS (
            SELECT FROM ledger_account account
            WHERE (account.owner, account.type, account.asset) = (named.owner, named.type, named.asset))
        ORDER BY 1, 2, 3
        ON CONFLICT DO NOTHING;
    END IF;
    SELECT array_agg(locked.id ORDER BY n), array_agg(locked.balance ORDER BY n), array_agg(locked.entries ORDER BY n),
        array_agg(ledger_low(locked.type) ORDER BY n), array_agg(ledger_high(locked.type) ORDER BY n)
    INTO ids, balances, seqs, lows, highs
    FROM (
        SELECT named.n, account.id, account.type, account.balance, account.entries
        FROM unnest(a_owners, a_types, a_assets) WITH ORDINALITY AS named (owner, type, asset, n)
        JOIN ledger_account account ON (account.owner, account.type, account.asset) = (named.owner, named.type, named.asset)
        ORDER BY account.id
        FOR NO KEY UPDATE OF account
    ) AS locked;

    outcomes := array_fill(0::smallint, ARRAY[cardinality(t_keys)]);
    numbers := array_fill(NULL::bigint, ARRAY[cardinality(t_keys)]);
    posted_ms := array_fill(ms, ARRAY[cardinality(t_keys)]);
    p_numbers := array_fill(NULL::bigint, ARRAY[cardinality(p_sources)]);
    p_lines := array_fill(NULL::integer, ARRAY[cardinality(p_sources)]);
    s_befores := array_fill(NULL::numeric, ARRAY[cardinality(p_sources)]);
    d_befores := s_befores;
    s_seqs := p_numbers;
    d_seqs := p_numbers;

    FOR known IN
        SELECT asked.n::integer AS n, made.number, made.input_hash = decode(asked.hash, 'hex') AS same,
            floor(extract(epoch FROM made.posted_at) * 1000)::bigint AS ms
        FROM unnest(t_keys, t_hashes) WITH ORDINALITY AS asked (key, hash, n)
        JOIN ledger_transaction made ON made.key = asked.key
    LOOP
        outcomes[known.n] := CASE WHEN known.same THEN 1 ELSE 2 END;
        numbers[known.n] := known.number;
        posted_ms[known.n] := known.ms;
    END LOOP;

    -- Decided one after the other in memory, written at once.
    FOR t IN 1 .. cardinality(t_keys) LOOP
        IF outcomes[t] = 0 THEN
            fresh := nextval('ledger_transaction_number_seq');
            numbers[t] := fresh;
            p := first;
            WHILE p <= t_lasts[t] LOOP
                s := p_sources[p];
                d := p_destinations[p];
                amount := p_amounts[p];
                IF s = d OR amount <= 0 OR a_assets[s] <> a_assets[d] THEN
                    RAISE EXCEPTION 'a posting moves a positive amount between two ledger accounts of one asset'
                        USING ERRCODE = 'invalid_parameter_value';
                END IF;
                s_before := balances[s];
                d_before := balances[d];
                IF s_before - amount < lows[s] OR d_before + amount > highs[d] THEN
                    outcomes[t] := 3;
                    numbers[t] := NULL;
                    FOR undo IN REVERSE p - 1 .. first LOOP
                        s := p_sources[undo];
                        d := p_destinations[undo];
                        balances[s] := s_befores[undo];
                        balances[d] := d_befores[undo];
                        seqs[s] := s_seqs[undo] - 1;
                        seqs[d] := d_seqs[undo] - 1;
                        p_numbers[undo] := NULL;
                    END LOOP;
                    EXIT;
                END IF;
                p_numbers[p] := fresh;
                p_lines[p] := p - first + 1;
                s_befores[p] := s_before;
                d_befores[p] := d_before;
                balances[s] := s_before - amount;
                balances[d] := d_before + amount;
                s_seqs[p] := seqs[s] + 1;
                d_seqs[p] := seqs[d] + 1;
                seqs[s] := s_seqs[p];
                seqs[d] := d_seqs[p];
                p := p + 1;
            END LOOP;
        END IF;
        first := t_lasts[t] + 1;
    END LOOP;

    IF all_or_nothing AND 1 < ANY (outcomes) THEN
        RETURN;  -- nothing was written yet
    END IF;

    INSERT INTO ledger_transaction (number, key, input_hash, kind, memo, posted_at)
    OVERRIDING SYSTEM VALUE
    SELECT new.number, new.key, decode(new.hash, 'hex'), new.kind, new.memo::jsonb, now()
    FROM unnest(outcomes, numbers, t_keys, t_hashes, t_kinds, t_memos) AS new (outcome, number, key, hash, kind, memo)
    WHERE new.outcome = 0;

    INSERT INTO ledger_entry (account_id, seq, transaction, line, amount, balance_before, balance_after)
    SELECT leg.account_id, leg.seq, new.number, new.line, leg.amount, leg.before, leg.before + leg.amount
    FROM unnest(p_numbers, p_lines, p_sources, p_destinations, p_amounts, s_befores, d_befores, s_seqs, d_seqs)
        AS new (number, line, source, destination, amount, s_before, d_before, s_seq, d_seq)
    CROSS JOIN LATERAL (VALUES
        (ids[new.source], new.s_seq, - new.amount, new.s_before),
        (ids[new.destination], new.d_seq, new.amount, new.d_before)
    ) AS leg (account_id, seq, amount, before)
    WHERE new.number IS NOT NULL;

    UPDATE ledger_account account SET balance = new.balance, entries = new.entries
    FROM unnest(ids, balances, seqs) AS new (id, balance, entries)
    WHERE account.id = new.id AND account.entries <> new.entries;
END $$;

-- Posts, and then judges whether clients' money is covered still (0012_cover.sql), in the same transaction.
CREATE FUNCTION ledger_post(
    a_owners text[], a_types text[], a_assets text[],
    t_keys text[], t_hashes text[], t_kinds text[], t_memos text[], t_lasts integer[],
    p_sources integer[], p_destinations integer[], p_amounts numeric[], all_or_nothing boolean,
    OUT outcomes smallint[], OUT numbers bigint[], OUT posted_ms bigint[]
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
-- Always by index: a plan that was made and kept while the tables were small would read all of them for ever.
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    FOR attempt IN 1 .. 3 LOOP
        BEGIN
            SELECT made.outcomes, made.numbers, made.posted_ms INTO outcomes, numbers, posted_ms
            FROM ledger_post_once(a_owners, a_types, a_assets, t_keys, t_hashes, t_kinds, t_memos, t_lasts,
                p_sources, p_destinations, p_amounts, all_or_nothing) AS made;
            EXIT;
        EXCEPTION WHEN unique_violation THEN
            -- Another batch wrote one of our keys since we looked; it is committed now, and the next look finds it.
            IF attempt = 3 THEN
                RAISE EXCEPTION 'a key stands twice in one batch' USING ERRCODE = 'invalid_parameter_value';
            END IF;
        END;
    END LOOP;
    -- What moves between merchants' own accounts changes nothing that has to be covered.
    IF 0 = ANY (outcomes) AND NOT a_types <@ '{merchant-available,merchant-held}' THEN
        PERFORM ledger_judge(touched.asset)
        FROM (
            SELECT DISTINCT named.asset FROM unnest(a_types, a_assets) AS named (type, asset)
            WHERE named.type NOT IN ('merchant-available', 'merchant-held') ORDER BY 1
        ) AS touched;
    END IF;
END $$;
COMMENT ON FUNCTION ledger_post IS 'Posts a batch of ledger transactions, each of them wholly or not at all';

-- outcomes of holds: those of ledger_post, and 4 the hold is closed or expired, 5 more than is left of it, 6 no such hold.
CREATE FUNCTION ledger_reserve(
    new_id text, new_key text, hash text, new_owner text, new_asset text, new_amount numeric,
    new_expires_at timestamptz, new_memo text,
    OUT outcome smallint, OUT hold ledger_hold
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    SELECT made.outcomes[1] INTO outcome
    FROM ledger_post(ARRAY[new_owner, new_owner], ARRAY['merchant-available', 'merchant-held'], ARRAY[new_asset, new_asset],
        ARRAY[new_key], ARRAY[hash], ARRAY['hold-reserve'], ARRAY[new_memo], ARRAY[1], ARRAY[1], ARRAY[2],
        ARRAY[new_amount], true) AS made;
    IF outcome = 0 THEN
        INSERT INTO ledger_hold (id, key, owner, asset, amount, expires_at, memo)
        VALUES (new_id, new_key, new_owner, new_asset, new_amount, new_expires_at, new_memo::jsonb)
        RETURNING * INTO hold;
    ELSIF outcome = 1 THEN
        SELECT * INTO hold FROM ledger_hold WHERE key = new_key;
    END IF;
END $$;
COMMENT ON FUNCTION ledger_reserve IS 'Moves an amount from available to held and remembers it as a hold';

-- Whether the key was used before: NULL where not, else the outcome 1 or 2.
CREATE FUNCTION ledger_known(asked_key text, asked_hash text) RETURNS smallint LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN input_hash = decode(asked_hash, 'hex') THEN 1 ELSE 2 END::smallint
    FROM ledger_transaction WHERE key = asked_key;
$$;

-- The account numbered 1 is the hold's own, and the source of every posting.
CREATE FUNCTION ledger_capture(
    hold_id text, key text, hash text,
    a_owners text[], a_types text[], a_assets text[], p_destinations integer[], p_amounts numeric[], memo text,
    OUT outcome smallint, OUT hold ledger_hold
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    total numeric := (SELECT sum(each) FROM unnest(p_amounts) AS each);
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = hold_id FOR UPDATE;
    IF NOT FOUND OR (a_owners[1], a_types[1], a_assets[1]) IS DISTINCT FROM (hold.owner, 'merchant-held', hold.asset) THEN
        outcome := 6;
        RETURN;
    END IF;
    outcome := ledger_known(key, hash);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    outcome := CASE WHEN hold.state <> 'open' THEN 4 WHEN total > hold.amount - hold.captured - hold.released THEN 5 END;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT made.outcomes[1] INTO outcome
    FROM ledger_post(a_owners, a_types, a_assets, ARRAY[key], ARRAY[hash], ARRAY['hold-capture'], ARRAY[memo],
        ARRAY[cardinality(p_amounts)], array_fill(1, ARRAY[cardinality(p_amounts)]), p_destinations, p_amounts, true) AS made;
    IF outcome = 0 THEN
        UPDATE ledger_hold SET captured = captured + total, updated_at = now(),
            state = CASE WHEN captured + total + released = amount THEN 'closed' ELSE 'open' END
        WHERE id = hold_id RETURNING * INTO hold;
    END IF;
END $$;
COMMENT ON FUNCTION ledger_capture IS 'Moves held money on to where it goes, in part or in whole';

CREATE FUNCTION ledger_release(
    hold_id text, key text, hash text, memo text, final_state text, OUT outcome smallint, OUT hold ledger_hold
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    rest numeric;
BEGIN
    SELECT * INTO hold FROM ledger_hold WHERE id = hold_id FOR UPDATE;
    outcome := CASE WHEN NOT FOUND THEN 6 ELSE coalesce(ledger_known(key, hash), CASE WHEN hold.state <> 'open' THEN 4 END) END;
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    rest := hold.amount - hold.captured - hold.released;
    SELECT made.outcomes[1] INTO outcome
    FROM ledger_post(ARRAY[hold.owner, hold.owner], ARRAY['merchant-held', 'merchant-available'], ARRAY[hold.asset, hold.asset],
        ARRAY[key], ARRAY[hash], ARRAY['hold-release'], ARRAY[memo], ARRAY[1], ARRAY[1], ARRAY[2], ARRAY[rest], true) AS made;
    IF outcome = 0 THEN
        UPDATE ledger_hold SET released = released + rest, state = final_state, updated_at = now()
        WHERE id = hold_id RETURNING * INTO hold;
    END IF;
END $$;
COMMENT ON FUNCTION ledger_release IS 'Gives what is left of a hold back to available';

CREATE FUNCTION ledger_expire(due timestamptz, most integer) RETURNS SETOF ledger_hold
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    found text;
BEGIN
    FOR found IN
        SELECT id FROM ledger_hold WHERE state = 'open' AND expires_at <= due ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED
    LOOP
        RETURN QUERY SELECT (released.hold).* FROM ledger_release(found, 'hold:' || found || ':expire',
            encode(sha256(convert_to('expire ' || found, 'UTF8')), 'hex'), '{}', 'expired') AS released;
    END LOOP;
END $$;
COMMENT ON FUNCTION ledger_expire IS 'Releases holds whose time is over';

REVOKE ALL ON FUNCTION ledger_post_once, ledger_post, ledger_reserve, ledger_known, ledger_capture, ledger_release, ledger_expire
    FROM PUBLIC;
GRANT SELECT ON ledger_account, ledger_transaction, ledger_entry, ledger_hold
    TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT EXECUTE ON FUNCTION ledger_reserve, ledger_release TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT EXECUTE ON FUNCTION ledger_post, ledger_capture, ledger_expire TO strongroom_worker, strongroom_treasury;
