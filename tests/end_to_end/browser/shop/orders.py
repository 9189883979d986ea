"""A function that knows nothing of session tokens."""

import logging


def handler(event, context):
    logging.error("no card of %s", event["headers"]["user-agent"])
    raise ValueError(f"no stock left\nfor {event['headers']['user-agent']}")
