-- name: due
-- Branch 0 is change: nobody is shown its addresses. What was never asked for comes first.
SELECT b.chain, b.kind, b.branch, b.merchant_id, coalesce(p.next_index, 0) AS first,
    least(b.next_index, coalesce(p.next_index, 0) + %(batch)s) AS "end",
    coalesce(p.attempts, 0) AS attempts, p.identity, p.disputed
FROM wallet_branch AS b
LEFT JOIN attestation_branch AS p
    ON p.signer = %(signer)s AND p.chain = b.chain AND p.kind = b.kind AND p.branch = b.branch
WHERE b.branch > 0 AND b.chain = ANY (%(chains)s::text[]) AND b.next_index > coalesce(p.next_index, 0)
  AND (p.retry_at IS NULL OR p.retry_at <= %(now)s)
ORDER BY p.retry_at NULLS FIRST, b.chain, b.kind, b.branch
LIMIT %(limit)s

-- name: keep
INSERT INTO attestation (address_id, signer, identity, key_set, index, signature)
SELECT item.address_id, %(signer)s, %(identity)s, %(key_set)s, item.index, item.signature
FROM unnest(%(address_ids)s::text[], %(indices)s::integer[], %(signatures)s::bytea[]) AS item (address_id, index, signature)
ON CONFLICT (address_id, signer) DO UPDATE SET identity = EXCLUDED.identity, key_set = EXCLUDED.key_set,
    index = EXCLUDED.index, signature = EXCLUDED.signature

-- name: note
INSERT INTO attestation_branch (signer, chain, kind, branch, identity, next_index, disputed, tag, reason, attempts, retry_at,
    asked_at)
VALUES (%(signer)s, %(chain)s, %(kind)s, %(branch)s, %(identity)s, %(next_index)s, %(disputed)s, %(tag)s, %(reason)s,
    %(attempts)s, %(retry_at)s, %(now)s)
ON CONFLICT (signer, chain, kind, branch) DO UPDATE SET identity = EXCLUDED.identity, next_index = EXCLUDED.next_index,
    disputed = EXCLUDED.disputed, tag = EXCLUDED.tag, reason = EXCLUDED.reason, attempts = EXCLUDED.attempts,
    retry_at = EXCLUDED.retry_at, asked_at = EXCLUDED.asked_at

-- name: first_disputed
SELECT min(next_index) AS index FROM attestation_branch
WHERE chain = %(chain)s AND kind = %(kind)s AND branch = %(branch)s AND disputed IS NOT NULL

-- name: retry
UPDATE attestation_branch SET retry_at = %(now)s WHERE signer = %(signer)s AND retry_at > %(now)s

-- name: of_addresses
SELECT address_id, signer, identity, key_set, index, signature FROM attestation
WHERE address_id = ANY (%(ids)s::text[]) ORDER BY address_id, signer

-- name: lacking
SELECT asked.signer, coalesce(sum(b.next_index - coalesce(p.next_index, 0)), 0) AS addresses, count(*) FILTER (
        WHERE b.next_index > coalesce(p.next_index, 0)) AS branches,
    count(*) FILTER (WHERE p.disputed IS NOT NULL) AS disputed
FROM unnest(%(signers)s::text[]) AS asked (signer)
JOIN wallet_branch AS b ON b.branch > 0
LEFT JOIN attestation_branch AS p
    ON p.signer = asked.signer AND p.chain = b.chain AND p.kind = b.kind AND p.branch = b.branch
GROUP BY asked.signer ORDER BY asked.signer
