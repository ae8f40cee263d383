'use strict';

// A start-call endpoint as small as one can be, to try the middleware with:
//
//   DATABASE_URL=postgres://… TELEPHONE_URL=http://… node server.js
//
// The telephone is a server with GET /line, which gives a free line or refuses, and
// POST /dial, which rings and answers {"callId":"…"}.

const express = require(process.env.EXPRESS || 'express');
const { Pool } = require('pg');
const { startCallRoute } = require('./route');

const telephone = process.env.TELEPHONE_URL;
const pool = new Pool({ connectionString: process.env.DATABASE_URL });

async function check(call) {
  if (!/^\+[1-9][0-9]{6,14}$/.test(call.to_number)) {
    throw Object.assign(new Error('to_number is not E.164'), { status: 400 });
  }
  const credits = await fetch(`${telephone}/credits`);
  if (!credits.ok) throw Object.assign(new Error('not enough credits'), { status: credits.status });
}

async function dial(call) {
  const line = await fetch(`${telephone}/line`);
  if (!line.ok) throw Object.assign(new Error('no line is free'), { notDialled: true });
  const rung = await fetch(`${telephone}/dial`, { method: 'POST', body: call.to_number });
  if (!rung.ok) throw new Error('the telephone failed');
  return (await rung.json()).callId;
}

const app = express();
app.use(express.json());
app.use('/api/voice-agent', startCallRoute(pool, { check, dial }));
// Express tells an error handler by its four parameters.
app.use((err, req, res, next) => { // eslint-disable-line no-unused-vars
  res.status(err.status || 500).json({ success: false, message: err.message });
});
const server = app.listen(0, '127.0.0.1', () => console.log(`ready: http://127.0.0.1:${server.address().port}`));
