"""The checked options of one search for a local model: its size, descent, time limit and checkpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from .._support.checkpoints import fingerprint
from .._support.deadlines import Deadline
from .._support.files import writable_file
from .._support.validation import generator, instance, whole_number
from ..exceptions import LHVError, ScenarioError
from ..models.ensemble import ResponseModel
from ..models.responses import Response
from .devices import Devices
from .optimizers import checked_rule, rule_identity
from .options import GradientDescent
from .training import Problem, Schedule, TrainingRun, train
from .tree_checkpoints import Checkpoint

__all__ = ["SearchRun"]


@dataclass(frozen=True)
class SearchRun:
    """The options that all kinds of search share; see ``find_local_model``. The time limit starts at construction."""

    num_hidden: int | None
    optimizer: GradientDescent
    deadline: Deadline
    seed: int | None
    progress: bool | None
    checkpoint: str | os.PathLike[str] | None

    @classmethod
    def checked(
        cls,
        num_hidden: int | None,
        optimizer: GradientDescent | None,
        time_limit: float | None,
        seed: int | None,
        progress: bool | None,
        checkpoint: str | os.PathLike[str] | None,
    ) -> SearchRun:
        """Returns a run with the options of a caller, after checking them.

        Raises:
            LHVError: If one is out of range.
        """
        if num_hidden is not None:
            whole_number(num_hidden, "num_hidden", LHVError)
        descent = GradientDescent() if optimizer is None else optimizer
        instance(descent, GradientDescent, "optimizer", LHVError)
        generator(seed)
        if descent.devices is not None and descent.devices.many_hosts and seed is None:
            raise LHVError.bad_argument("seed", expected="the same seed in all processes of a mesh", got="None")
        if checkpoint is not None and seed is None:
            raise LHVError.bad_argument("seed", expected="a seed where there is a checkpoint", got="None")
        if checkpoint is not None:
            writable_file(checkpoint, "checkpoint")
        return cls(num_hidden, descent, Deadline(time_limit), seed, progress, checkpoint)

    def ensemble_size(self, default: int) -> int:
        """Returns the number of hidden variables: the requested one, that of the initial model, or the default."""
        model = self.optimizer.initial_model
        if self.num_hidden is None and model is not None:
            return model.num_hidden
        return int(self.num_hidden or default)

    @property
    def devices(self) -> Devices:
        """Devices and memory for the ensemble."""
        return self.optimizer.devices or Devices()

    def initial_for(self, response: Response, num_hidden: int) -> ResponseModel | None:
        """Returns the model to start from, if there is one and it fits."""
        model = self.optimizer.initial_model
        if model is not None and (model.response != response or model.num_hidden != num_hidden):
            raise ScenarioError.bad_argument(
                "start",
                expected=f"a model with {num_hidden} hidden variables and the response function {response}",
                got=f"{model!r} with {model.response}",
                remedy="Pass the same response and num_hidden as for that model.",
            )
        return model

    def train(self, problem: Problem, schedule: Schedule, facts: dict[str, Any], noise_seed: int) -> TrainingRun:
        """Returns the result of the training loop; ``facts`` and the options distinguish this run from others.

        A rule of the caller's takes the place of the problem's.
        """
        rule = self.optimizer.update_rule
        if rule is not None:
            problem = replace(problem, optimizer=checked_rule(rule, problem.parameters))
            facts = {**facts, "update_rule": rule_identity(rule)}
        model = self.optimizer.initial_model
        start = [] if model is None else [*model.hidden_variables, model.weights]
        options = {
            "num_starts": self.optimizer.num_starts,
            "loss": self.optimizer.loss,
            "diffusion": self.optimizer.diffusion,
            "seed": self.seed,
        }
        initial = {f"initial_{i}": array for i, array in enumerate(start)}
        run = fingerprint(schedule=schedule, **facts, **options, **initial)
        return train(
            problem,
            schedule,
            diffusion=self.optimizer.diffusion,
            seed=noise_seed,
            target_loss=self.optimizer.target_loss,
            deadline=self.deadline,
            progress=self.progress,
            checkpoint=None if self.checkpoint is None else Checkpoint(self.checkpoint, run),
        )
