"use strict";

const { sessionOfEvent, tagLambdaHandler } = require("./lib/aws_lambda.js");
const { carry, currentSession, useSession, useSessionToken } = require("./lib/context.js");
const { taggingCounts } = require("./lib/counts.js");
const { corsAllowHeaders, outgoingHeaders, useHeaders } = require("./lib/headers.js");
const { install, uninstall } = require("./lib/installation.js");
const { fieldOf, tagText } = require("./lib/lines.js");
const { expressMiddleware, fastifyPlugin, koaMiddleware } = require("./lib/middleware.js");
const { replayUrl } = require("./lib/replay_links.js");
const { HEADER_NAME, HeaderReader, SESSION_ID_HEADER_NAME, Session } = require("./lib/session.js");

/** Return the current session's tag; see `index.d.ts`. */
function currentTag() {
  return currentSession()?.tag ?? "";
}

/** Return the current session's field; see `index.d.ts`. */
function currentFields() {
  const session = currentSession();
  return session === null ? {} : Object.fromEntries([fieldOf(session.tag)]);
}

/** Return a text with the current session's tag; see `index.d.ts`. */
function tagLines(text) {
  const session = currentSession();
  return session === null || typeof text !== "string" ? text : tagText(text, session.tag);
}

exports.HEADER_NAME = HEADER_NAME;
exports.HeaderReader = HeaderReader;
exports.SESSION_ID_HEADER_NAME = SESSION_ID_HEADER_NAME;
exports.Session = Session;
exports.carry = carry;
exports.corsAllowHeaders = corsAllowHeaders;
exports.currentFields = currentFields;
exports.currentSession = currentSession;
exports.currentTag = currentTag;
exports.expressMiddleware = expressMiddleware;
exports.fastifyPlugin = fastifyPlugin;
exports.install = install;
exports.koaMiddleware = koaMiddleware;
exports.outgoingHeaders = outgoingHeaders;
exports.replayUrl = replayUrl;
exports.sessionOfEvent = sessionOfEvent;
exports.tagLambdaHandler = tagLambdaHandler;
exports.tagLines = tagLines;
exports.taggingCounts = taggingCounts;
exports.uninstall = uninstall;
exports.useHeaders = useHeaders;
exports.useSession = useSession;
exports.useSessionToken = useSessionToken;
