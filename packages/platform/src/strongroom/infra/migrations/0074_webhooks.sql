-- Facts told to merchants, and their deliveries. An endpoint's secret is derived from a key file; none stands here.
CREATE TABLE webhook_endpoint (
    id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchant (id),
    url text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    enabled boolean NOT NULL DEFAULT true,
    secret_version integer NOT NULL DEFAULT 1,
    -- The request that made it: the same key and digest again gives this endpoint, another digest is refused.
    idempotency_key text,
    digest bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    UNIQUE (merchant_id, idempotency_key)
);
CREATE INDEX webhook_endpoint_merchant ON webhook_endpoint (merchant_id, id) WHERE deleted_at IS NULL;
GRANT SELECT, INSERT, UPDATE (url, events, enabled, deleted_at) ON webhook_endpoint TO strongroom_api;
GRANT SELECT ON webhook_endpoint TO strongroom_worker;

CREATE TABLE webhook_event (
    id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchant (id),
    type text NOT NULL,
    object_id text NOT NULL,
    sequence integer NOT NULL,
    body text NOT NULL,
    source_event bigint NOT NULL UNIQUE REFERENCES outbox_event (id),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (merchant_id, object_id, sequence)
);
CREATE INDEX webhook_event_merchant ON webhook_event (merchant_id, id);
CREATE TRIGGER webhook_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON webhook_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON webhook_event TO strongroom_api;
GRANT SELECT, INSERT ON webhook_event TO strongroom_worker;

CREATE TABLE webhook_delivery (
    id text PRIMARY KEY,
    merchant_id text NOT NULL REFERENCES merchant (id),
    endpoint_id text NOT NULL REFERENCES webhook_endpoint (id),
    event_id text NOT NULL REFERENCES webhook_event (id),
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'exhausted')),
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_status integer,
    last_error text,
    delivered_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (endpoint_id, event_id)
);
CREATE INDEX webhook_delivery_due ON webhook_delivery (endpoint_id, next_attempt_at) WHERE state = 'pending';
CREATE INDEX webhook_delivery_merchant ON webhook_delivery (merchant_id, id);
CREATE TRIGGER webhook_delivery_wake AFTER INSERT OR UPDATE OF state ON webhook_delivery
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('webhooks');
GRANT SELECT, UPDATE (state, next_attempt_at, attempts) ON webhook_delivery TO strongroom_api;
GRANT SELECT, INSERT, UPDATE (state, next_attempt_at, attempts, last_status, last_error, delivered_at)
    ON webhook_delivery TO strongroom_worker;

CREATE TABLE webhook_attempt (
    delivery_id text NOT NULL REFERENCES webhook_delivery (id),
    number integer NOT NULL,
    status integer,
    error text,
    duration_ms integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (delivery_id, number)
);
GRANT SELECT ON webhook_attempt TO strongroom_api;
GRANT SELECT, INSERT ON webhook_attempt TO strongroom_worker;
