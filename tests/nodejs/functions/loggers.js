"use strict";
// Each supported logger, writing JSON to stdout.
const bunyan = require("bunyan");
const pino = require("pino");
const winston = require("winston");

const loggers = {
  pino: pino(),
  winston: winston.createLogger({ transports: [new winston.transports.Console()] }),
  bunyan: bunyan.createLogger({ name: "shop" }),
};

exports.handler = async (event) => {
  for (const [name, logger] of Object.entries(loggers)) logger.error(`${name} of ${event.who}`);
  return "done";
};
