"""The bridge: answers OpenReplay's Elasticsearch integration from the session table.

``openreplay_cw_stack.runtime.bridge.handler.handler`` is the Lambda function's entry point.
"""
