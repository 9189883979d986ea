"""Rotation: replaces keys while their readers go on reading.

``openreplay_cw_stack.runtime.rotation.handler.handler`` is the Lambda function's entry point.
Secrets Manager invokes it for each step of a rotation, a schedule invokes it each hour to look
after the keys, and CloudFormation sends it the events of deployments.
"""
