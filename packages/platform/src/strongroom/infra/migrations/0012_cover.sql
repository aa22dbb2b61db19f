-- Client money is never short. Two rules for each asset, judged at the end of every posting that can touch them, in its own
-- transaction: hot and in flight are covered by the house's own capital, and the clients' money by what is on the chain.
-- Decision: docs/decisions/0024.

-- One time that a rule did not hold. `size` is how much is not covered, in base units, as long as it stands; `worst` the most
-- that it was; `cause` the kind of ledger transaction that began it, or what an independent look found.
CREATE TABLE ledger_breach (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset text NOT NULL,
    kind text NOT NULL CHECK (kind IN (
        'hot-landed', 'hot-uncovered', 'clients-short',  -- of the books, by every posting
        'books-wrong', 'chain-short', 'signers-short')), -- of the independent look
    size numeric NOT NULL CHECK (size > 0 AND scale(size) = 0),
    worst numeric NOT NULL CHECK (worst >= size),
    cause text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- when its size last changed, or it ended
    ended_at timestamptz
);
-- One at a time of each rule; what hot holds too much is one rule, whether it landed there or lost its cover.
CREATE UNIQUE INDEX ledger_breach_standing ON ledger_breach (asset, split_part(kind, '-', 1)) WHERE ended_at IS NULL;
CREATE TRIGGER ledger_breach_kept BEFORE DELETE OR TRUNCATE ON ledger_breach FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_breach_over BEFORE UPDATE ON ledger_breach FOR EACH ROW
    WHEN (OLD.ended_at IS NOT NULL OR (OLD.asset, OLD.since, OLD.cause) <> (NEW.asset, NEW.since, NEW.cause))
    EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_breach_wake AFTER INSERT ON ledger_breach FOR EACH STATEMENT
    EXECUTE FUNCTION notify_channel('breach');

-- How the rules stand, in base units. Only the house's accounts are read, a row each, and the few merchants that owe us: all
-- accounts of an asset sum to zero, so what clients have is the rest.
-- Capital is what was paid in, less miners' fees that merchants' fees did not bring in again, less what was lost: payments
-- that nobody can explain, and debts. No client's money stands in for them.
-- What is in flight leaves hot with its chain tx's finality, and is part of `hot` until then: `hot` alone is both. Where a
-- chain tx draws what it pays from cold, more can be in flight than hot ever held.
CREATE FUNCTION ledger_cover(watched text)
RETURNS TABLE (hot numeric, in_flight numeric, capital numeric, hot_short numeric, clients_short numeric)
LANGUAGE sql STABLE AS $$ -- a table, so that the planner takes it in: one query instead of a function's call
    SELECT told.hot, told.in_flight, told.own, greatest(told.hot, told.in_flight) - greatest(told.own, 0), - told.whole
    FROM (
        SELECT - house.hot AS hot, house.in_flight,
            house.capital + least(0, house.fees + house.network) + least(0, house.suspense) + owed.total AS own,
            house.capital + house.fees + house.network + house.suspense + owed.total AS whole
        FROM (
            SELECT coalesce(sum(balance) FILTER (WHERE type = 'chain-hot'), 0) AS hot,
                coalesce(sum(balance) FILTER (WHERE type = 'in-transit'), 0) AS in_flight,
                coalesce(sum(balance) FILTER (WHERE type = 'house-capital'), 0) AS capital,
                coalesce(sum(balance) FILTER (WHERE type = 'house-fees'), 0) AS fees,
                coalesce(sum(balance) FILTER (WHERE type = 'network-fees'), 0) AS network,
                coalesce(sum(balance) FILTER (WHERE type = 'suspense'), 0) AS suspense
            FROM ledger_account
            WHERE owner = '' AND asset = watched AND type IN (
                'chain-hot', 'in-transit', 'house-capital', 'house-fees', 'network-fees', 'suspense')
        ) AS house, (
            SELECT coalesce(sum(balance), 0) AS total FROM ledger_account WHERE type = 'merchant-owed' AND asset = watched
        ) AS owed
    ) AS told;
$$;
COMMENT ON FUNCTION ledger_cover IS 'What hot holds beyond the house''s capital, and clients beyond what is on the chain; below zero where they do not';

-- Begins, changes or ends what stands of one rule; the caller holds the asset's lock.
CREATE FUNCTION ledger_set_breach(p_asset text, p_kind text, p_size numeric, p_cause text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    was ledger_breach;
    topic text;
BEGIN
    SELECT * INTO was FROM ledger_breach
    WHERE asset = p_asset AND split_part(kind, '-', 1) = split_part(p_kind, '-', 1) AND ended_at IS NULL FOR UPDATE;
    IF was.id IS NULL AND p_size > 0 THEN
        INSERT INTO ledger_breach (asset, kind, size, worst, cause) VALUES (p_asset, p_kind, p_size, p_size, p_cause)
        RETURNING * INTO was;
        topic := 'ledger.breach-began';
    ELSIF p_size > 0 AND p_size <> was.size THEN
        -- What had only landed may lose its cover as well, and is then no more what a sweep is for.
        UPDATE ledger_breach SET size = p_size, worst = greatest(worst, p_size), last_at = clock_timestamp(),
            kind = CASE WHEN p_size > size AND p_kind = 'hot-uncovered' THEN p_kind ELSE kind END
        WHERE id = was.id;
    ELSIF was.id IS NOT NULL AND p_size <= 0 THEN
        UPDATE ledger_breach SET ended_at = clock_timestamp(), last_at = clock_timestamp() WHERE id = was.id;
        topic := 'ledger.breach-ended';
    END IF;
    IF topic IS NOT NULL THEN
        INSERT INTO outbox_event (topic, key, payload) VALUES (topic, p_asset, jsonb_build_object(
            'breach', was.id, 'asset', p_asset, 'kind', was.kind, 'size', was.size::text, 'worst', was.worst::text,
            'cause', was.cause, 'since', was.since));
    END IF;
END $$;

-- Which ledger transaction was the last that made hot more than its cover: its kind, and whether it was hot that grew.
CREATE FUNCTION ledger_hot_cause(watched text, OUT kind text, OUT cause text) LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN account.type = 'chain-hot' THEN 'hot-landed' ELSE 'hot-uncovered' END, made.kind
    FROM ledger_account account
    JOIN ledger_entry entry ON entry.account_id = account.id AND entry.seq = account.entries
    JOIN ledger_transaction made ON made.number = entry.transaction
    WHERE account.owner = '' AND account.asset = watched
      AND account.type IN ('chain-hot', 'house-capital', 'network-fees', 'suspense', 'in-transit')
      AND (account.type = 'in-transit') = (entry.amount > 0)
    ORDER BY made.number DESC, account.type LIMIT 1;
$$;

-- Compares what stands with what should. Nothing is locked where nothing changes; where it does, one at a time, and looked at
-- again by whoever had to wait.
CREATE FUNCTION ledger_judge(watched text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    found record;
    origin record;
BEGIN
    FOR look IN 1 .. 2 LOOP
        SELECT greatest(cover.hot_short, 0) AS hot, greatest(cover.clients_short, 0) AS clients INTO found
        FROM ledger_cover(watched) AS cover;
        IF (found.hot, found.clients) = (
            SELECT coalesce(sum(size) FILTER (WHERE kind IN ('hot-landed', 'hot-uncovered')), 0),
                coalesce(sum(size) FILTER (WHERE kind = 'clients-short'), 0)
            FROM ledger_breach WHERE asset = watched AND ended_at IS NULL
        ) THEN
            RETURN;
        END IF;
        IF look = 1 THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('ledger-breach ' || watched, 0));
        END IF;
    END LOOP;
    SELECT * INTO origin FROM ledger_hot_cause(watched);
    PERFORM ledger_set_breach(watched, coalesce(origin.kind, 'hot-uncovered'), found.hot, coalesce(origin.cause, ''));
    PERFORM ledger_set_breach(watched, 'clients-short', found.clients, coalesce(origin.cause, ''));
END $$;

-- For the independent look: two transactions that each keep the rules can break one together, neither seeing the other.
CREATE FUNCTION ledger_judge_all() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM ledger_judge(asset) FROM (SELECT DISTINCT asset FROM ledger_account WHERE owner = '') AS kept ORDER BY asset;
END $$;
COMMENT ON FUNCTION ledger_judge_all IS 'Judges every asset again, as its last posting did';

-- What the independent look found by other means than the books' own sums; it says 0 once it finds it no more. It cannot
-- speak about what the books judge themselves.
CREATE FUNCTION ledger_report_breach(p_asset text, p_kind text, p_size numeric, p_cause text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF p_kind NOT IN ('books-wrong', 'chain-short', 'signers-short') OR p_kind IS NULL THEN
        RAISE EXCEPTION 'no report may say %: the books judge that themselves', p_kind
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger-breach ' || p_asset, 0));
    PERFORM ledger_set_breach(p_asset, p_kind, p_size, p_cause);
END $$;
COMMENT ON FUNCTION ledger_report_breach IS 'Begins, changes or (size 0) ends a breach that only the independent look can find';

CREATE FUNCTION ledger_frozen(p_chain text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM ledger_breach WHERE ended_at IS NULL AND starts_with(asset, p_chain || '/'));
$$;
COMMENT ON FUNCTION ledger_frozen IS 'Whether nothing may be handed out from hot on a chain, because a rule does not hold there';

REVOKE ALL ON FUNCTION ledger_cover, ledger_set_breach, ledger_hot_cause, ledger_judge, ledger_judge_all, ledger_report_breach,
    ledger_frozen FROM PUBLIC;
GRANT SELECT ON ledger_breach TO strongroom_api, strongroom_worker, strongroom_treasury;
GRANT EXECUTE ON FUNCTION ledger_frozen, ledger_cover
    TO strongroom_api, strongroom_worker, strongroom_treasury, strongroom_auditor;
GRANT EXECUTE ON FUNCTION ledger_judge_all, ledger_report_breach TO strongroom_worker;
