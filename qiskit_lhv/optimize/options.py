"""The options that all searches for a local model share, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._support.checkpoints import fingerprint
from .._support.files import writable_file
from .._support.validation import generator, whole_number
from ..exceptions import LHVError, ScenarioError
from ..models.ensemble import ResponseModel
from ..models.responses import Response
from .losses import LOSSES
from .training import Schedule, TrainingRun, train
from .tree_checkpoints import Checkpoint

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Options that all kinds of search have in common."""

    num_hidden: int | None = None
    num_steps: int | None = None
    num_starts: int = 1
    loss: str = "kl"
    learning_rate: float | None = None
    patience: int | None = None
    diffusion: float = 0.0
    initial_model: ResponseModel | None = None
    target_loss: float | None = None
    time_limit: float | None = None
    num_evaluated: int = 2000
    seed: int | None = None
    progress: bool | None = None
    checkpoint: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        for name in ("num_hidden", "num_steps", "num_starts", "patience"):
            value = getattr(self, name)
            if value is not None or name == "num_starts":
                whole_number(value, name, LHVError)
        whole_number(self.num_evaluated, "num_evaluated", LHVError, minimum=2)
        for name in ("target_loss", "time_limit", "learning_rate", "diffusion"):
            value = getattr(self, name)
            positive = name == "learning_rate"
            if not (value is None and name != "diffusion") and not _is_number(value, positive):
                expected = "a positive number" if positive else "a number of at least 0"
                raise LHVError.bad_argument(name, expected=expected, got=repr(value))
        if not isinstance(self.loss, str) or self.loss not in LOSSES:
            raise LHVError.bad_argument("loss", expected=f"one of {sorted(LOSSES)}", got=repr(self.loss))
        if self.initial_model is not None and not isinstance(self.initial_model, ResponseModel):
            raise LHVError.bad_argument("initial_model", expected="a ResponseModel", got=repr(self.initial_model))
        if self.initial_model is not None and self.num_starts > 1:
            raise LHVError.bad_argument("num_starts", expected="1 with an initial model", got=repr(self.num_starts))
        generator(self.seed)
        if self.checkpoint is not None and self.seed is None:
            raise LHVError.bad_argument("seed", expected="a seed where there is a checkpoint", got="None")
        if self.checkpoint is not None:
            writable_file(self.checkpoint, "checkpoint")

    def ensemble_size(self, default: int) -> int:
        """The number of hidden variables: as asked, as in the initial model, or the default."""
        if self.num_hidden is None and self.initial_model is not None:
            return self.initial_model.num_hidden
        return int(self.num_hidden or default)

    def initial_for(self, response: Response, num_hidden: int) -> ResponseModel | None:
        """The initial model, if it fits."""
        model = self.initial_model
        if model is not None and (model.response != response or model.num_hidden != num_hidden):
            raise ScenarioError.bad_argument(
                "initial_model",
                expected=f"a model with {num_hidden} hidden variables and the response function {response!r}",
                got=f"{model!r} with {model.response!r}",
                remedy="Pass the same degree, response and num_hidden as for that model.",
            )
        return model

    def train(
        self, loss: Any, parameters: Any, data: Any, schedule: Schedule, facts: dict[str, Any], **more: Any
    ) -> TrainingRun:
        """Runs the training loop; ``facts`` and the options tell this run from others."""
        model = self.initial_model
        start = [] if model is None else [*model.hidden_variables, model.weights]
        options = {name: getattr(self, name) for name in ("num_starts", "loss", "diffusion", "seed")}
        initial = {f"initial_{i}": array for i, array in enumerate(start)}
        run = fingerprint(schedule=schedule, **facts, **options, **initial)
        return train(
            loss,
            parameters,
            data,
            schedule,
            diffusion=self.diffusion,
            target_loss=self.target_loss,
            time_limit=self.time_limit,
            progress=self.progress,
            checkpoint=None if self.checkpoint is None else Checkpoint(self.checkpoint, run),
            **more,
        )


def _is_number(value: Any, positive: bool) -> bool:
    try:
        return bool(np.isfinite(float(value)) and (value > 0 if positive else value >= 0))
    except (TypeError, ValueError):
        return False
