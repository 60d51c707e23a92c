-- The tables that the payments service keeps, as the runbook takes them for granted. Only what an application needs by
-- itself: the indexes that sampling needs are in deploy/postgres/indexes.sql.

CREATE TABLE payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id text,
    user_id bigint NOT NULL,
    payment_intent_id text,
    status text NOT NULL DEFAULT 'pending',
    amount bigint NOT NULL,  -- in minor units of the currency
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,  -- set once, when the payment succeeds; a rollback changes the status alone
    updated_at timestamptz NOT NULL DEFAULT now(),
    review_reason text
);

CREATE TABLE payment_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id bigint REFERENCES payments (id),
    user_id bigint,
    status text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_type text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE schema_migrations (
    version text PRIMARY KEY,
    applied boolean NOT NULL DEFAULT false
);

-- The inbox: an event is stored as it is received, under Stripe's id, and marked when it has been acted upon.
CREATE TABLE webhook_events (
    id text PRIMARY KEY,
    type text NOT NULL,
    created_at timestamptz NOT NULL,  -- by Stripe
    received_at timestamptz NOT NULL DEFAULT now(),
    processed_at timestamptz,
    status text NOT NULL DEFAULT 'received',
    error text
);
