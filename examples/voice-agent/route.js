'use strict';

// How a start-call route uses dialOncePerKey: one line before the checks, and the
// dialling inside req.dialOnce.

const express = require(process.env.EXPRESS || 'express');
const { dialOncePerKey } = require('./idempotency');

function startCallRoute(pool, { check, dial }) {
  const router = express.Router();
  router.post('/calls/start-call', dialOncePerKey(pool), async (req, res, next) => {
    try {
      await check(req.body); // credits, features, business hours: as it is today
      const answer = await req.dialOnce(async () => {
        const callId = await dial(req.body);
        return { success: true, message: 'Call initiated', data: { call_id: callId } };
      });
      res.json(answer);
    } catch (err) {
      next(err);
    }
  });
  return router;
}

module.exports = { startCallRoute };
