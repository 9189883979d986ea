"""The validator: judges the lines of tracked log groups and stores the linkable ones.

``openreplay_cw_stack.runtime.validator.handler.handler`` is the Lambda function's entry point. A
payload passes through :mod:`.envelopes`, :mod:`.subscription`, :mod:`.judging`, :mod:`.storing`
and, if it cannot be stored, :mod:`.queues`; :mod:`.validator` calls them in turn.
"""
