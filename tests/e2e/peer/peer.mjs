// A member's peer in another language, written from spec/ and on js-libp2p: it joins a node, subscribes to one scope,
// reconciles, takes what is broadcast, and publishes a record that it signs itself. It keeps everything in memory.
// node peer.mjs ADDRESS NETWORK SCOPE; records to sign come as lines of JSON on standard input, news go out the same way.
import { createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { KINDS, decode, digest, encode, hex, record, unhex } from "../../decoder.mjs";

globalThis.WebSocket ??= WebSocket; // Node 20 has neither
Promise.withResolvers ??= function () {
  const parts = {};
  parts.promise = new Promise((resolve, reject) => Object.assign(parts, { resolve, reject }));
  return parts;
};
const { createLibp2p } = await import("libp2p");
const { tcp } = await import("@libp2p/tcp");
const { webSockets } = await import("@libp2p/websockets");
const { noise } = await import("@chainsafe/libp2p-noise");
const { yamux } = await import("@chainsafe/libp2p-yamux");
const { identify } = await import("@libp2p/identify");
const { ping } = await import("@libp2p/ping");
const { multiaddr } = await import("@multiformats/multiaddr");

const [address, networkHex, scope] = process.argv.slice(2);
const network = unhex(networkHex);
const schema = new URL("../../../spec/vectors/schema.json", import.meta.url);
for (const [name, kind] of Object.entries(JSON.parse(readFileSync(schema, "utf8")).kinds)) KINDS.set(name, kind);
const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

// REC: a record of our own
const seed = randomBytes(32);
const pkcs8 = Buffer.concat([unhex("302e020100300506032b657004220420"), seed]);
const secret = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
const author = Buffer.from(secret.export({ format: "jwk" }).x ?? "", "base64url");
function value(json) { // {"bytes": hex} is bytes, other objects are maps with their keys in order
  if (Array.isArray(json)) return json.map(value);
  if (typeof json !== "object") return json;
  const names = Object.keys(json);
  if (names.length === 1 && names[0] === "bytes") return unhex(json.bytes);
  const sorted = names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return new Map(sorted.map((name) => [name, value(json[name])]));
}
function signed({ kind, body, slot, created, expires }) {
  const data = encode(value(body));
  const fields = [network, kind, author, scope, slot, created, expires, [], digest("body", data), data.length];
  const wire = encode(fields);
  return encode([wire, sign(null, digest("record", wire), secret), data]);
}

// SYN: reconciliation of sets that fit one message; the initiator's side
const items = () => [...held.values()].sort((a, b) => a.created - b.created || Buffer.compare(a.id, b.id));
function varint(number) {
  const digits = [number % 128];
  while ((number = Math.floor(number / 128))) digits.unshift(number % 128 | 128);
  return Buffer.from(digits);
}
function fingerprint(some) { // SYN-8
  const total = some.reduce((sum, { id }) => sum + BigInt("0x" + hex(Buffer.from(id).reverse())), 0n) % (1n << 256n);
  const bytes = unhex(total.toString(16).padStart(64, "0")).reverse();
  return createHash("sha256").update(bytes).update(varint(some.length)).digest().subarray(0, 16);
}
const below = (item, bound) => bound.time === Infinity || item.created < bound.time
  || (item.created === bound.time && Buffer.compare(item.id, bound.prefix) < 0);
function message(ranges) { // SYN-5, SYN-6; times are differences
  let last = 0;
  const parts = ranges.map(({ bound, mode, content = Buffer.alloc(0) }) => {
    const far = bound.time === Infinity;
    const start = far ? Buffer.of(0, 0) : Buffer.concat([varint(bound.time - last + 1), varint(bound.prefix.length),
      bound.prefix]);
    if (!far) last = bound.time;
    return Buffer.concat([start, varint(mode), content]);
  });
  return Buffer.concat([Buffer.of(0x61), ...parts]);
}
const EVERYTHING = { time: Infinity, prefix: Buffer.alloc(0) };
const listed = (some, bound) => ({ bound, mode: 2, content: Buffer.concat([varint(some.length),
  ...some.map(({ id }) => id)]) });
function split(some, bound) { // SYN-9
  if (some.length < 32) return [listed(some, bound)];
  const share = Math.floor(some.length / 16), extra = some.length % 16, ranges = [];
  for (let nth = 0, at = 0; nth < 16; nth++) {
    const end = at + share + (nth < extra ? 1 : 0);
    const upper = end === some.length ? bound : between(some[end - 1], some[end]);
    ranges.push({ bound: upper, mode: 1, content: fingerprint(some.slice(at, end)) });
    at = end;
  }
  return ranges;
}
function between(one, next) { // SYN-5
  if (one.created !== next.created) return { time: next.created, prefix: Buffer.alloc(0) };
  let same = 0;
  while (one.id[same] === next.id[same]) same++;
  return { time: next.created, prefix: Buffer.from(next.id.subarray(0, same + 1)) };
}
function parsed(data) { // our own tests' node is honest: no bounds here
  let at = 1, last = 0;
  const number = () => { let n = 0, byte; do { byte = data[at++]; n = n * 128 + (byte & 127); } while (byte & 128); return n; };
  const bytes = (count) => data.subarray(at, (at += count));
  const ranges = [];
  while (at < data.length) {
    const step = number(), prefix = bytes(number());
    const bound = step === 0 ? EVERYTHING : { time: (last += step - 1), prefix };
    const mode = number();
    if (mode === 1) ranges.push({ bound, mode, print: bytes(16) });
    else if (mode === 2) ranges.push({ bound, mode, ids: Array.from({ length: number() }, () => bytes(32)) });
    else ranges.push({ bound, mode });
  }
  return ranges;
}
function answered(data) { // SYN-13: what to say next, what the peer lacks, what we lack
  const ours = items(), have = [], need = [], next = [];
  let at = 0, covered = 0, low = { time: 0, prefix: Buffer.alloc(0) };
  for (const { bound, mode, print, ids } of parsed(data)) {
    let end = at;
    while (end < ours.length && below(ours[end], bound)) end++;
    const some = ours.slice(at, end);
    if (mode === 2) {
      const theirs = new Set(ids.map(hex));
      have.push(...some.filter(({ id }) => !theirs.has(hex(id))));
      need.push(...ids.filter((id) => !held.has(hex(id))));
    } else if (mode === 1 && !fingerprint(some).equals(print)) {
      if (covered !== low) next.push({ bound: low, mode: 0 });
      next.push(...split(some, bound));
      covered = bound;
    }
    at = end;
    low = bound;
  }
  return { have, need, next: next[0]?.mode === 0 && next[0].bound.time === 0 ? next.slice(1) : next };
}

// MSH: frames on one stream
const held = new Map(); // id in hexadecimal → record
let batch = 0, credit = 0;
const outgoing = [];
const say = (...fields) => {
  const body = encode(fields), size = Buffer.alloc(4);
  size.writeUInt32BE(body.length);
  stream.send(Buffer.concat([size, body]));
};
const gossip = (...fields) => say(3, encode(fields));
function publish(raw) {
  if (raw) outgoing.push(raw);
  while (outgoing.length && credit >= Math.ceil(outgoing[0].length / 4096)) { // MSH-7
    credit -= Math.ceil(outgoing[0].length / 4096);
    say(1, ++batch, [outgoing.shift()]);
  }
}
function take(raw) {
  try {
    const one = record(raw, network);
    if (one.scope !== scope) return "GOS-3";
    if (!held.has(hex(one.id))) {
      held.set(hex(one.id), { ...one, raw });
      tell("record", { id: hex(one.id), author: hex(one.author), kind: one.kind });
    }
    return "";
  } catch (error) {
    return error.message;
  }
}
function reconcile() { gossip("sync", scope, message(split(items(), EVERYTHING))); }
function hear(fields) {
  const [kind, first, second, third] = fields;
  if (kind === 0) {
    if (!second.equals(network)) throw new Error("another network");
    credit = third.get("credit") ?? 0;
    gossip("subscribe", [scope]);
    reconcile();
    publish();
  } else if (kind === 1) {
    say(2, first, second.map(take));
    say(6, second.reduce((units, raw) => units + Math.ceil(raw.length / 4096), 0)); // MSH-7
  } else if (kind === 2) tell("ack", { codes: second });
  else if (kind === 3) understand(decode(first));
  else if (kind === 4) say(5, first);
  else if (kind === 6) publish(void (credit += first));
  else if (kind === 7) tell("goodbye", { code: first });
}
function understand([word, about, content]) { // GOS-1; words that are not here need no answer
  if (word !== "answer" || about !== scope) return;
  const { have, need, next } = answered(content);
  have.forEach(({ raw }) => publish(raw));
  if (need.length) gossip("want", scope, need);
  if (next.length) gossip("sync", scope, message(next));
  else tell("reconciled", { have: have.length, need: need.length });
}

const host = await createLibp2p({
  transports: [tcp(), webSockets()], connectionEncrypters: [noise()], streamMuxers: [yamux()],
  services: { identify: identify(), ping: ping() },
});
const connection = await host.dial(multiaddr(address));
const stream = await connection.newStream("/wltm/mesh/1");
say(0, 1, network, new Map([["credit", 1024]]));
tell("connected", { author: hex(author), over: connection.remoteAddr.toString() });
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "reconcile") return reconcile();
  const raw = signed(JSON.parse(line)), one = record(raw, network);
  held.set(hex(one.id), { ...one, raw });
  publish(raw);
}).on("close", () => process.exit(0));
let rest = Buffer.alloc(0);
for await (const chunk of stream) {
  rest = Buffer.concat([rest, chunk.subarray ? chunk.subarray() : chunk]);
  while (rest.length >= 4 && rest.length >= 4 + rest.readUInt32BE(0)) {
    const end = 4 + rest.readUInt32BE(0);
    hear(decode(rest.subarray(4, end)));
    rest = rest.subarray(end);
  }
}
tell("ended");
process.exit(0);
