-- What people search by. Each index costs every event a little, so there are few.
CREATE INDEX audit_event_principal ON audit_event (principal_id, at) WHERE principal_id IS NOT NULL;
CREATE INDEX audit_event_tool ON audit_event (tool, at) WHERE tool IS NOT NULL;
CREATE INDEX audit_event_refused ON audit_event (at) WHERE outcome = 'refused';
