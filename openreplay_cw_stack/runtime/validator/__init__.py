"""The validator: judges the lines of tracked log groups and copies the linkable ones.

``openreplay_cw_stack.runtime.validator.handler.handler`` is the Lambda function's entry point.

Every cold start compiles and runs the modules that it imports. So the classes in them are named
tuples, or plain where they change, and no dataclasses: that module alone takes a quarter of the
time to import, and each of its classes as long as a module of ours. What few invocations need is
imported where they need it.
"""
