// A reference client of the sipactors control API (docs/api/asyncapi.yaml) in Node.
//
//   npm install && node client.js /run/user/1000/sipactors place sip:echo@127.0.0.1:5060
//   node client.js /run/user/1000/sipactors events 0
//   SIPACTORS_KEY=bot.toml node client.js tcp://192.0.2.7:5070 calls
//
// Commands take effect once, however often they are repeated; events come once, in order, over restarts of the service.
"use strict";
const { Dealer } = require("zeromq");
const { encode, decode } = require("@msgpack/msgpack");
const { randomBytes } = require("node:crypto");
const { readFileSync } = require("node:fs");

const VERSION = 1;
const WINDOW = 256; // events in flight
const FIRST_REPEAT = 200; // milliseconds
const LAST_REPEAT = 1000;

class Refused extends Error {
  constructor(frame) {
    super(frame.message);
    this.code = frame.code;
    this.field = frame.field;
  }
}

// A socket to a service; over TCP with the key in the file that SIPACTORS_KEY names. Its identity, of that kind, is ours
// over reconnections: calls are claimed under it.
function dealer(address, kind, options = {}) {
  const routingId = kind + randomBytes(16).toString("hex");
  const socket = new Dealer({ linger: 0, reconnectInterval: 1, reconnectMaxInterval: 50, routingId, ...options });
  if (address.startsWith("tcp:")) {
    const text = readFileSync(process.env.SIPACTORS_KEY, "utf8");
    const part = (name) => JSON.parse(text.match(new RegExp(`^${name} = (.*)$`, "m"))[1]);
    const key = { curveServerKey: part("server"), curvePublicKey: part("public"), curveSecretKey: part("secret") };
    Object.assign(socket, key, { heartbeatInterval: 2000 });
  }
  socket.connect(address);
  return socket;
}

class Client {
  // `where`: a run directory, or tcp://ADDRESS:PORT
  constructor(where) {
    this.where = where;
    this.socket = dealer(where.startsWith("tcp:") ? where : `ipc://${where}/control`, "c");
    this.takers = new Map(); // by the id of a request: what takes the frames for it
    this.sending = Promise.resolve();
    this.closed = false;
    this.read();
  }

  close() {
    this.closed = true;
    this.socket.close();
  }

  async read() {
    try {
      for await (const parts of this.socket) {
        const frame = decode(parts[parts.length - 1]);
        if (frame.v !== VERSION) throw new Error(`the service speaks version ${frame.v}`);
        const take = this.takers.get(frame.id);
        if (take) take(frame); // others, and kinds that we do not know, are not for us
      }
    } catch (error) {
      if (!this.closed) throw error;
    }
  }

  send(id, op, body, key = "", within = 5) {
    const data = encode({ v: VERSION, id, op, key, within, body });
    this.sending = this.sending.then(() => this.closed || this.socket.send(data)); // one send at a time
  }

  // Ask for something until the whole reply has come: the parts of the result.
  ask(op, body = {}, { key = randomBytes(16).toString("hex"), patience = 5000 } = {}) {
    const id = randomBytes(8).toString("hex");
    return new Promise((resolve, reject) => {
      let parts = [];
      let pause = FIRST_REPEAT;
      let timer;
      const end = Date.now() + patience;
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.takers.delete(id);
        settle(value);
      };
      const repeat = () => {
        if (Date.now() >= end) return finish(reject, new Error("the service does not answer"));
        this.send(id, op, body, key, patience / 1000); // under the same key: it takes effect once
        timer = setTimeout(repeat, Math.min(pause, end - Date.now()));
        pause = Math.min(2 * pause, LAST_REPEAT);
      };
      this.takers.set(id, (frame) => {
        if (frame.t === "refused") return finish(reject, new Refused(frame));
        if (frame.t !== "done") return;
        parts = [...parts.slice(0, frame.part), frame.result];
        if (frame.last && parts.length === frame.part + 1) finish(resolve, parts);
      });
      repeat();
    });
  }

  // The events after number `since` (-1: from now on), each once. A gap comes as { type: "Lost", after, next }.
  async *events({ since = -1, topics = [], call = "" } = {}) {
    const id = randomBytes(8).toString("hex");
    const ready = [];
    let [position, newest, credited, log, ended] = [since, since, since, "", false];
    let wake = () => {};
    const subscribe = (idle) => {
      credited = position;
      this.send(id, "subscribe", { since: position, window: WINDOW, log, idle, topics, call });
    };
    this.takers.set(id, (frame) => {
      if (frame.t === "subscribed") {
        log = frame.log;
        if (position < 0) position = newest = credited = frame.since;
      } else if (frame.t === "events" && frame.after > newest) {
        subscribe(true); // the frame before was lost with a connection
      } else if (frame.t === "events") {
        for (const event of frame.events) if (event.seq > newest) ready.push(event), (newest = event.seq);
        newest = Math.max(newest, frame.last);
      } else if (frame.t === "gap" && (frame.reason === "new_log" ? frame.after === newest : frame.next - 1 > newest)) {
        ready.push({ type: "Lost", seq: frame.next - 1, after: newest, next: frame.next });
        newest = frame.next - 1;
      } else if (frame.t === "bye" || frame.t === "refused") ended = true;
      if (!ready.length) position = newest;
      wake();
    });
    try {
      subscribe(true);
      while ((!ended && !this.closed) || ready.length) {
        if (!ready.length) {
          // Quiet for a while: the service may have been restarted, so ask again from where we are.
          const timer = setTimeout(() => (subscribe(true), wake()), LAST_REPEAT);
          await new Promise((resolve) => (wake = resolve));
          clearTimeout(timer);
          continue;
        }
        const event = ready.shift();
        position = ready.length ? event.seq : newest;
        if (position - credited >= WINDOW / 2) subscribe(false);
        yield event;
      }
    } finally {
      this.takers.delete(id);
      this.send(id, "unsubscribe", {});
      await this.sending;
    }
  }
}

async function main([where, op, argument]) {
  const client = new Client(where);
  try {
    if (op === "events") {
      for await (const event of client.events({ since: Number(argument ?? -1) })) console.log(JSON.stringify(event));
    } else if (op === "place") {
      const events = client.events({ topics: ["Call*"] });
      const first = events.next(); // subscribed before the call begins
      const [{ call }] = await client.ask("place", { uri: argument, duration: 1 });
      console.log(JSON.stringify({ type: "Placed", call }));
      for (let next = await first; !next.done; next = await events.next()) {
        if (next.value.call === call) console.log(JSON.stringify(next.value));
        if (next.value.call === call && next.value.type === "CallEnded") break;
      }
      await events.return();
    } else console.log(JSON.stringify(await client.ask(op, argument ? JSON.parse(argument) : {})));
  } finally {
    client.close();
  }
}

module.exports = { Client, Refused, dealer };
if (require.main === module) {
  main(process.argv.slice(2)).catch((error) => {
    console.error(`${error.code ?? "error"}: ${error.message}`);
    process.exitCode = 1;
  });
}
