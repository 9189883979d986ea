/**
 * A Lambda handler that tags a function whose code does not change.
 *
 * The construct's `tag_errors_of(function)` sets the function's handler to this one and puts the
 * original handler's name into an environment variable. `AWS_LAMBDA_EXEC_WRAPPER` and
 * `NODE_OPTIONS` stay as they are.
 *
 * @module
 */
import aws from "./lib/aws_lambda.js";
import functions from "./lib/lambda_function.js";
import "./register.js";

// As the function's code expects it.
process.env._HANDLER = process.env.OPENREPLAY_ORIGINAL_HANDLER;

export const handler = aws.tagLambdaHandler(
  await functions.loadHandler(
    process.env.LAMBDA_TASK_ROOT,
    process.env.OPENREPLAY_ORIGINAL_HANDLER,
  ),
  functions.readerOptions(process.env),
);
