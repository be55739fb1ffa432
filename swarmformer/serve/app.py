"""The application: ``POST /predict``, ``GET /health``, ``GET /ready`` and a page to type a text into."""

# Without "from __future__ import annotations": FastAPI reads the types of handlers, which are local names here.

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.exceptions import HTTPException

import swarmformer
from swarmformer.errors import DataError, SpecError
from swarmformer.pipeline import Answer, TextClassifier
from swarmformer.serve.batcher import BATCHING, Batcher, Batching, ClosingError, QueueFullError
from swarmformer.serve.body import BodyLimit
from swarmformer.serve.page import HEADERS, page

RETRY_AFTER_S = 1
MOST_WORDS = 500
"""Characters of an error."""
MALFORMED, WRONG_KIND, INVALID, INTERNAL, UNAVAILABLE = 400, 415, 422, 500, 503
ANSWERED = (DataError, QueueFullError, ClosingError)
"""What has an answer of its own, see ``_add_errors``."""
LOGGER = logging.getLogger("swarmformer.serve")


@dataclass(frozen=True)
class RequestLimits:
    """Of one request: bytes, texts, characters of a text, and seconds that it may take to come."""

    body_bytes: int = 2**20
    texts: int = 128
    characters: int = 100_000
    read_s: float = 30.0

    def __post_init__(self) -> None:
        if min(self.body_bytes, self.texts, self.characters) < 1 or self.read_s <= 0:
            raise SpecError(f"limits must be at least 1, got {self}")


LIMITS = RequestLimits()


class OneAnswer(BaseModel):
    """As ``pipeline.Answer``."""

    label: str
    probabilities: dict[str, float]


class Answers(BaseModel):
    """One for each text, in their order."""

    answers: list[OneAnswer]


def create_app(
    classifier: TextClassifier, name: str, *, limits: RequestLimits = LIMITS, batching: Batching = BATCHING
) -> FastAPI:
    """The application for one model; its life begins with a first answer and ends when the last one is given.

    Raises:
        SpecError: a request may have more texts than may wait.
    """
    if limits.texts > batching.max_queue:
        raise SpecError(f"a request may have {limits.texts} texts, but only {batching.max_queue} may wait")
    batcher = Batcher[Answer](classifier, batching)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with batcher:
            with suppress(DataError):  # of a model that knows other words
                await batcher.answers(["warm up"])
            yield

    # The pages that FastAPI has for its interface load scripts from elsewhere; ours needs no network.
    app = FastAPI(title="swarmformer", version=swarmformer.__version__, lifespan=life, docs_url=None, redoc_url=None)
    app.add_middleware(BodyLimit, most_bytes=limits.body_bytes, most_s=limits.read_s)  # type: ignore[arg-type]
    _add_errors(app)
    _add_predict(app, batcher, limits)
    _add_state(app, batcher, classifier, name)
    return app


def _add_predict(app: FastAPI, batcher: Batcher[Answer], limits: RequestLimits) -> None:
    text = Annotated[str, Field(max_length=limits.characters)]

    class Question(BaseModel):
        """One text or many."""

        model_config = ConfigDict(extra="forbid", strict=True)
        texts: Annotated[
            list[text],  # type: ignore[valid-type]
            Field(min_length=1, max_length=limits.texts),
            BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
        ]

    @app.post("/predict", response_model=Answers)
    async def predict(question: Question) -> Any:
        try:
            found = await batcher.answers(question.texts)
        except ANSWERED:
            raise
        except Exception:  # of ours too: memory that ends, say; what it says is for whoever runs the model
            LOGGER.exception("a request failed")
            return JSONResponse({"error": "internal error"}, INTERNAL)
        answers = [OneAnswer(label=one.label, probabilities=one.probabilities) for one in found]
        return Answers(answers=answers)


def _add_state(app: FastAPI, batcher: Batcher[Answer], classifier: TextClassifier, name: str) -> None:
    about = {"model": name, "classes": list(classifier.classes), "seq_len": classifier.seq_len}
    shown = page(name, classifier.classes)

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "version": swarmformer.__version__, **about}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        return JSONResponse({"ready": batcher.open}, 200 if batcher.open else UNAVAILABLE)

    @app.get("/")
    async def front() -> HTMLResponse:
        return HTMLResponse(shown, headers=HEADERS)


def _add_errors(app: FastAPI) -> None:
    """Errors say what is wrong, and repeat nothing of what was sent."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        if "json" not in request.headers.get("content-type", ""):
            return JSONResponse({"error": "send the header Content-Type: application/json"}, WRONG_KIND)
        place = ".".join(str(part) for part in first["loc"] if part != "body" and first["type"] != "json_invalid")
        words = f"{place}: {first['msg']}" if place else first["msg"]
        return JSONResponse({"error": words}, MALFORMED if first["type"] == "json_invalid" else INVALID)

    @app.exception_handler(DataError)
    async def unknown(request: Request, error: DataError) -> JSONResponse:
        return JSONResponse({"error": str(error)[:MOST_WORDS]}, INVALID)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)

    async def busy(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": str(error)}, UNAVAILABLE, {"Retry-After": str(RETRY_AFTER_S)})

    app.add_exception_handler(QueueFullError, busy)
    app.add_exception_handler(ClosingError, busy)
