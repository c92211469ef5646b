"""Draws cases, calls the service and checks what it answers."""

from __future__ import annotations

import time
from dataclasses import replace
from random import Random
from typing import Self

import httpx

from benchmarks.fuzz.batch import draw_batch
from benchmarks.fuzz.calls import JSON, SECONDS_BEYOND, FuzzCase, draw_form, read_answer, strict
from benchmarks.fuzz.catalogue import Catalogue, Json, read_catalogue
from benchmarks.fuzz.fleets import draw_fleet
from benchmarks.fuzz.front import check_front, draw_front
from benchmarks.fuzz.limits import draw_terms, scale_of
from benchmarks.fuzz.outcomes import CaseOutcome
from benchmarks.fuzz.plans import check_plan
from benchmarks.fuzz.predictions import check_prediction
from benchmarks.fuzz.question import Question
from benchmarks.fuzz.refusals import check_refusal, expected_refusal
from benchmarks.fuzz.requests import draw_requests
from benchmarks.fuzz.second_calls import check_again

PATIENCE_S = 120.0
KINDS = ("plan",) * 16 + ("predict", "front", "async", "batch")


class Fuzzer:
    """One service, and the calls that are made of it; a context that closes its connections.

    Parameters
    ----------
    url
        Address of the service.
    """

    def __init__(self, url: str) -> None:
        self.client = httpx.Client(base_url=url, timeout=PATIENCE_S)
        self.catalogue: Catalogue = read_catalogue(self.client.get("/cost-models").json())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def case(self, seed: int) -> CaseOutcome:
        """Draw a case, call and check."""
        rng = Random(seed)
        kind = rng.choice(KINDS)
        if kind == "batch":
            return draw_batch(rng, seed, self.client)
        case, predicted = self.draw(rng)
        asked = Question(case, self.catalogue, predicted)
        if kind == "predict":
            faults = check_prediction(asked, predicted)
            return CaseOutcome(seed, kind, "predicted", 0.0, SECONDS_BEYOND, faults)
        if kind == "front":
            return self.front(rng, seed, asked)
        post = self.in_background if kind == "async" else self.post
        begin = time.perf_counter()
        response = post(case)
        seconds = time.perf_counter() - begin
        ended, faults = self.judge(asked, response)
        outcome = CaseOutcome(seed, kind, ended, seconds, case.allowed_s, faults)
        if kind == "plan":
            check_again(rng, self.post, asked, response, outcome)
        return outcome

    def draw(self, rng: Random) -> tuple[FuzzCase, Json]:
        """Draw a case, and predict its requests.

        A case that may run nowhere is scaled as if it took nothing.
        """
        fleet = draw_fleet(rng, self.catalogue)
        rows = draw_requests(rng, fleet)
        predicted = self.predict(FuzzCase(_switched_off(fleet), rows, {}))
        terms = draw_terms(rng, fleet, rows, scale_of(predicted, fleet))
        form, wanted = draw_form(rng, rows)
        return FuzzCase(fleet, rows, terms, form, wanted), predicted

    def predict(self, case: FuzzCase) -> Json:
        """Return the answer of `/predict`.

        Raises
        ------
        ValueError
            If the call is refused.
        """
        response = self.client.post(
            "/predict", content=case.body(), headers={"content-type": case.media_type}
        )
        if response.status_code != 200:
            raise ValueError(f"/predict answered {response.status_code}: {response.text[:500]}")
        return strict(response.content)

    def post(self, case: FuzzCase, path: str = "/plan") -> httpx.Response:
        """Post a case and wait for the answer."""
        headers = {"content-type": case.media_type, "accept": case.wanted}
        return self.client.post(path, content=case.body(), headers=headers)

    def in_background(self, case: FuzzCase) -> httpx.Response:
        """Post a case as an asynchronous plan, wait for its end, and return its result."""
        headers = {
            "content-type": case.media_type,
            "accept": case.wanted,
            "prefer": "respond-async",
        }
        response = self.client.post("/plan", content=case.body(), headers=headers)
        if response.status_code != 202:
            return response
        where = response.headers["location"]
        while self.client.get(where).json()["status"] in ("queued", "running"):
            time.sleep(0.02)
        return self.client.get(f"{where}/result")

    def front(self, rng: Random, seed: int, asked: Question) -> CaseOutcome:
        """Ask for a front and check it."""
        case = replace(asked.case, wanted=JSON)
        case.constraints.pop("confidence", None)
        case = replace(case, terms={**case.terms, "frontier": draw_front(rng)})
        begin = time.perf_counter()
        response = self.post(case, "/plan/frontier")
        seconds = time.perf_counter() - begin
        ended, faults = check_front(Question(case, self.catalogue, asked.predicted), response)
        return CaseOutcome(seed, "front", ended, seconds, case.allowed_s, faults)

    def judge(self, asked: Question, response: httpx.Response) -> tuple[str, list[str]]:
        """Return how a call of `/plan` ended, and what is wrong with that."""
        try:
            answer = read_answer(response.content, response.headers["content-type"])
        except ValueError as error:
            return "unreadable", [f"{response.status_code}: {error}"]
        if response.status_code != 200:
            name = str(answer.get("type", "")).rpartition(":")[2]
            return name, check_refusal(asked, response.status_code, answer)
        wanted = expected_refusal(asked)
        if wanted is not None:
            return answer["status"], [f"planned what is to be refused as {wanted}"]
        return answer["status"], check_plan(asked, answer)


def _switched_off(fleet: Json) -> Json:
    """Return a fleet without what `/predict` does not look at and may refuse."""
    names = ("activation_joules", "activation_seconds")
    pools = [{k: v for k, v in pool.items() if k not in names} for pool in fleet["pools"]]
    return {**fleet, "pools": pools}
