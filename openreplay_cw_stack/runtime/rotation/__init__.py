"""Rotation: new keys for old ones, without a minute in which the reader's key is refused.

``openreplay_cw_stack.runtime.rotation.handler.handler`` is the Lambda function's entry point.
Secrets Manager calls it for each step of a rotation, a schedule has it look after the keys, and
CloudFormation tells it of deployments.
"""
