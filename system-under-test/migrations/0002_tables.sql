-- Every table, with the constraints that hold even if a function above them is wrong.
--
-- Rows of a tenant carry workspace_id, and refer to one another by (workspace_id, id), because a
-- plain foreign key is checked without row-level security and would accept another tenant's row.

CREATE TABLE workspaces (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE members (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    email         text NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'partner', 'buyer')),
    api_key_hash  bytea NOT NULL UNIQUE CHECK (octet_length(api_key_hash) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id)
);

-- Those who run the marketplace. Not members of any workspace: a tenant's own admin sees its tenant only.
CREATE TABLE staff (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email         text NOT NULL UNIQUE,
    role          text NOT NULL CHECK (role IN ('admin', 'support')),
    api_key_hash  bytea NOT NULL UNIQUE CHECK (octet_length(api_key_hash) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz  -- since then neither key nor password nor session opens anything
);

-- What staff did: adjusted credits, retried a dead letter, lifted a limit. Append-only.
CREATE TABLE audit_log (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    staff_id      uuid NOT NULL REFERENCES staff (id),
    action        text NOT NULL,
    workspace_id  uuid REFERENCES workspaces (id),
    subject       text NOT NULL,
    detail        jsonb NOT NULL DEFAULT '{}',
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX audit_log_by_workspace ON audit_log (workspace_id, id DESC);

-- A lead belongs to the partner's workspace. sold_count is the capacity register.
CREATE TABLE leads (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    title         text NOT NULL,
    price         bigint NOT NULL CONSTRAINT leads_price_check CHECK (price > 0),
    max_sales     integer NOT NULL CONSTRAINT leads_max_sales_check CHECK (max_sales > 0),
    sold_count    integer NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    CONSTRAINT leads_capacity_check CHECK (sold_count BETWEEN 0 AND max_sales)
);

-- kind 'credits': one per workspace, the wallet; balance maintained with every entry, and equal to what is
-- left in its lots (0010).
-- kind 'debt': at most one per workspace, made when a clawback exceeds the wallet; balance is minus what is
-- owed. The wallet's row carries the same figure as owed, so that a purchase learns of it with the lock it
-- takes anyway; whoever changes a debt holds the wallet's lock.
-- kind 'platform': three well-known rows, balance NULL, which means "the sum of my entries". Every
-- sale touches the platform; a maintained balance would make that one row a queue in which all
-- purchases of all workspaces wait for one another's commit. Nobody spends from it, so nobody needs
-- its balance before a commit.
CREATE TABLE accounts (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid REFERENCES workspaces (id),
    kind          text NOT NULL CHECK (kind IN ('credits', 'debt', 'platform')),
    label         text NOT NULL DEFAULT 'credits',
    balance       bigint DEFAULT 0,
    owed          bigint NOT NULL DEFAULT 0 CONSTRAINT accounts_owed_check CHECK (owed >= 0),
    CONSTRAINT accounts_shape_check CHECK (
        (kind <> 'platform' AND workspace_id IS NOT NULL AND balance IS NOT NULL)
        OR (kind = 'platform' AND workspace_id IS NULL AND balance IS NULL)),
    CONSTRAINT accounts_owed_by_wallet_check CHECK (owed = 0 OR kind = 'credits'),
    CONSTRAINT accounts_debt_check CHECK (kind <> 'debt' OR balance <= 0),
    CONSTRAINT accounts_balance_check CHECK (kind = 'debt' OR balance >= 0)
);
CREATE UNIQUE INDEX accounts_one_wallet ON accounts (workspace_id) WHERE kind = 'credits';
CREATE UNIQUE INDEX accounts_one_debt ON accounts (workspace_id) WHERE kind = 'debt';
INSERT INTO accounts (id, kind, label, balance) VALUES
    ('00000000-0000-0000-0000-000000000001', 'platform', 'issuance', NULL),
    ('00000000-0000-0000-0000-000000000002', 'platform', 'revenue', NULL),
    ('00000000-0000-0000-0000-000000000003', 'platform', 'expired', NULL);

-- reference names the business effect; its uniqueness is what makes an effect happen at most once.
CREATE TABLE transfers (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind        text NOT NULL CHECK (kind IN ('purchase', 'grant', 'settlement', 'reversal', 'expiry', 'adjustment')),
    reference   text NOT NULL CONSTRAINT transfers_reference_key UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE entries (
    transfer_id  uuid NOT NULL REFERENCES transfers (id),
    account_id   uuid NOT NULL REFERENCES accounts (id),
    amount       bigint NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (transfer_id, account_id)
);
CREATE INDEX entries_by_account ON entries (account_id);

CREATE TABLE purchases (
    id               uuid PRIMARY KEY,
    workspace_id     uuid NOT NULL REFERENCES workspaces (id),
    member_id        uuid NOT NULL,
    total            bigint NOT NULL CHECK (total > 0),
    idempotency_key  text NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, idempotency_key),
    FOREIGN KEY (workspace_id, member_id) REFERENCES members (workspace_id, id)
);
CREATE INDEX purchases_newest_first ON purchases (workspace_id, created_at DESC, id DESC);

-- commission_percent is what the sale was made at: the setting of that moment, whatever it is by now.
CREATE TABLE purchase_items (
    purchase_id         uuid NOT NULL,
    workspace_id        uuid NOT NULL,
    lead_id             uuid NOT NULL REFERENCES leads (id),
    price               bigint NOT NULL CHECK (price > 0),
    commission_percent  integer NOT NULL CHECK (commission_percent BETWEEN 0 AND 100),
    PRIMARY KEY (purchase_id, lead_id),
    UNIQUE (workspace_id, lead_id),
    FOREIGN KEY (workspace_id, purchase_id) REFERENCES purchases (workspace_id, id)
);
CREATE INDEX purchase_items_by_lead ON purchase_items (lead_id);

-- workspace_id is the partner's, so the lead must be the partner's too.
CREATE TABLE commissions (
    purchase_id   uuid NOT NULL,
    lead_id       uuid NOT NULL,
    workspace_id  uuid NOT NULL,
    amount        bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (purchase_id, lead_id),
    FOREIGN KEY (purchase_id, lead_id) REFERENCES purchase_items (purchase_id, lead_id),
    FOREIGN KEY (workspace_id, lead_id) REFERENCES leads (workspace_id, id)
);
CREATE INDEX commissions_by_partner ON commissions (workspace_id);

-- status only ever rises, in the order of payment_rank(): whatever order the events come in, the highest stands.
-- money_back and credits_back follow from what is known of its refunds and disputes (0011); reversals counts
-- how often they changed. asking_until: until then the request asking_by is taken to be asking Stripe for the session.
CREATE TABLE credit_purchases (
    id                     uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id           uuid NOT NULL REFERENCES workspaces (id),
    member_id              uuid NOT NULL,
    credits                bigint NOT NULL CHECK (credits > 0),
    amount_cents           bigint NOT NULL CHECK (amount_cents > 0),
    currency               text NOT NULL,
    stripe_session_id      text,
    stripe_payment_intent  text CONSTRAINT credit_purchases_payment_intent_key UNIQUE,
    status                 text NOT NULL DEFAULT 'pending'
                           CHECK (status IN ('pending', 'processing', 'failed', 'expired', 'canceled', 'paid')),
    money_back             bigint NOT NULL DEFAULT 0 CHECK (money_back BETWEEN 0 AND amount_cents),
    credits_back           bigint NOT NULL DEFAULT 0 CHECK (credits_back BETWEEN 0 AND credits),
    reversals              integer NOT NULL DEFAULT 0,
    idempotency_key        text NOT NULL,
    asking_until           timestamptz,
    asking_by              text,
    created_at             timestamptz NOT NULL DEFAULT now(),
    paid_at                timestamptz,
    CHECK (status = 'paid' OR credits_back = 0),
    UNIQUE (workspace_id, id),
    UNIQUE (workspace_id, idempotency_key),
    FOREIGN KEY (workspace_id, member_id) REFERENCES members (workspace_id, id)
);

-- The inbox. id is what a job carries; event_id is what Stripe repeats.
CREATE TABLE webhook_events (
    event_id      text CONSTRAINT webhook_events_pkey PRIMARY KEY,
    id            bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    type          text NOT NULL,
    payload       jsonb NOT NULL,
    state         text NOT NULL DEFAULT 'received'
                  CHECK (state IN ('received', 'processed', 'ignored', 'failed', 'dead')),
    attempts      integer NOT NULL DEFAULT 0,
    last_error    text,
    history       jsonb NOT NULL DEFAULT '[]',
    received_at   timestamptz NOT NULL DEFAULT now(),
    processed_at  timestamptz
);

-- The outbox. One row per (event, recipient), whatever else happens.
CREATE TABLE emails (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    event         text NOT NULL CHECK (event ~ '^[A-Za-z0-9_-]+$' AND length(event) <= 256),
    kind          text NOT NULL,
    recipient     text NOT NULL,
    subject       text NOT NULL,
    body          text NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
    attempts      integer NOT NULL DEFAULT 0,
    last_error    text,
    history       jsonb NOT NULL DEFAULT '[]',
    provider_id   text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    sent_at       timestamptz,
    UNIQUE (event, recipient)
);

-- What the service has given up on, until somebody retries it. subject is the email's event or
-- Stripe's event id; target is the row to take up again (emails.id or webhook_events.id as text).
CREATE TABLE dead_letters (
    id           uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind         text NOT NULL CHECK (kind IN ('email', 'webhook')),
    subject      text NOT NULL,
    target       text NOT NULL,
    reason       text NOT NULL,
    history      jsonb NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz
);
CREATE UNIQUE INDEX dead_letters_one_open ON dead_letters (kind, target) WHERE resolved_at IS NULL;

CREATE TABLE alerts (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    kind        text NOT NULL,
    subject     text NOT NULL,
    reason      text NOT NULL,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'failed')),
    last_error  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    sent_at     timestamptz,
    UNIQUE (kind, subject)
);

-- status and body are NULL while a credit purchase waits for Stripe; a purchase of leads writes its
-- row complete, in the db_tx of the purchase itself. A key is remembered for ever.
CREATE TABLE idempotency_keys (
    workspace_id  uuid NOT NULL REFERENCES workspaces (id),
    key           text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  bytea NOT NULL,
    status        integer,
    body          text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace_id, key)
);
