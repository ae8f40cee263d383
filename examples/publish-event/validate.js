'use strict';

// Says of each event in a list (JSON on standard input) whether a schema allows it:
//
//   node validate.js ../../docs/schema/event.schema.json < events.json

const fs = require('node:fs');
const Ajv2020 = require('ajv/dist/2020');

const schema = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(schema);
const events = JSON.parse(fs.readFileSync(0, 'utf8'));
console.log(JSON.stringify(events.map((event) => validate(event))));
