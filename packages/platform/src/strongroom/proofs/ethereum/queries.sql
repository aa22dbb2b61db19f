-- name: first_unread
-- Nothing can be swept before it was paid.
SELECT coalesce(
    (SELECT next_height FROM proof_scan WHERE chain = %(chain)s),
    (SELECT min(height) FROM deposit WHERE chain = %(chain)s)
) AS height

-- name: advance
INSERT INTO proof_scan AS scan (chain, next_height) VALUES (%(chain)s, %(next)s)
ON CONFLICT (chain) DO UPDATE SET next_height = EXCLUDED.next_height WHERE scan.next_height = %(first)s
RETURNING next_height

-- name: want_sweeps
INSERT INTO proof_wanted (subject, kind, chain, txid, place, address_id, height, block_hash)
SELECT item.subject, 'sweep', %(chain)s, item.txid, item.place, item.address_id, item.height, item.block_hash
FROM unnest(%(subjects)s::text[], %(txids)s::text[], %(places)s::integer[], %(addresses)s::text[], %(heights)s::bigint[],
    %(block_hashes)s::text[]) AS item (subject, txid, place, address_id, height, block_hash)
ON CONFLICT (subject) DO NOTHING

-- name: want_executions
INSERT INTO proof_wanted (subject, kind, chain, txid, place, height, block_hash)
SELECT item.subject, 'execution', %(chain)s, item.txid, item.place, item.height, item.block_hash
FROM unnest(%(subjects)s::text[], %(txids)s::text[], %(places)s::integer[], %(effects)s::text[], %(heights)s::bigint[],
    %(block_hashes)s::text[]) AS item (subject, txid, place, effect, height, block_hash)
WHERE EXISTS (
    SELECT FROM outbound_version AS executed
    JOIN outbound_coin AS nonce ON nonce.slot_id = executed.slot_id AND nonce.chain = %(chain)s
    JOIN outbound_coin AS same ON same.chain = nonce.chain AND same.txid = nonce.txid AND same.vout = nonce.vout
    JOIN outbound_version AS other ON other.slot_id = same.slot_id AND other.txid <> executed.txid
    JOIN outbound_answer AS answer ON answer.slot_id = other.slot_id AND answer.number = other.number
    WHERE executed.txid = item.effect AND answer.state <> 'refused'
)
ON CONFLICT (subject) DO NOTHING
