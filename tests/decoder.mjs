// A second reading of spec/01, 02, 07 and 08 in another language, from the text alone and without a library:
// canonical values, digests, signatures, records, the tally and the allocation. decoder_cases.mjs runs the vectors.
import { createPublicKey, verify } from "node:crypto";

const refuse = (sort, code) => { throw Object.assign(new Error(code), { sort }); };
const demand = (holds, code) => { if (!holds) refuse("reject", code); };
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const unhex = (text) => Buffer.from(text, "hex");
const compare = (a, b) => (typeof a === "number" ? a - b : Buffer.compare(Buffer.from(a), Buffer.from(b)));
const between = (value, low, high) => value >= low && value <= high;
const isBytes = (value, count) => Buffer.isBuffer(value) && (count === undefined || value.length === count);

// ENC-9: BLAKE2b-256 (RFC 7693) with a personalisation
const IV = ["6a09e667f3bcc908", "bb67ae8584caa73b", "3c6ef372fe94f82b", "a54ff53a5f1d36f1", "510e527fade682d1",
  "9b05688c2b3e6c1f", "1f83d9abfb41bd6b", "5be0cd19137e2179"].map((word) => BigInt("0x" + word));
const digits = (row) => [...row].map((digit) => parseInt(digit, 16));
const SIGMA = ["0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
  "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0"].map(digits);
const MIX = ["048c", "159d", "26ae", "37bf", "05af", "16bc", "278d", "349e"].map(digits);
const turnRight = (word, by) => BigInt.asUintN(64, (word >> by) | (word << (64n - by)));
function blake2b(input, person) {
  const start = Buffer.concat([Buffer.of(32, 0, 1, 1), Buffer.alloc(44), Buffer.from(person.padEnd(16, "\0"))]);
  const state = IV.map((word, n) => word ^ start.readBigUInt64LE(8 * n));
  for (let at = 0; at === 0 || at < input.length; at += 128) {
    const block = Buffer.alloc(128), end = Math.min(at + 128, input.length);
    input.copy(block, 0, at, end);
    const v = [...state, ...IV];
    v[12] ^= BigInt(end);
    if (end === input.length) v[14] = BigInt.asUintN(64, ~v[14]);
    for (let round = 0; round < 12; round++) {
      MIX.forEach(([a, b, c, d], n) => {
        const word = (side) => block.readBigUInt64LE(8 * SIGMA[round % 10][2 * n + side]);
        for (const [side, first, second] of [[0, 32n, 24n], [1, 16n, 63n]]) {
          v[a] = BigInt.asUintN(64, v[a] + v[b] + word(side));
          v[d] = turnRight(v[d] ^ v[a], first);
          v[c] = BigInt.asUintN(64, v[c] + v[d]);
          v[b] = turnRight(v[b] ^ v[c], second);
        }
      });
    }
    state.forEach((word, n) => { state[n] = word ^ v[n] ^ v[n + 8]; });
  }
  return Buffer.concat(state.slice(0, 4).map((word) => big(word, 8).reverse()));
}
const digest = (purpose, data) => blake2b(data, "wltm." + purpose);

// ENC-1 to ENC-8: values are Map, Array, string, Buffer, boolean and safe integers
const big = (value, width) => unhex(BigInt.asUintN(8 * width, BigInt(value)).toString(16).padStart(2 * width, "0"));
const FORMS = { // first byte and number of the forms without a length, first byte and widths of the others
  natural: [0x00, 128, 0xcc, [1, 2, 4, 8]], map: [0x80, 16, 0xde, [2, 4]], array: [0x90, 16, 0xdc, [2, 4]],
  text: [0xa0, 32, 0xd9, [1, 2, 4]], bytes: [0, 0, 0xc4, [1, 2, 4]], negative: [0, 0, 0xd0, [1, 2, 4, 8]] };
function opened(sort, count, ...rest) {
  const [fixed, room, first, widths] = FORMS[sort];
  if (count >= 0 && count < room) return Buffer.concat([Buffer.of(fixed + count), ...rest]);
  const at = widths.findIndex((width) => (count < 0 ? -count <= 2 ** (8 * width - 1) : count < 2 ** (8 * width)));
  return Buffer.concat([Buffer.of(first + at), big(count, widths[at]), ...rest]);
}
function encode(value) {
  if (typeof value === "boolean") return Buffer.of(value ? 0xc3 : 0xc2);
  if (typeof value === "string") return opened("text", Buffer.byteLength(value), Buffer.from(value));
  if (isBytes(value)) return opened("bytes", value.length, value);
  if (Array.isArray(value)) return opened("array", value.length, ...value.map(encode));
  const pairs = value instanceof Map && [...value].sort(([a], [b]) => compare(a, b));
  if (pairs) return opened("map", pairs.length, ...pairs.flat().map(encode));
  return value >= 0 ? opened("natural", value) : value >= -32 ? Buffer.of(256 + value) : opened("negative", value);
}
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
function decode(data, itemsMax = 4096) {
  demand(data.length <= 1 << 20, "ENC-6");
  let at = 0;
  const take = (count) => { demand(at + count <= data.length, "ENC-8"); return data.subarray(at, (at += count)); };
  const integer = (value) => { demand(value < 1n << 53n && value > -(1n << 53n), "ENC-2"); return Number(value); };
  const text = (part) => { try { return UTF8.decode(part); } catch { return refuse("reject", "ENC-7"); } };
  const items = (count, most, depth, read) => {
    demand(count <= most, "ENC-6");
    demand(depth > 0, "ENC-5");
    return Array.from({ length: count }, read);
  };
  const map = (pairs) => {
    const after = ([key], n) => typeof key === "string" && (n === 0 || compare(pairs[n - 1][0], key) < 0);
    return pairs.every(after) ? new Map(pairs) : refuse("reject", "ENC-3");
  };
  function value(depth) {
    const first = take(1)[0];
    if (first >= 0xe0) return first - 256;
    if (first === 0xc2 || first === 0xc3) return first === 0xc3;
    const fixed = ([, [start, room]]) => between(first, start, start + room - 1);
    const sized = ([, [, , start, widths]]) => between(first, start, start + widths.length - 1);
    const [sort, [base, , start, widths]] = Object.entries(FORMS).find((form) => fixed(form) || sized(form))
      ?? refuse("reject", first === 0xc1 ? "ENC-8" : "ENC-1");
    const width = first < start ? 0 : widths[first - start];
    const number = width ? BigInt("0x" + hex(take(width))) : BigInt(first - base), count = Number(number);
    switch (sort) {
      case "natural": return integer(number);
      case "negative": return integer(BigInt.asIntN(8 * width, number));
      case "bytes": return Buffer.from(take(count));
      case "text": return text(take(count));
      case "array": return items(count, itemsMax, depth, () => value(depth - 1));
      case "map": return map(items(count, 256, depth, () => [value(depth - 1), value(depth - 1)]));
    }
  }
  const result = value(12);
  demand(at === data.length, "ENC-8");
  demand(encode(result).equals(data), "ENC-4");
  return result;
}
function written(value) { // in the notation of the vectors
  if (typeof value === "string") return { text: value };
  if (isBytes(value)) return { bytes: hex(value) };
  if (Array.isArray(value)) return value.map(written);
  const item = ([key, one]) => [key, written(one)];
  return value instanceof Map ? { map: Object.fromEntries([...value].map(item)) } : value;
}

// IDN-4: signatures
const P = (1n << 255n) - 19n;
const fieldOf = (point) => BigInt("0x" + hex(Buffer.from(point).reverse())) & ((1n << 255n) - 1n);
const SMALL = [0n, 1n, P - 1n, ...["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"].map((y) => fieldOf(unhex(y)))];
const isSmall = (point) => SMALL.includes(fieldOf(point) % P);
function verifies(key, signature, message) { // IDN-4; node itself checks S < L, the curve and the equation
  if (key.length !== 32 || signature.length !== 64 || fieldOf(key) >= P) return false;
  if (isSmall(key) || isSmall(signature.subarray(0, 32))) return false;
  const jwk = { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") };
  try { return verify(null, message, createPublicKey({ key: jwk, format: "jwk" }), signature); } catch { return false; }
}

// REC: shapes, records, slots, fault proofs
const KINDS = new Map(); // kind → mode, families and shape, as the table of 01-record has them
function fits([sort, ...rest], value) {
  const [low, high, item, inner] = rest;
  const counts = (size) => between(size, low, high);
  const list = () => Array.isArray(value) && counts(value.length) && value.every((one) => fits(item, one));
  const isText = typeof value === "string", isMap = value instanceof Map;
  switch (sort) {
    case "integer": return Number.isInteger(value) && counts(value);
    case "bytes": return isBytes(value) && counts(value.length);
    case "text": return isText && counts(Buffer.byteLength(value)) && !/[\x00-\x09\x0b-\x1f\x7f]/.test(value);
    case "name": return isText && counts(value.length) && /^[a-z0-9_-]+$/.test(value);
    case "code": return rest.includes(value);
    case "array": return list();
    case "set": return list() && value.every((one, n) => n === 0 || compare(value[n - 1], one) < 0);
    case "pair": return Array.isArray(value) && value.length === 2 && fits(low, value[0]) && fits(high, value[1]);
    case "table": return isMap && counts(value.size) && [...value].every(([k, v]) => fits(item, k) && fits(inner, v));
  }
  const shapes = new Map([...Object.entries(low), ...Object.entries(high)]); // "fields": the required, the optional
  return isMap && Object.keys(low).every((name) => value.has(name))
    && [...value].every(([name, one]) => shapes.has(name) && fits(shapes.get(name), one));
}
function header(wire, signature, network) {
  demand(isBytes(wire) && isBytes(signature, 64) && wire.length <= 2048, "REC-4");
  const fields = decode(wire, 32);
  demand(Array.isArray(fields) && fields.length === 10, "REC-4");
  const [of, kind, author, scope, slot, created, expires, refs, bodyHash, bodyBytes] = fields;
  demand(isBytes(of) && of.equals(network), "REC-5");
  demand(isBytes(author, 32) && isBytes(bodyHash, 32) && fits(["integer", 0, 65536], bodyBytes), "REC-4");
  demand(typeof kind === "string" && /^[a-z0-9_-]{1,32}\.[1-9][0-9]{0,3}$/.test(kind), "REC-7");
  demand(fits(["text", 0, 128], scope) && /^[a-z0-9_-]+(\/[a-z0-9_-]+){1,3}$/.test(scope), "REC-7");
  demand(Array.isArray(slot) && [0, 3].includes(slot.length), "REC-8");
  const [mode, name, seq] = slot.length ? slot : ["none", "-", 0];
  demand(slot.length === 0 || ["once", "latest"].includes(mode), "REC-8");
  demand(typeof name === "string" && /^[a-z0-9_/.-]{1,96}$/.test(name), "REC-8");
  demand(fits(["integer", 0, mode === "latest" ? Number.MAX_SAFE_INTEGER : 0], seq), "REC-8");
  const known = KINDS.get(kind);
  demand(!known || known.families.includes(scope.split("/")[0]), "REC-7");
  demand(!known || known.mode === mode, "REC-8");
  demand(Number.isInteger(created) && Number.isInteger(expires) && created >= 0, "REC-10");
  demand(between(expires - created, 1, 316224000000), "REC-10");
  demand(fits(["set", 0, 16, ["bytes", 32, 32]], refs), "REC-9");
  const id = digest("record", wire);
  demand(verifies(author, signature, id), "REC-6");
  const key = [author, scope, kind, name].map(String).join(" ");
  return { id, wire, signature, kind, author, scope, slot, mode, seq, created, expires, refs, bodyHash, bodyBytes,
    key, known };
}
function parts(data, bytesMax, count) {
  demand(data.length <= bytesMax, "REC-4");
  const list = decode(data, count);
  demand(Array.isArray(list) && list.length === count, "REC-4");
  return list;
}
const proof = (data, network) => header(...parts(data, 2118, 2), network);
function record(raw, network) {
  const [wire, signature, data] = parts(raw, 65536, 3);
  demand(isBytes(data), "REC-4");
  const one = header(wire, signature, network);
  demand(data.length === one.bodyBytes && digest("body", data).equals(one.bodyHash), "REC-6");
  const body = decode(data);
  demand(body instanceof Map && (!one.known || fits(one.known.body, body)), "REC-11");
  if (!one.known && (raw.length > 4096 || one.expires - one.created > 604800000)) refuse("ignore", "REC-12");
  return { ...one, body };
}
function stands(records) { // REC-14
  const slots = new Map();
  for (const one of records) slots.set(one.key, [...(slots.get(one.key) ?? []), one]);
  return [...slots.values()].map((rivals) => {
    const [first, second] = rivals.sort((a, b) => b.seq - a.seq || compare(a.id, b.id));
    return first.mode === "once" && second ? "equivocated" : hex(first.id);
  });
}
function fault(one, other) { // REC-15
  demand(one.mode === "once" && other.mode === "once" && one.key === other.key && !one.id.equals(other.id), "REC-15");
  return [hex(one.id), hex(other.id)].sort();
}
function clock(one, now) { // REC-13
  const passed = /^(board|mail)\//.test(one.scope) && one.expires <= now;
  return passed || one.created > now + 600000 ? refuse("ignore", "REC-13") : one.id;
}
function networkId(name, salt) { // REC-5
  const text = Buffer.from(name);
  return digest("network", Buffer.concat([big(text.length, 2), text, Buffer.of(1), salt]));
}

// NEG-10 to NEG-19: who gets how much
const sum = (list, name) => list.reduce((total, one) => total + one[name], 0);
const packs = (want, tolerate, pack) => // NEG-13
  Math.floor(want / pack) + (want % pack && (want % pack) + tolerate >= pack ? 1 : 0);
const subsets = ([first, ...rest]) => // those with the earlier turn first
  (first ? [...subsets(rest).map((set) => [first, ...set]), ...subsets(rest)] : [[]]);
function fullest(kept, pack) { // NEG-16
  const order = (set) => Math.floor((sum(set, "want") + sum(set, "tolerate")) / pack) * pack;
  const served = subsets(kept).filter((set) => order(set) >= sum(set, "least"));
  return served.reduce((best, set) => (order(set) > order(best) ? set : best));
}
function rounds(amounts, tops, left) { // NEG-18, NEG-19
  const more = (amount, n, at) => (left > 0 && amount < Math.min(n, tops[at]) ? (left--, amount + 1) : amount);
  for (let n = 1; left > 0; n++) amounts = amounts.map((amount, at) => more(amount, n, at));
  return amounts;
}
function allocate({ box, ladder, capacity, pack, demands, charge_minor: charge = 0, periods = 1 }) {
  demand(new Set(demands.map((one) => one.member)).size === demands.length, "NEG-10");
  const numbers = (one) => [one.want, one.tolerate, one.least, one.price_max_minor, one.want - one.least];
  demand(demands.flatMap(numbers).every((number) => number >= 0), "NEG-10");
  const turn = (one) => digest("turn", unhex(box + one.member));
  const all = demands.map((one) => ({ ...one, turn: turn(one) })).sort((a, b) => compare(a.turn, b.turn));
  const room = capacity - capacity % pack;
  const orderOf = (list) => Math.min(packs(sum(list, "want"), sum(list, "tolerate"), pack) * pack, room);
  for (let rung = ladder.length - 1; rung >= 0; rung--) {
    const [minimum, price] = ladder[rung], why = {};
    let left = room;
    const margin = (one) => (one.price_max_minor - price) * periods;
    const willing = (one) => (charge > 0 ? charge <= margin(one) * one.want : margin(one) >= 0);
    let kept = all.filter((one) => willing(one) || !(why[one.member] = "NEG-12"));
    if (charge > 0) kept = kept.map((one) => ({ ...one, least: Math.max(one.least, Math.ceil(charge / margin(one))) }));
    kept = kept.filter((one) => (one.least <= left ? (left -= one.least, true) : !(why[one.member] = "NEG-15")));
    if (orderOf(kept) < sum(kept, "least")) {
      const full = fullest(kept, pack);
      kept = kept.filter((one) => full.includes(one) || !(why[one.member] = "NEG-16"));
    }
    const quantity = orderOf(kept), want = sum(kept, "want"), of = (name) => kept.map((one) => one[name]);
    if (quantity < Math.max(minimum, 1)) continue;
    const extra = rounds(of("want").fill(0), of("tolerate"), quantity - want);
    const amounts = quantity > want ? of("want").map((amount, n) => amount + extra[n])
      : rounds(of("least"), of("want"), quantity - sum(kept, "least"));
    kept.forEach((one, n) => { if (!amounts[n]) why[one.member] = "NEG-18"; });
    const shares = kept.map((one, n) => [one.member, amounts[n]]).filter(([, amount]) => amount).sort();
    return { rung, unit_price_minor: price, quantity, shares, left_out: Object.entries(why).sort() };
  }
  return null;
}

// ELE-2 to ELE-9: the order of the candidates
function tally({ candidates, ballots }) {
  const all = Array.from({ length: candidates }, (_, n) => n);
  const table = (cell) => all.map((i) => all.map((j) => cell(i, j))), pairwise = table(() => 0);
  for (const [count, tiers] of ballots) {
    const named = tiers.flat();
    demand(new Set(named).size === named.length && named.every((one) => between(one, 1, candidates)), "ELE-2");
    const places = all.map((n) => (named.includes(n + 1) ? tiers.findIndex((tier) => tier.includes(n + 1)) : Infinity));
    table((i, j) => { pairwise[i][j] += places[i] < places[j] ? count : 0; });
  }
  const strengths = table((i, j) => (pairwise[i][j] > pairwise[j][i] ? pairwise[i][j] : 0)), order = [];
  const through = (k, i, j) => (i === j ? 0 : Math.max(strengths[i][j], Math.min(strengths[i][k], strengths[k][j])));
  for (const k of all) table((i, j) => { strengths[i][j] = through(k, i, j); });
  for (let left = all, tier; left.length > 0; left = left.filter((one) => !tier.includes(one))) {
    tier = left.filter((one) => left.every((other) => strengths[other][one] <= strengths[one][other]));
    order.push(tier.map((n) => n + 1));
  }
  return { pairwise, strengths, order };
}
function succession({ keys, ballots, roster }) {
  const lot = (key) => digest("tie", unhex(roster + key));
  const { order } = tally({ candidates: keys.length, ballots });
  return order.flatMap((tier) => tier.map((n) => keys[n - 1]).sort((a, b) => compare(lot(a), lot(b))));
}

export { KINDS, allocate, blake2b, clock, decode, digest, encode, fault, fits, hex, networkId, packs, proof, record };
export { refuse, stands, succession, tally, unhex, verifies, written };
