// The audio of a call for a Node program (docs/api/audio.yaml): frames of 20 ms, written audio, marks, flush.
//
//   node audio.js /run/user/1000/sipactors CALL 8000 < said.raw > heard.raw     s16le mono; ends when all was played
//
// It goes on over a restart of the media process, and in another one where the call moves there: what was written and
// not played is kept, and written again.
"use strict";
const { encode, decode } = require("@msgpack/msgpack");
const { randomBytes } = require("node:crypto");
const { readdirSync } = require("node:fs");
const { Client, Refused, dealer } = require("./client.js");

const VERSION = 1;
const PIECE = 16_384; // bytes of one write
const MOVED = 10_000; // milliseconds after which a call that moved is given up
const SILENCE = 100; // milliseconds without a message, after which the media process may be another one

async function addresses(client) {
  if (!client.where.startsWith("tcp:"))
    return readdirSync(client.where).filter((name) => /^audio-\d+$/.test(name)).map((name) => `ipc://${client.where}/${name}`);
  const [{ audio }] = await client.ask("hello");
  return audio.map((port) => client.where.replace(/\d+$/, port));
}

class Audio {
  // Ask every media process for the call: one of them has it.
  static async open(client, call, { rate = 16_000, hear = true, speak = true, patience = 5000 } = {}) {
    const tries = (await addresses(client)).map((address) => new Audio(client, address, { call, rate, hear, speak }));
    const end = Date.now() + patience;
    let found;
    while (!(found = tries.find((each) => each.opened)) && Date.now() < end) {
      await Promise.race([...tries.map((each) => each.news()), new Promise((done) => setTimeout(done, 50))]);
      for (const { refusal } of tries) if (refusal && refusal.code !== "no_such_call") throw new Refused(refusal);
    }
    for (const each of tries) if (each !== found) each.close();
    if (!found) throw new Refused({ code: "no_such_call", message: `no call ${call} has audio` });
    return found;
  }

  constructor(client, address, wanted) {
    this.client = client;
    this.tap = randomBytes(8).toString("hex");
    this.wanted = wanted;
    this.address = address;
    this.moving = false;
    this.opened = false;
    this.ended = ""; // why it is over
    this.unplayed = Buffer.alloc(0);
    this.written = this.played = this.sent = this.window = 0; // samples
    this.ready = []; // frames heard: { seq, timestamp, data }
    this.marks = new Map();
    this.named = 0;
    this.flushing = null;
    this.waiters = [];
    this.heard = Date.now();
    this.queue = [];
    this.busy = false;
    this.timer = setInterval(() => !this.moving && Date.now() - this.heard >= SILENCE && this.reopen(), 50);
    this.connect(address);
  }

  connect(address) {
    this.address = address;
    this.socket = dealer(address, "a", { linger: 100, receiveHighWaterMark: 50 });
    this.queue = [];
    this.reopen();
    this.read(this.socket);
  }

  reopen() {
    this.ask("open", { ...this.wanted, played: this.played });
  }

  // The call is in another media process now: one that has it is asked for, and told where to go on.
  async follow() {
    if (this.moving || this.ended) return;
    this.moving = true;
    this.ask("leave");
    const old = this.socket;
    setImmediate(() => old.close());
    try {
      const probe = await Audio.open(this.client, this.wanted.call, { rate: this.wanted.rate, hear: false, speak: false, patience: MOVED });
      probe.close();
      if (!this.ended) this.connect(probe.address);
    } catch (error) {
      this.ended ||= error.message;
    }
    this.moving = false;
    this.wake();
  }

  close() {
    clearInterval(this.timer);
    this.ended ||= "left";
    this.ask("leave");
    setImmediate(() => this.socket.close());
    this.wake();
  }

  // Iterate over it to hear the peer.
  async *[Symbol.asyncIterator]() {
    for (; this.ready.length || !this.ended; ) {
      if (this.ready.length) yield this.ready.shift();
      else await this.news();
    }
  }

  // Have the peer hear s16le mono behind what was written before; waits while two seconds of it wait.
  async write(data) {
    while (data.length > 1 && !this.ended) {
      const taken = Math.min(data.length & ~1, 2 * Math.max(0, this.played + this.window - this.written));
      this.unplayed = Buffer.concat([this.unplayed, data.subarray(0, taken)]);
      this.written += taken / 2;
      this.push();
      data = data.subarray(taken);
      if (data.length > 1) await this.news();
    }
  }

  // Wait until all that was written has been played; false when it was cut.
  async mark() {
    const mark = { name: String(++this.named), at: this.written };
    this.marks.set(mark.name, mark);
    this.ask("mark", mark);
    while (!("cut" in mark) && !this.ended) await this.news();
    return mark.cut === false;
  }

  // Stop now: { at, to, timestamp }, `at` is the first sample that was not played.
  async flush() {
    const flush = (this.flushing = { to: this.written });
    this.sent = this.written;
    this.ask("flush", flush);
    while (!("at" in flush) && !this.ended) await this.news();
    return flush;
  }

  news() {
    return new Promise((done) => this.waiters.push(done));
  }

  wake() {
    for (const done of this.waiters.splice(0)) done();
  }

  push() {
    if (!this.opened) return;
    for (let at = this.sent; at < this.written; at += PIECE / 2) {
      const start = 2 * (at - this.played);
      this.ask("write", { at, data: this.unplayed.subarray(start, start + PIECE) });
    }
    this.sent = this.written;
  }

  async ask(op, fields = {}) {
    this.queue.push(encode({ v: VERSION, asks: [{ op, tap: this.tap, ...fields }] }));
    if (this.busy) return; // one send at a time
    for (this.busy = true; this.queue.length && !this.socket.closed; ) await this.socket.send(this.queue.shift()).catch(() => {});
    this.busy = false;
  }

  async read(socket) {
    try {
      for await (const [data] of socket) {
        const { v, told, frames } = decode(data);
        if (v !== VERSION) throw new Error(`the service speaks version ${v}`);
        this.heard = Date.now();
        for (const each of told) if (each.tap === this.tap) this.take(each);
        this.ready.push(...frames.filter((frame) => frame.tap === this.tap));
        this.wake();
      }
    } catch (error) {
      if (!this.ended && socket === this.socket && !this.moving) throw error;
    }
  }

  take(told) {
    if (told.t === "opened") {
      this.opened = true;
      this.window = told.window;
      this.advance(told.played);
      this.sent = this.flushing ? Math.max(this.played, this.flushing.to) : this.played;
      if (this.flushing) this.ask("flush", { to: this.flushing.to });
      this.push(); // the process may be new: everything that was not played, again
      for (const { name, at } of this.marks.values()) this.ask("mark", { name, at });
    } else if (told.t === "progress") this.advance(told.played);
    else if (told.t === "full") (this.sent = Math.min(this.sent, Math.max(told.at, this.played))), this.push();
    else if (told.t === "marked") {
      Object.assign(this.marks.get(told.name) ?? {}, { cut: told.cut, timestamp: told.timestamp });
      this.marks.delete(told.name);
      if (!told.cut) this.advance(told.at);
    } else if (told.t === "flushed" && this.flushing?.to === told.to) {
      Object.assign(this.flushing, { at: told.at, timestamp: told.timestamp });
      this.flushing = null;
      this.advance(told.to);
    } else if (told.t === "refused") {
      this.refusal = told;
      if (this.opened && told.code === "no_such_call") this.follow(); // its process was restarted, and had let go of it
      else if (this.opened) this.ended ||= told.message;
    } else if (told.t === "closed" && told.moved) this.follow();
    else if (told.t === "closed") this.ended ||= told.reason;
  }

  advance(played) {
    if (played <= this.played) return;
    this.unplayed = this.unplayed.subarray(2 * (played - this.played));
    this.played = played;
    this.sent = Math.max(this.sent, played);
  }
}

async function main([where, call, rate]) {
  const client = new Client(where);
  const audio = await Audio.open(client, call, { rate: Number(rate) });
  const hearing = (async () => {
    for await (const frame of audio) process.stdout.write(frame.data);
  })();
  for await (const piece of process.stdin) await audio.write(piece);
  const whole = await audio.mark();
  console.error(JSON.stringify({ written: audio.written, played: audio.played, whole, ended: audio.ended }));
  audio.close();
  client.close();
  await hearing;
}

module.exports = { Audio };
if (require.main === module) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`${error.code ?? "error"}: ${error.message}`);
    process.exit(1);
  });
}
