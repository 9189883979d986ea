"""Rotation: replace keys without interrupting their readers.

``openreplay_cw_stack.runtime.rotation.handler.handler`` is the Lambda function's entry point.
Secrets Manager invokes it for each step of a rotation, a schedule invokes it each hour to check the
keys, and CloudFormation invokes it for deployments.
"""
