/** Serve requests of two visitors, and requests without a session. */
"use strict";

const http = require("node:http");
const { ANNA, BERT } = require("./visitors.js");

const HEADERS = { anna: ANNA.headers, bert: BERT.headers, nobody: {} };

/**
 * Send a request as the visitor whose name is the first part of the path.
 *
 * @param {import("node:net").Server} server
 * @param {string} path such as "/anna/slow"
 * @returns {Promise<string>} the body of the response; "aborted" if there is none
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

/** Start the server, send a request to each path at once, and close the server. */
async function serve(server, paths, options) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const answers = await Promise.all(paths.map((path) => ask(server, path, options)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.closeAllConnections?.();
  await new Promise((resolve) => server.close(resolve));
  return answers;
}

const PATHS = ["/anna", "/bert", "/nobody", "/anna", "/nobody", "/bert"];

module.exports = { PATHS, ask, serve };
