-- Without these a search for a client or a connection that seldom acts, or for what seldom happens, reads the whole trail. What
-- happens all the time is found by its time, and costs no entry of the third.
CREATE INDEX audit_event_client ON audit_event (client_id, at) WHERE client_id IS NOT NULL;
CREATE INDEX audit_event_connection ON audit_event (connection_id, at) WHERE connection_id IS NOT NULL;
CREATE INDEX audit_event_action ON audit_event (action, at) WHERE action NOT IN ('tools.call', 'tools.list');
