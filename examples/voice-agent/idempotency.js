'use strict';

// Express middleware: start-call dials at most once per tenant and Idempotency-Key.
//
// The row that says "this call is being dialled" is committed before anything dials.
// Whoever inserts it dials; nobody else ever does, however often the request comes and
// whatever crashes. Needs the table of idempotency.sql, Express 4 or 5, and pg.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

// pool is a pg.Pool. tenantOf says whose request it is: the tenant that authentication
// has found, if it finds one, and never the body's. inFlightMs is longer than any dial
// may take; a claim that is older and has no answer belongs to a process that died.
function dialOncePerKey(pool, options = {}) {
  const { tenantOf = (req) => req.get('X-Tenant-Id'), inFlightMs = 120000 } = options;
  return async (req, res, next) => {
    const key = req.get('Idempotency-Key');
    if (!key) { // a caller of before: nothing is promised and nothing changes
      req.dialOnce = (dial) => dial();
      return next();
    }
    const tenant = tenantOf(req);
    if (key.length > 255 || !UUID.test(tenant)) {
      return refuse(res, 400, 'an Idempotency-Key has at most 255 characters and comes with a tenant');
    }
    try {
      // Before LAD's own checks: the first call may have used up the last credit.
      const { rows: [earlier] } = await pool.query(
        `SELECT answer, claimed_at < now() - $3 * interval '1 millisecond' AS abandoned
           FROM voice_call_idempotency WHERE tenant_id = $1 AND idempotency_key = $2`,
        [tenant, key, inFlightMs]);
      if (earlier) return answerAgain(res, earlier);
      req.dialOnce = (dial) => claimAndDial(pool, [tenant, key], dial);
      next();
    } catch (err) {
      next(err);
    }
  };
}

function answerAgain(res, { answer, abandoned }) {
  if (answer !== null) return res.set('Idempotency-Replayed', 'true').json(answer);
  if (abandoned) return refuse(res, 422, 'an earlier request with this Idempotency-Key ended without an answer; it may have dialled');
  res.set('Retry-After', '5');
  return refuse(res, 409, 'a request with this Idempotency-Key is being worked on');
}

// claimAndDial runs dial, which resolves to the body of the answer, if nobody has run
// it for this key. An error with notDialled = true says that no phone can have rung: then
// the key is free again. Any other error leaves it taken.
async function claimAndDial(pool, claim, dial) {
  const { rowCount } = await pool.query(
    'INSERT INTO voice_call_idempotency (tenant_id, idempotency_key) VALUES ($1, $2) ON CONFLICT DO NOTHING', claim);
  if (rowCount === 0) {
    throw Object.assign(new Error('a request with this Idempotency-Key was faster'), { status: 409 });
  }
  let answer;
  try {
    answer = await dial();
  } catch (err) {
    if (err.notDialled === true) {
      await pool.query('DELETE FROM voice_call_idempotency WHERE tenant_id = $1 AND idempotency_key = $2', claim);
    }
    throw err;
  }
  try {
    await pool.query('UPDATE voice_call_idempotency SET answer = $3 WHERE tenant_id = $1 AND idempotency_key = $2',
      [...claim, JSON.stringify(answer)]);
  } catch (err) { // the call was made, and its caller must hear so
    console.error('start-call: the answer could not be kept for a repeated request', err);
  }
  return answer;
}

function refuse(res, status, message) {
  return res.status(status).json({ success: false, message });
}

module.exports = { dialOncePerKey };
