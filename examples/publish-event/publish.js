'use strict';

// Tells the follow-up calls that a booking was made, changed or cancelled.
//
//   GCP_PROJECT_ID      the project of the topic
//   FOLLOWUP_TOPIC      the topic's id, as followup-events
//
// Credentials are the service's own (it needs roles/pubsub.publisher on the topic).

const { PubSub } = require('@google-cloud/pubsub');

const topic = new PubSub({ projectId: process.env.GCP_PROJECT_ID })
  .topic(process.env.FOLLOWUP_TOPIC, { batching: { maxMessages: 1 } });

// type is booking.created, booking.updated or booking.cancelled. It never rejects and
// need not be awaited: a booking whose event is lost is found by the sweep.
async function publishBooking(type, tenantId, bookingId) {
  try {
    return await topic.publishMessage({ json: { type, tenantId, bookingId } });
  } catch (err) {
    console.warn(`${type} of booking ${bookingId} was not published; the sweep will find it:`, err.message);
    return null;
  }
}

module.exports = { publishBooking };

if (require.main === module) {
  const [type, tenantId, bookingId] = process.argv.slice(2);
  publishBooking(type, tenantId, bookingId).then((messageId) => {
    console.log(messageId);
    process.exit(messageId === null ? 1 : 0);
  });
}
