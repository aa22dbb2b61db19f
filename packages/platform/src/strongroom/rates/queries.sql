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
