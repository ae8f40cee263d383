-- What LAD made after two bookings of one lead for one minute had rung the lead twice.
CREATE UNIQUE INDEX idx_lead_bookings_no_duplicates
    ON lead_bookings (tenant_id, lead_id, date_trunc('minute', scheduled_at))
    WHERE task_status IN ('pending', 'scheduled');
