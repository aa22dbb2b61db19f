-- What the signers say of our addresses: each derives a merchant's address from its own policy and enrolment, and signs it.
-- A merchant's client shows no address to a payer that its pinned signers did not sign. No row here is believed by anybody:
-- the signature is.
CREATE TABLE attestation (
    address_id text NOT NULL REFERENCES wallet_address,
    signer text NOT NULL,
    identity bytea NOT NULL CHECK (length(identity) = 32),
    key_set text NOT NULL CHECK (key_set IN ('hot', 'cold', 'forwarder')),
    index integer NOT NULL CHECK (index >= 0),
    signature bytea NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (address_id, signer)
);
CREATE TRIGGER attestation_kept BEFORE DELETE OR TRUNCATE ON attestation FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change();

-- How far a signer has attested a branch; below `next_index` all is attested. `tag` and `reason` are its last no to that.
CREATE TABLE attestation_branch (
    signer text NOT NULL,
    chain text NOT NULL,
    kind text NOT NULL,
    branch integer NOT NULL,
    identity bytea CHECK (length(identity) = 32),
    next_index integer NOT NULL CHECK (next_index >= 0),
    disputed text, -- what the signer derives at next_index, where it is not our address
    tag text NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL CHECK (attempts >= 0),
    retry_at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (signer, chain, kind, branch),
    FOREIGN KEY (chain, kind, branch) REFERENCES wallet_branch (chain, kind, branch)
);
CREATE INDEX attestation_branch_disputed ON attestation_branch (chain, kind, branch) WHERE disputed IS NOT NULL;

-- Addresses that were just derived are asked for at once.
CREATE TRIGGER wallet_branch_attest AFTER INSERT OR UPDATE OF next_index ON wallet_branch FOR EACH STATEMENT
    EXECUTE FUNCTION notify_channel('attestations');

GRANT SELECT, INSERT, UPDATE ON attestation, attestation_branch TO strongroom_treasury;
GRANT SELECT ON attestation, attestation_branch TO strongroom_api, strongroom_worker;
GRANT UPDATE (disputed_index) ON wallet_branch TO strongroom_treasury;
