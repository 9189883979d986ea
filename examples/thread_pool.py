"""A thread pool whose tasks log with the session tag of the visitor who submitted them."""

import logging
from concurrent.futures import ThreadPoolExecutor

from openreplay_cw_stack.tagging import propagation

propagation.install()
VISITORS = {
    "anna": "vacw97eg4wna.1v7.mwtr4d94.pUeE4zAftLaQYR3dJ6fvdKguey33QorwnQc5xrAqwwc",
    "bert": "j4ba0ae04j7c.-11.lp0bjpq8.HosruKofsxG7keWG1qqprXTFT8QYQY9PToxTNDUaKFaC",
}


def pay(name: str) -> None:
    """Take a payment."""
    try:
        raise ValueError(f"{name}'s card was declined")
    except ValueError:
        logging.exception("payment failed")


with ThreadPoolExecutor() as pool:
    for name, token in VISITORS.items():
        with propagation.use_session_token(token):
            pool.submit(propagation.carry(pay), name)
    pool.submit(pay, "nobody")
