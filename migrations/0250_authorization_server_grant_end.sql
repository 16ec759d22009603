-- What a grant's end is found by: the rows that stem from it.
CREATE INDEX authorization_code_grant ON authorization_code (grant_id);
CREATE INDEX device_authorization_grant ON device_authorization (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX machine_grant_grant ON machine_grant (grant_id);

-- Grants whose codes and tokens were swept before grants were.
CREATE TABLE grant_end AS SELECT id FROM oauth_grant WHERE created_at < (SELECT COALESCE(MAX(at), 0) - 172800000000 FROM change)
 AND NOT EXISTS (SELECT 1 FROM authorization_code t WHERE t.grant_id = oauth_grant.id)
 AND NOT EXISTS (SELECT 1 FROM access_token t WHERE t.grant_id = oauth_grant.id)
 AND NOT EXISTS (SELECT 1 FROM refresh_token t WHERE t.grant_id = oauth_grant.id)
 AND NOT EXISTS (SELECT 1 FROM device_authorization t WHERE t.grant_id = oauth_grant.id)
 AND NOT EXISTS (SELECT 1 FROM machine_grant t WHERE t.grant_id = oauth_grant.id)
 AND NOT EXISTS (SELECT 1 FROM enterprise_grant t WHERE t.grant_id = oauth_grant.id);
DELETE FROM grant_resource WHERE grant_id IN (SELECT id FROM grant_end);
DELETE FROM grant_connection WHERE grant_id IN (SELECT id FROM grant_end);
DELETE FROM oauth_grant WHERE id IN (SELECT id FROM grant_end);
DROP TABLE grant_end;
