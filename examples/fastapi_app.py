"""FastAPI, or any Starlette application, called by pages of another origin.

Run ``python examples/fastapi_app.py``, or any ASGI server: ``uvicorn examples.fastapi_app:app``.
"""

import asyncio
import os

import uvicorn
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from openreplay_cw_stack.tagging import propagation

propagation.install()
app = FastAPI()


@app.post("/orders")
async def order() -> str:
    """Take an order."""
    await asyncio.sleep(0.01)
    raise ValueError("no stock left")


app.add_middleware(
    CORSMiddleware,
    allow_origins=["https://shop.example"],
    allow_methods=["POST"],
    allow_headers=propagation.cors_allow_headers("Content-Type"),
)
# Starlette makes the middleware that is added last the outermost.
app.add_middleware(propagation.ASGIMiddleware)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")), log_level="warning")
