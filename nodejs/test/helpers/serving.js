/** A server of one program, and requests to it as two visitors and as nobody. */
"use strict";

const http = require("node:http");
const { ANNA, BERT } = require("./visitors.js");

const HEADERS = { anna: ANNA.headers, bert: BERT.headers, nobody: {} };

/**
 * Ask a server as the visitor whose name is the first part of the path.
 *
 * @param {import("node:net").Server} server
 * @param {string} path such as "/anna/slow"
 * @returns {Promise<string>} the answer's body; "aborted" where there is none
 */
function ask(server, path, options = {}) {
  const who = path.split(/[/?]/)[1];
  return new Promise((resolve) => {
    const { port } = server.address();
    const headers = { ...HEADERS[who], ...options.headers };
    const asked = http.request({ host: "127.0.0.1", port, path, ...options, headers }, (answer) => {
      let body = "";
      answer.setEncoding("utf8");
      answer.on("data", (text) => (body += text));
      answer.on("end", () => resolve(body));
      answer.on("error", () => resolve("aborted"));
    });
    asked.on("error", () => resolve("aborted"));
    asked.end(options.body);
    options.asked?.(asked);
  });
}

/** Listen, ask as everybody at once, and close. */
async function serve(server, paths, options) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const answers = await Promise.all(paths.map((path) => ask(server, path, options)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.closeAllConnections?.();
  await new Promise((resolve) => server.close(resolve));
  return answers;
}

const EVERYBODY = ["/anna", "/bert", "/nobody", "/anna", "/nobody", "/bert"];

module.exports = { EVERYBODY, ask, serve };
