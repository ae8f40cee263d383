-- LAD's own way to announce a booking. While its listener runs beside this system, two systems dial.
CREATE FUNCTION schedule_followup_cloud_task() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.task_status = 'pending' AND lower(NEW.booking_type) IN (
        'follow_up', 'follow-up', 'auto-follow-up', 'followup', 'auto_follow_up', 'auto_followup',
        'manual_followup', 'manual_follow_up', 'scheduled_call')
    THEN
        PERFORM pg_notify('booking_followup_created', json_build_object(
            'booking_id', NEW.id,
            'tenant_id', NEW.tenant_id,
            'lead_id', NEW.lead_id,
            'assigned_user_id', NEW.assigned_user_id,
            'booking_type', NEW.booking_type,
            'scheduled_at', NEW.scheduled_at,
            'timezone', NEW.timezone,
            'created_at', NEW.created_at
        )::text);
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER trigger_schedule_followup_cloud_task
    AFTER INSERT ON lead_bookings
    FOR EACH ROW EXECUTE FUNCTION schedule_followup_cloud_task();
