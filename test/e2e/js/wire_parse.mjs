// SPDX-License-Identifier: Apache-2.0
// How Node reads HTTP/1 messages: JSON lines {answers: METHOD or null, data: base64} in, one line of meaning or error each out.
import http from "node:http";
import readline from "node:readline";
import { Duplex } from "node:stream";

const LIMIT = 1 << 20;

function wire() {
  return new Duplex({ read() {}, write(chunk, encoding, done) { done(); }, final(done) { done(); } });
}

function collect(message, start) {
  return new Promise((resolve, reject) => {
    const pieces = [];
    message.on("data", (piece) => pieces.push(piece));
    message.on("error", reject);
    message.on("end", () => resolve({
      ...start, fields: message.rawHeaders, complete: message.complete, body: Buffer.concat(pieces).toString("base64"),
    }));
  });
}

// All requests that the bytes hold, and whether something in them was no request.
async function requests(data) {
  const seen = [], errors = [];
  const socket = wire();
  const server = http.createServer({ maxHeaderSize: LIMIT, keepAliveTimeout: 0 });
  const take = (request, response) => {
    seen.push(collect(request, { method: request.method, target: request.url }).catch((error) => errors.push(error.code)));
    request.on("end", () => response.end());
  };
  server.on("request", take);
  server.on("checkContinue", take);
  server.on("checkExpectation", take);
  server.on("clientError", (error) => { errors.push(error.code); socket.destroy(); });
  const closed = new Promise((resolve) => socket.on("close", resolve));
  server.emit("connection", socket);
  socket.push(data);
  socket.push(null);
  await closed;
  return { messages: await Promise.all(seen), errors };
}

function answer(method, data) {
  return new Promise((resolve) => {
    const socket = wire();
    const fail = (error) => resolve({ messages: [], errors: [error.code ?? String(error)] });
    const request = http.request({ method, maxHeaderSize: LIMIT, createConnection: () => socket });
    request.on("error", fail);
    request.on("response", (response) => {
      collect(response, { status: response.statusCode })
        .then((message) => resolve({ messages: [message], errors: [] }), fail);
    });
    request.on("socket", () => { socket.push(data); socket.push(null); });
    request.end();
  });
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { answers, data } = JSON.parse(line);
  const bytes = Buffer.from(data, "base64");
  console.log(JSON.stringify(answers ? await answer(answers, bytes) : await requests(bytes)));
}
