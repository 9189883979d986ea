import bunyan from "bunyan";
import pino from "pino";
import winston from "winston";

const loggers = {
  pino: pino(),
  winston: winston.createLogger({ transports: [new winston.transports.Console()] }),
  bunyan: bunyan.createLogger({ name: "shop" }),
};

export const handler = async (event) => {
  for (const [name, logger] of Object.entries(loggers)) logger.error(`${name} of ${event.who}`);
  return "done";
};
