-- Every process connects as a role of its own; what it may do is granted table by table, here and in the files that follow.
-- The owner, who runs migrations, is none of them.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO strongroom_api, strongroom_watcher, strongroom_worker, strongroom_treasury, strongroom_auditor;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO strongroom_auditor;

-- Facts committed with the change that they tell of. Handled rows stay, as the record of what was told to whom.
CREATE TABLE outbox_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    payload jsonb NOT NULL,
    -- The API request in whose transaction it was written, if any, so that logs can be followed.
    request_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    handled_at timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX outbox_event_open ON outbox_event (id) WHERE handled_at IS NULL;
CREATE INDEX outbox_event_open_key ON outbox_event (key, id) WHERE handled_at IS NULL;

CREATE FUNCTION notify_channel() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], '');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION notify_channel IS 'AFTER STATEMENT trigger: wakes the loops that listen on the channel named in its argument';
GRANT EXECUTE ON FUNCTION notify_channel TO strongroom_api, strongroom_watcher, strongroom_worker, strongroom_treasury;
CREATE TRIGGER outbox_event_wake AFTER INSERT ON outbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbox');
GRANT INSERT ON outbox_event TO strongroom_api, strongroom_treasury;
GRANT SELECT, INSERT, UPDATE (handled_at, attempts, retry_at) ON outbox_event TO strongroom_worker;

CREATE TABLE stop_switch (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    scope text NOT NULL DEFAULT '*',
    reason text NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    cleared_at timestamptz,
    cleared_by text,
    clear_reason text
);
CREATE UNIQUE INDEX stop_switch_one_open ON stop_switch (name, scope) WHERE cleared_at IS NULL;
GRANT SELECT, INSERT ON stop_switch TO strongroom_api, strongroom_watcher, strongroom_worker, strongroom_treasury;
GRANT UPDATE (cleared_at, cleared_by, clear_reason) ON stop_switch TO strongroom_worker;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION refuse_change IS 'BEFORE STATEMENT trigger on UPDATE, DELETE, TRUNCATE of append-only tables, for every role';
