-- name: insert_relay
INSERT INTO outbound_relay (chain, purpose, reference, target, data, gas_limit, request_id)
VALUES (%(chain)s, %(purpose)s, %(reference)s, %(target)s, %(data)s, %(gas_limit)s, %(request)s)
ON CONFLICT (chain, purpose, reference) DO NOTHING
RETURNING id;

-- name: relay
SELECT * FROM outbound_relay WHERE chain = %(chain)s AND purpose = %(purpose)s AND reference = %(reference)s;

-- name: lock_relay
SELECT * FROM outbound_relay WHERE id = %(id)s FOR UPDATE;

-- name: due_to_assign
-- Planned relays that no nonce carries yet, oldest first.
SELECT relay.id FROM outbound_relay AS relay
WHERE relay.chain = %(chain)s AND relay.state = 'planned' AND relay.retry_at <= now()
  AND NOT EXISTS (SELECT FROM outbound_relay_nonce AS nonce WHERE nonce.relay_id = relay.id AND NOT nonce.released)
ORDER BY relay.id
LIMIT %(limit)s;

-- name: earlier_open
-- Whether an earlier call to the same contract is still on its way: this one may only work after it.
SELECT EXISTS (
    SELECT FROM outbound_relay AS other JOIN outbound_relay AS this ON this.id = %(id)s
    WHERE other.chain = this.chain AND other.target = this.target AND other.id < this.id
      AND other.state IN ('planned', 'signed', 'broadcast')
) AS found;

-- name: set_relay_state
UPDATE outbound_relay SET state = %(state)s, reason = %(reason)s, updated_at = now(), attempts = 0, failures = 0,
    retry_at = now()
WHERE id = %(id)s;

-- name: set_relay_mined
UPDATE outbound_relay SET state = 'mined', reason = '', txid = %(txid)s, height = %(height)s, block_hash = %(hash)s,
    success = %(success)s, gas_used = %(gas_used)s, fee = %(fee)s, updated_at = now()
WHERE id = %(id)s;

-- name: set_relay_unmined
UPDATE outbound_relay SET state = %(state)s, reason = %(reason)s, height = NULL, block_hash = NULL, success = NULL,
    gas_used = NULL, fee = NULL, updated_at = now()
WHERE id = %(id)s;

-- name: set_relay_txid
UPDATE outbound_relay SET txid = %(txid)s, updated_at = now() WHERE id = %(id)s;

-- name: wait_relay
UPDATE outbound_relay SET attempts = attempts + 1, reason = %(reason)s,
    retry_at = now() + make_interval(secs => least(30, 2 ^ least(attempts, 5))), updated_at = now()
WHERE id = %(id)s AND state = 'planned';

-- name: failed_simulation
UPDATE outbound_relay SET failures = failures + 1 WHERE id = %(id)s RETURNING failures;

-- name: insert_history
INSERT INTO outbound_relay_history (relay_id, nonce_id, arrow, reason)
VALUES (%(relay)s, %(nonce)s, %(arrow)s, %(reason)s);

-- name: know_relayer
INSERT INTO outbound_relayer (chain, address, position, next_nonce, chain_nonce, balance)
VALUES (%(chain)s, %(address)s, %(position)s, %(next_nonce)s, %(chain_nonce)s, %(balance)s)
ON CONFLICT (chain, address) DO UPDATE
SET position = excluded.position, chain_nonce = excluded.chain_nonce, balance = excluded.balance, checked_at = now();

-- name: lock_relayers
-- One at a time gives out nonces and commits gas of a chain.
SELECT * FROM outbound_relayer WHERE chain = %(chain)s ORDER BY address FOR UPDATE;

-- name: relayers
SELECT * FROM outbound_relayer WHERE chain = %(chain)s ORDER BY position, address;

-- name: all_relayers
SELECT relayer.*,
    (SELECT count(*) FROM outbound_relay_nonce AS nonce
     WHERE nonce.chain = relayer.chain AND nonce.relayer = relayer.address AND nonce.state = 'open') AS open_nonces,
    (SELECT count(*) FROM outbound_relay AS relay
     WHERE relay.chain = relayer.chain AND relay.state = 'planned') AS waiting
FROM outbound_relayer AS relayer
ORDER BY chain, position, address;

-- name: committed
-- What open nonces of each relayer may cost, and how many there are.
SELECT relayer, sum(worst) AS worst, count(*) AS open FROM outbound_relay_nonce
WHERE chain = %(chain)s AND state = 'open' GROUP BY relayer;

-- name: spent
-- Three sums, so that each has its own index.
SELECT
    (SELECT coalesce(sum(worst), 0) FROM outbound_relay_nonce WHERE chain = %(chain)s AND state = 'open')
    + (SELECT coalesce(sum(fee), 0) FROM outbound_relay_nonce
       WHERE chain = %(chain)s AND state IN ('mined', 'final') AND mined_at > %(since)s)
    + (SELECT coalesce(sum(worst), 0) FROM outbound_relay_nonce
       WHERE chain = %(chain)s AND state = 'foreign' AND missed_at > %(since)s) AS spent;

-- name: take_nonce
UPDATE outbound_relayer SET next_nonce = %(nonce)s + 1
WHERE chain = %(chain)s AND address = %(relayer)s AND next_nonce <= %(nonce)s;

-- name: insert_nonce
INSERT INTO outbound_relay_nonce (chain, relayer, nonce, relay_id, emptied, worst, created_at)
VALUES (%(chain)s, %(relayer)s, %(nonce)s, %(relay)s, %(emptied)s, %(worst)s, %(now)s)
RETURNING id;

-- name: insert_version
INSERT INTO outbound_relay_version (nonce_id, number, kind, gas_limit, max_fee, tip, created_at)
VALUES (%(nonce)s, %(number)s, %(kind)s, %(gas_limit)s, %(max_fee)s, %(tip)s, %(now)s);

-- name: raise_worst
UPDATE outbound_relay_nonce SET worst = greatest(worst, %(worst)s), underpriced = false, retry_at = now(), attempts = 0
WHERE id = %(id)s;

-- name: nonce_relay
SELECT relay_id FROM outbound_relay_nonce WHERE id = %(id)s;

-- name: lock_nonce
SELECT * FROM outbound_relay_nonce WHERE id = %(id)s FOR UPDATE;

-- name: live_nonces
SELECT * FROM outbound_relay_nonce
WHERE chain = %(chain)s AND relayer = %(relayer)s AND state IN ('open', 'mined')
ORDER BY nonce;

-- name: nonce_of_relay
SELECT * FROM outbound_relay_nonce WHERE relay_id = %(relay)s AND NOT released;

-- name: versions
SELECT version.*, nonce.relayer,
    CASE version.kind WHEN 'call' THEN relay.target ELSE nonce.relayer END AS target,
    CASE version.kind WHEN 'call' THEN relay.data ELSE ''::bytea END AS data
FROM outbound_relay_version AS version
JOIN outbound_relay_nonce AS nonce ON nonce.id = version.nonce_id
LEFT JOIN outbound_relay AS relay ON relay.id = nonce.relay_id
WHERE version.nonce_id = ANY(%(nonces)s)
ORDER BY version.nonce_id, version.number;

-- name: due_to_sign
-- Only the newest version of a nonce is ever signed.
SELECT nonce.id FROM outbound_relay_nonce AS nonce
JOIN outbound_relay_version AS version ON version.nonce_id = nonce.id
WHERE nonce.chain = %(chain)s AND nonce.state = 'open' AND version.state = 'planned' AND nonce.retry_at <= now()
  AND version.number = (SELECT max(number) FROM outbound_relay_version AS other WHERE other.nonce_id = nonce.id)
  AND (version.kind = 'empty' OR NOT nonce.emptied AND NOT nonce.released)
ORDER BY nonce.relayer, nonce.nonce
LIMIT %(limit)s;

-- name: due_to_send
SELECT nonce.id FROM outbound_relay_nonce AS nonce
JOIN outbound_relay_version AS version ON version.nonce_id = nonce.id
WHERE nonce.chain = %(chain)s AND nonce.state = 'open' AND version.state = 'signed' AND nonce.retry_at <= now()
  AND version.number = (SELECT max(number) FROM outbound_relay_version AS other WHERE other.nonce_id = nonce.id)
ORDER BY nonce.relayer, nonce.nonce
LIMIT %(limit)s;

-- name: set_signed
UPDATE outbound_relay_version SET state = 'signed', raw = %(raw)s, txid = %(txid)s
WHERE nonce_id = %(nonce)s AND number = %(number)s AND state = 'planned';

-- name: set_broadcast
UPDATE outbound_relay_version SET state = 'broadcast', offered_at = %(now)s
WHERE nonce_id = %(nonce)s AND number = %(number)s AND state IN ('signed', 'broadcast');

-- name: set_sent
UPDATE outbound_relay_nonce SET sent_height = %(height)s, sent_at = %(now)s, attempts = 0 WHERE id = %(id)s;

-- name: offered
UPDATE outbound_relay_version SET offered_at = %(now)s WHERE nonce_id = %(nonce)s AND number = %(number)s;

-- name: wait_nonce
UPDATE outbound_relay_nonce SET attempts = attempts + 1, underpriced = underpriced OR %(underpriced)s,
    retry_at = now() + make_interval(secs => least(30, 2 ^ least(attempts, 5)))
WHERE id = %(id)s;

-- name: note_relay
UPDATE outbound_relay SET reason = %(reason)s WHERE id = %(id)s AND state IN ('planned', 'signed', 'broadcast');

-- name: set_emptied
UPDATE outbound_relay_nonce SET emptied = true WHERE id = %(id)s;

-- name: release_nonce
UPDATE outbound_relay_nonce SET released = true, emptied = true WHERE id = %(id)s;

-- name: set_mined
UPDATE outbound_relay_nonce SET state = 'mined', mined_number = %(number)s, mined_height = %(height)s,
    mined_hash = %(hash)s, mined_at = %(now)s, fee = %(fee)s, missed_height = NULL,
    missed_hash = NULL, missed_at = NULL
WHERE id = %(id)s;

-- name: set_unmined
UPDATE outbound_relay_nonce SET state = 'open', mined_number = NULL, mined_height = NULL, mined_hash = NULL,
    mined_at = NULL, fee = NULL
WHERE id = %(id)s;

-- name: set_final
UPDATE outbound_relay_nonce SET state = 'final' WHERE id = %(id)s;

-- name: set_foreign
UPDATE outbound_relay_nonce SET state = 'foreign', released = true WHERE id = %(id)s;

-- name: set_missed
UPDATE outbound_relay_nonce SET missed_height = %(height)s, missed_hash = %(hash)s, missed_at = %(now)s
WHERE id = %(id)s;

-- name: oldest_open
SELECT min(coalesce(sent_at, created_at)) AS at FROM outbound_relay_nonce WHERE chain = %(chain)s AND relayer = %(relayer)s AND state = 'open';

-- name: foreign_since
SELECT count(*) AS found FROM outbound_relay_nonce
WHERE chain = %(chain)s AND relayer = %(relayer)s AND (
    state = 'foreign' AND missed_at > %(since)s OR state = 'open' AND missed_height IS NOT NULL
);

-- name: final_above
SELECT count(*) AS found FROM outbound_relay_nonce
WHERE chain = %(chain)s AND relayer = %(relayer)s AND state = 'final' AND nonce >= %(nonce)s;

-- name: reopen_nonce
-- The chain asks again for a nonce that was somebody else's: what we signed for it is competed with.
UPDATE outbound_relay_nonce SET state = 'open', released = true, emptied = true, worst = greatest(worst, %(worst)s),
    missed_height = NULL, missed_hash = NULL, missed_at = NULL, sent_height = NULL, sent_at = NULL, underpriced = false,
    attempts = 0, retry_at = now()
WHERE chain = %(chain)s AND relayer = %(relayer)s AND nonce = %(nonce)s AND state = 'foreign'
RETURNING id;

-- name: next_version
SELECT coalesce(max(number), 0) + 1 AS number FROM outbound_relay_version WHERE nonce_id = %(id)s;

-- name: known_nonces
-- Those that were somebody else's are not ours to know: where the chain asks for them again they are gaps.
SELECT nonce FROM outbound_relay_nonce
WHERE chain = %(chain)s AND relayer = %(relayer)s AND nonce >= %(first)s AND state <> 'foreign'
ORDER BY nonce LIMIT 200;

-- name: waiting_reasons
SELECT DISTINCT reason FROM outbound_relay
WHERE chain = %(chain)s AND state IN ('planned', 'signed', 'broadcast') AND reason <> '' ORDER BY reason LIMIT 10;

-- name: insert_foreign
INSERT INTO outbound_relay_nonce (chain, relayer, nonce, released, emptied, state, worst, missed_at, created_at)
VALUES (%(chain)s, %(relayer)s, %(nonce)s, true, true, 'foreign', 0, %(now)s, %(now)s)
ON CONFLICT (chain, relayer, nonce) DO NOTHING;

-- name: set_alarms
UPDATE outbound_relayer SET alarms = %(alarms)s, detail = %(detail)s, key_loaded = %(key_loaded)s, gas_low = %(gas_low)s,
    budget = %(budget)s, checked_at = %(now)s
WHERE chain = %(chain)s AND address = %(address)s;
