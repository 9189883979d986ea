/**
 * Wrap the handler of a Lambda function without changing the function's code.
 *
 * The construct's `tag_errors_of(function)` sets the function's handler to this module's and stores
 * the name of the original handler in an environment variable. It does not touch
 * `AWS_LAMBDA_EXEC_WRAPPER` or `NODE_OPTIONS`.
 *
 * @module
 */
import aws from "./lib/aws_lambda.js";
import functions from "./lib/lambda_function.js";
import "./register.js";

// The function's code may read the name of its own handler.
process.env._HANDLER = process.env.OPENREPLAY_ORIGINAL_HANDLER;

export const handler = aws.tagLambdaHandler(
  await functions.loadHandler(
    process.env.LAMBDA_TASK_ROOT,
    process.env.OPENREPLAY_ORIGINAL_HANDLER,
  ),
  functions.readerOptions(process.env),
);
