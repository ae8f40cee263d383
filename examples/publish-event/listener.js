'use strict';

// LAD's listener on its own trigger's NOTIFY, with one line changed: it publishes
// where it made a Cloud Task before.
//
//   DATABASE_URL=postgres://… node listener.js

const { Client } = require('pg');
const { publishBooking } = require('./publish');

async function listen() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  client.on('notification', async (msg) => {
    const booking = JSON.parse(msg.payload);
    // was: await this.scheduler.scheduleFollowUpCall({ … });
    await publishBooking('booking.created', booking.tenant_id, booking.booking_id);
  });
  await client.query('LISTEN booking_followup_created');
  console.log('ready: listening');
}

listen();
