-- A database older than all that is optional.
DROP TABLE voice_agents, voice_agent_numbers, voice_call_logs;

ALTER TABLE leads
    DROP COLUMN is_deleted,
    DROP COLUMN is_archived,
    DROP COLUMN country_code,
    DROP COLUMN base_number;
