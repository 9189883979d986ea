// Compiled but never run: typical calls must type-check.
import express from "express";
import fastify from "fastify";
import Koa from "koa";
import pino from "pino";
import * as tagging from "openreplay-cw-tagging";
import "openreplay-cw-tagging/register";

tagging.install({ tag: "id", level: "warn", tokenSecret: "x", loggers: [pino] });
// @ts-expect-error unknown option
tagging.install({ tags: "id" });
// @ts-expect-error neither "token" nor "id"
tagging.install({ tag: "both" });

express().use(tagging.expressMiddleware({ acceptSessionId: true }));
fastify().register(tagging.fastifyPlugin, { headerName: "X-Mine" });
new Koa().use(tagging.koaMiddleware());

export const handler = tagging.tagLambdaHandler(async (event: { path: string }) => event.path);
const path: Promise<string> = handler({ path: "/" });
const length: number = tagging.carry((word: string) => word.length)("x");
const id: string | undefined = tagging.currentSession()?.sessionId;
const value: number = tagging.useSession(tagging.Session.ofId("7"), () => 7);
const later: Promise<number> = tagging.useSessionToken(null, async () => 7);
const text: string = tagging.tagLines("x");
const counted: number = tagging.taggingCounts().ignoredHeaders;
// @ts-expect-error the constructor is private
new tagging.Session();
export { counted, id, later, length, path, text, value };
