-- name: insert_observations
INSERT INTO rate_observation (source, asset, fiat, numerator, denominator, observed_at)
SELECT * FROM unnest(
    %(sources)s::text[], %(assets)s::text[], %(fiats)s::text[], %(numerators)s::numeric[], %(denominators)s::numeric[],
    %(times)s::timestamptz[]
);

-- name: latest_observations
-- The newest word of each source about each pair; sources that are no longer asked are left out.
SELECT DISTINCT ON (asset, fiat, source) id, source, asset, fiat, numerator, denominator, observed_at
FROM rate_observation
WHERE source = ANY (%(sources)s) AND recorded_at > now() - interval '1 day'
ORDER BY asset, fiat, source, id DESC;

-- name: insert_quote
INSERT INTO rate_quote (asset, fiat, refusal, numerator, denominator, sources, observation_ids, quoted_at, expires_at)
VALUES (
    %(asset)s, %(fiat)s, %(refusal)s, %(numerator)s, %(denominator)s, %(sources)s, %(observation_ids)s, %(quoted_at)s,
    %(expires_at)s
);

-- name: latest_quotes
SELECT DISTINCT ON (asset, fiat) asset, fiat, refusal, numerator, denominator, sources, quoted_at, expires_at
FROM rate_quote
WHERE quoted_at > now() - interval '1 day'
ORDER BY asset, fiat, id DESC;

-- name: par_states
SELECT asset, fiat, stand, since, numerator, denominator, priced_at, calm_since FROM rate_par ORDER BY asset;

-- name: lock_par_states
SELECT asset, fiat, stand, since, numerator, denominator, priced_at, calm_since FROM rate_par ORDER BY asset FOR UPDATE;

-- name: save_par_state
INSERT INTO rate_par (asset, fiat, stand, since, numerator, denominator, priced_at, calm_since)
VALUES (
    %(asset)s, %(fiat)s, %(stand)s, %(since)s, %(numerator)s, %(denominator)s, %(priced_at)s, %(calm_since)s
)
ON CONFLICT (asset) DO UPDATE
SET fiat = excluded.fiat, stand = excluded.stand, since = excluded.since, numerator = excluded.numerator,
    denominator = excluded.denominator, priced_at = excluded.priced_at, calm_since = excluded.calm_since;

-- name: forget_par_states
DELETE FROM rate_par WHERE asset <> ALL (%(assets)s);

-- name: not_at_par
SELECT asset FROM rate_par WHERE stand <> 'at-par';

-- name: hold_not_at_par
-- Shared until the reader's transaction ends: what it decides by a stand is committed before that stand changes, so that
-- whoever acts on the change finds all that was decided by it.
SELECT asset FROM rate_par WHERE stand <> 'at-par' FOR SHARE;
