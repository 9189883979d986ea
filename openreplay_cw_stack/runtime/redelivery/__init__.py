"""The redelivery: writes parked lines to the linked log group once it takes them again.

``openreplay_cw_stack.runtime.redelivery.handler.handler`` is the Lambda function's entry point.
"""
