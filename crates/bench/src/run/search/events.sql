-- The events of numbers $1 to $2, one each $4 microseconds from $3 on: of 500 people of whom some do much, 60 clients, 2,000
-- connections and 200 tools. Of a hundred events about 86 are of calls, in pairs of a beginning and an end; 2 are refusals.
WITH RECURSIVE numbers (n) AS (
    SELECT CAST($1 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < $2
), drawn AS (
    SELECT n, (n / 2 * 2654435761) % 4294967296 AS one, (n / 2 * 2246822519 + 12345) % 4294967296 AS two FROM numbers
), mixed AS (
    SELECT n, one, two, (one / 65536 * 40503 + two) % 100 AS kind,
        (one / 4096 % 500) * (two / 4096 % 500) / 500 AS person, (two / 65536 % 200) * (one / 65536 % 200) / 200 AS tool
    FROM drawn
), called AS (
    SELECT n, one, two, kind, person, tool,
        CASE WHEN kind < 86 THEN 'tools.call' WHEN kind < 94 THEN 'tools.list' WHEN kind < 97 THEN 'token.request'
            WHEN kind < 99 THEN 'mcp.request' WHEN one % 4 = 0 THEN 'sign_in' WHEN one % 4 = 1 THEN 'consent'
            WHEN one % 40 = 2 THEN 'policy.change' ELSE 'connection.tested' END AS action,
        CASE WHEN kind < 84 THEN CASE WHEN n % 2 = 0 THEN 'started' WHEN one % 50 = 0 THEN 'failed' ELSE 'done' END
            WHEN kind < 86 OR kind >= 97 AND kind < 99 THEN 'refused' ELSE 'done' END AS outcome
    FROM mixed
)
INSERT INTO audit_event (id, at, action, outcome, reason, principal_id, client_id, connection_id, tool, trace_id, detail, email,
    client_address, user_agent, policy_version, duration_us, request, payload_hash, salt, node, sequence, hash)
SELECT 'evt_bench_' || n, $3 + n * $4, action, outcome,
    CASE outcome WHEN 'refused' THEN 'policy' WHEN 'failed' THEN 'tool_failed' END,
    CASE WHEN kind < 98 THEN 'user_' || person END, CASE WHEN kind < 98 THEN 'client_' || (person * 7 + two % 3) % 60 END,
    CASE WHEN kind < 86 THEN 'connection_' || (person * 4 + two % 4) END,
    CASE WHEN kind < 86 THEN 'work__tool_' || tool END, 'req_' || n / 2,
    '{"server":"work","rule":"owners","arguments":{"repository":"tools","query":"is:open label:bug","page":' || two % 90 || '}}',
    CASE WHEN kind < 98 THEN 'user' || person || '@example.com' END, '10.0.' || person % 250 || '.7', 'bench-client/1.0 (linux)',
    CASE WHEN kind < 86 THEN '3' END, CASE WHEN outcome = 'done' THEN one % 90000 END,
    CASE WHEN kind < 86 AND outcome IN ('started', 'refused')
        THEN 'v1.' || replace(substr('0123456789012345678901234567890123456789', 1, 40), '0', one || 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz' || two || 'ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ') END,
    'p' || one || '_payload_hash_of_43_characters_____', 's' || two || '_salt_of_22_chars', 'bench', n, 'h' || one || '_hash_of_a_record_of_43_characters__'
FROM called
