-- Format 1: documents as JSON, and views for operators.

-- `json` keeps the text as it is. `jsonb` would reorder the keys and rewrite the numbers of `metadata`, which the ETRNL API
-- must return byte for byte.
ALTER TABLE suntap_documents ALTER COLUMN value TYPE json USING value::json;

-- The views show no keys of tags. They read the tables with the rights of their owner, so that a role that may read the views, and
-- not the tables, sees no sealed key. `security_barrier` keeps functions of such a role away from rows that a view leaves out.

-- The metadata of a tag is the last of its fields. It is cut off: it can have texts and numbers that jsonb refuses.
CREATE VIEW suntap_tags WITH (security_barrier) AS
SELECT
    d.key,
    (document ->> 'organisation')::numeric AS organisation,
    document ->> 'batch' AS batch,
    document ->> 'xuid' AS xuid,
    document ->> 'cuid' AS cuid,
    (document ->> 'number')::numeric AS number,
    document ->> 'uid' AS uid,
    document ->> 'name' AS name,
    coalesce(document ->> 'state', 'active') AS state,
    (SELECT jsonb_object_keys(coalesce(source -> 'derived', source)) LIMIT 1) AS keys,
    document -> 'keys' ->> 'counter' AS counter_id,
    m.ctr,
    CASE WHEN m.at BETWEEN 0 AND 253402300799999 THEN to_timestamp(m.at / 1000.0) END AS last_accepted_at,
    m.taps
FROM suntap_documents d
    CROSS JOIN LATERAL (SELECT strpos(d.value::text, ',"metadata":') AS metadata) p
    CROSS JOIN LATERAL (SELECT replace(
        CASE WHEN p.metadata = 0 THEN d.value::text ELSE left(d.value::text, p.metadata - 1) || '}}' END,
        '\u0000', '\ufffd')::jsonb -> 'tag' AS document) t
    CROSS JOIN LATERAL (SELECT document -> 'keys' -> 'source' AS source) k
    LEFT JOIN suntap_marks m ON m.tag = decode(document -> 'keys' ->> 'counter', 'hex')
WHERE d.key LIKE 'xuid/%' OR d.key LIKE 'number/%';

COMMENT ON VIEW suntap_tags IS 'Tags, each with the last accepted tap if its counter id is known.';
COMMENT ON COLUMN suntap_tags.key IS 'The key of the document in suntap_documents.';
COMMENT ON COLUMN suntap_tags.organisation IS 'The number of the organisation.';
COMMENT ON COLUMN suntap_tags.batch IS 'The path of the batch.';
COMMENT ON COLUMN suntap_tags.state IS 'active or inactive: of the tag itself. A batch, tag group or folder can be inactive too.';
COMMENT ON COLUMN suntap_tags.keys IS
    'The source of the keys: held, sealed, an10922, boltcard, sdmBackend, eCode or signing. NULL if they are not known yet.';
COMMENT ON COLUMN suntap_tags.counter_id IS
    'The counter id in hex digits. NULL if it depends on a key that only a tap opens (keys: sealed or eCode).';
COMMENT ON COLUMN suntap_tags.ctr IS 'The counter of the last accepted tap. NULL if there was none, or if the counter id is not known.';
COMMENT ON COLUMN suntap_tags.last_accepted_at IS 'When the last tap was accepted.';
COMMENT ON COLUMN suntap_tags.taps IS 'The number of accepted taps.';

CREATE VIEW suntap_groups WITH (security_barrier) AS
SELECT
    d.key,
    (level ->> 'organisation')::numeric AS organisation,
    level ->> 'path' AS path,
    CASE length(level ->> 'path') - length(replace(level ->> 'path', '/', ''))
        WHEN 0 THEN 'folder' WHEN 1 THEN 'tagGroup' ELSE 'batch' END AS kind,
    coalesce(level ->> 'state', 'active') AS state,
    level -> 'layout' ->> 'template' AS template,
    level -> 'layout' ->> 'mode' AS mode
FROM suntap_documents d
    CROSS JOIN LATERAL (SELECT replace(d.value::text, '\u0000', '\ufffd')::jsonb AS level) l
WHERE d.key LIKE 'level/%';

COMMENT ON VIEW suntap_groups IS 'Folders, tag groups and batches.';
COMMENT ON COLUMN suntap_groups.path IS 'Demo/Shoes/May is the batch May of the tag group Shoes in the folder Demo.';
COMMENT ON COLUMN suntap_groups.kind IS 'folder, tagGroup or batch.';
COMMENT ON COLUMN suntap_groups.template IS 'The URL template of the tags of a tag group.';
COMMENT ON COLUMN suntap_groups.mode IS 'The mode of their chips: aes, lrp, suncmac or ecdsa.';

CREATE VIEW suntap_keys WITH (security_barrier) AS
SELECT
    d.key,
    (api_key ->> 'organisation')::numeric AS organisation,
    api_key ->> 'kind' AS kind,
    api_key ->> 'label' AS label,
    (api_key ->> 'expires')::timestamptz AS expires
FROM suntap_documents d
    CROSS JOIN LATERAL (SELECT replace(d.value::text, '\u0000', '\ufffd')::jsonb AS api_key) a
WHERE d.key LIKE 'key/%';

COMMENT ON VIEW suntap_keys IS 'API keys and tokens. Their texts are not stored.';
COMMENT ON COLUMN suntap_keys.key IS 'The key of the document: a keyed hash of the text, from which the text cannot be computed.';
COMMENT ON COLUMN suntap_keys.kind IS 'public, private or token.';
COMMENT ON COLUMN suntap_keys.expires IS 'When the key ends. NULL if it does not.';
