"""The validator: judges the lines of tracked log groups and copies the linkable ones.

``openreplay_cw_stack.runtime.validator.handler.handler`` is the Lambda function's entry point.
"""
