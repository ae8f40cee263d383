-- LAD's own way to announce a booking. While its listener runs beside this system, two systems dial.
CREATE FUNCTION notify_followup_booking_created() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('booking_followup_created', json_build_object(
        'booking_id', NEW.id,
        'tenant_id', NEW.tenant_id,
        'lead_id', NEW.lead_id,
        'assigned_user_id', NEW.assigned_user_id,
        'booking_type', NEW.booking_type,
        'scheduled_at', NEW.scheduled_at
    )::text);
    RETURN NEW;
END
$$;

CREATE TRIGGER trigger_schedule_followup_cloud_task
    AFTER INSERT ON lead_bookings
    FOR EACH ROW EXECUTE FUNCTION notify_followup_booking_created();
