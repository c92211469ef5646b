"""A FastAPI application that validates the body of a decision and does nothing with it."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

from service.calls.schemas.decisions import DecisionBody

app = FastAPI()


@app.post("/decision")
async def decision(body: DecisionBody) -> dict[str, str]:
    """Take the body, and answer."""
    return {"decision_id": body.id or ""}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
