"""The validator: judges the lines of tracked log groups and copies the linkable ones.

``openreplay_cw_stack.runtime.validator.handler.handler`` is the Lambda function's entry point.

Every cold start compiles and runs the modules that it imports: what few invocations need is
imported where they need it, and :mod:`openreplay_cw_stack.tagging.values` says why their classes
are no dataclasses.
"""
