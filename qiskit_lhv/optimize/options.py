"""Options of the searches for local models: the gradient descent, and the settings that it compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import optax

from .._support.validation import instance, is_whole_number, positive_number, probability, shown, whole_number
from ..exceptions import LHVError
from ..models.ensemble import ResponseModel
from .devices import Devices
from .losses import LOSSES

__all__ = ["GradientDescent", "SettingsGrid", "TermSampling"]

SAMPLINGS = ("lattice", "uniform")


@dataclass(frozen=True)
class GradientDescent:
    """Options of the gradient descent of ``find_local_model``: its start, its learning rates and its end.

    Raises:
        LHVError: If a field is out of range.

    References:
        D. P. Kingma and J. Ba, arXiv:1412.6980 (Adam); N. Loizou et al., arXiv:2002.10542 (Polyak's step size for
        random gradients); arXiv:2407.04673 (local models by gradient descent).

    Examples:
        A descent that ends once the loss is small enough, instead of after all of its steps:

        >>> from qiskit_lhv import Behavior, find_local_model
        >>> from qiskit_lhv.optimize import GradientDescent
        >>> behavior = Behavior.from_correlators([[0.4, 0.4], [0.4, -0.4]], marginals=False)
        >>> optimizer = GradientDescent(num_steps=1000, target_loss=1e-4)
        >>> result = find_local_model(behavior, num_hidden=16, optimizer=optimizer, seed=1)
        >>> print(result.status, len(result.history) < 1000)
        The loss reached its target. True
    """

    num_steps: int | None = None
    """Gradient steps, the last 40% (behaviors and listed terms: all) with a falling rate; ``None``: 3000, for states
    1000."""
    start: int | ResponseModel = 1
    """Number of random starts that run side by side, of which the best is returned; or the model to start from, such
    as that of a neighboring state."""
    loss: str = "kl"
    """What is minimized: ``"kl"``, the Kullback-Leibler divergence of the target from the model, or ``"l2"``, the sum
    of squared differences; a mean over settings."""
    target_loss: float | None = None
    """The search stops once the loss is at most this; ``None``: it does not stop early."""
    learning_rate: float | None = None
    """Rate of the main phase; ``None``: 1 for tables, 0.3 for listed terms; for states, where it is the largest root
    mean square of a step, 0.2 for 16384 hidden variables and more for more."""
    patience: int | None = None
    """Number of steps over which the loss must fall by 1%, else the final phase begins at once; ``None``: no such
    test."""
    diffusion: float = 0.0
    """Standard deviation of Gaussian noise added to all hidden variables in each step of the main phase."""
    symmetry: str | Sequence[Any] | None = "auto"
    """For states: ``"auto"``: hidden variables come in whole orbits of a finite symmetry of the target, if one is
    found; states: of one that these share, such as all those of a sweep; ``None``: every hidden variable is free."""
    devices: Devices | None = None
    """Devices over which the ensemble is spread, and the memory that a step may use there; ``None``: the default device
    of JAX, and 1 GiB."""
    # The digest of a rule, not its repr, distinguishes the runs of two of them.
    update_rule: optax.GradientTransformation | None = field(default=None, repr=False)
    """Rule that turns gradients into steps, with its own learning rate and schedule: any gradient transformation of
    Optax; every run has a state of its own. ``None``: Adam for tables, momentum with Polyak's step size for states."""

    def __post_init__(self) -> None:
        for name in ("num_steps", "patience"):
            if getattr(self, name) is not None:
                whole_number(getattr(self, name), name, LHVError)
        if not isinstance(self.start, ResponseModel) and not (is_whole_number(self.start) and self.start >= 1):
            raise LHVError.bad_argument(
                "start", expected="a whole number of at least 1, or a ResponseModel", got=shown(self.start)
            )
        if not isinstance(self.loss, str) or self.loss not in LOSSES:
            raise LHVError.bad_argument("loss", expected=f"one of {sorted(LOSSES)}", got=repr(self.loss))
        if self.target_loss is not None:
            positive_number(self.target_loss, "target_loss", LHVError, zero=True)
        if self.learning_rate is not None:
            positive_number(self.learning_rate, "learning_rate", LHVError)
        positive_number(self.diffusion, "diffusion", LHVError, zero=True)
        known = self.symmetry == "auto" if isinstance(self.symmetry, str) else isinstance(self.symmetry, Sequence)
        if self.symmetry is not None and not known:
            raise LHVError.bad_argument(
                "symmetry", expected="'auto', None, or a sequence of states", got=shown(self.symmetry)
            )
        if self.devices is not None:
            instance(self.devices, Devices, "devices", LHVError)
        if self.update_rule is not None:
            self._check_rule()

    def _check_rule(self) -> None:
        instance(self.update_rule, optax.GradientTransformation, "update_rule", LHVError)
        for name in ("learning_rate", "patience"):
            if getattr(self, name) is not None:
                raise LHVError.bad_argument(
                    name,
                    expected="None with an update_rule, whose learning rate and schedule are its own",
                    got=shown(getattr(self, name)),
                    remedy="Give the rule its rate and its schedule.",
                )

    @property
    def num_starts(self) -> int:
        """Number of starts that run side by side."""
        return 1 if isinstance(self.start, ResponseModel) else int(self.start)

    @property
    def initial_model(self) -> ResponseModel | None:
        """The model to start from, if there is one."""
        return self.start if isinstance(self.start, ResponseModel) else None


@dataclass(frozen=True)
class SettingsGrid:
    """Options for the settings on which a model of a state is trained and evaluated.

    Every step draws measurements for each party and compares all their combinations.

    Raises:
        LHVError: If a field is out of range.

    References:
        arXiv:2407.04673 (pairs of random directions, of which a grid takes all combinations).

    Examples:
        Each step compares 8 x 8 measurements of two qubits, and the result is evaluated on 500 fresh pairs:

        >>> from qiskit_lhv import find_local_model
        >>> from qiskit_lhv.optimize import GradientDescent, SettingsGrid
        >>> from qiskit_lhv.quantum import werner_state
        >>> options = {"optimizer": GradientDescent(num_steps=50), "grid": SettingsGrid(64, num_evaluated=500)}
        >>> result = find_local_model(werner_state(0.3), response=1, num_hidden=256, seed=1, **options)
        >>> result.evaluation.num_settings, result.loss < 1e-4
        (500, True)
    """

    num_settings: int | None = None
    """About how many setting combinations each step compares; ``None``: 64 for one qubit, 1024 for two, 4096 for
    more."""
    sampling: str = "lattice"
    """``"lattice"``: the measurements of a step are evenly spread and turned at random; ``"uniform"``: they are
    independent."""
    num_evaluated: int = 2000
    """Fresh random settings on which the model is evaluated."""

    def __post_init__(self) -> None:
        if self.num_settings is not None:
            whole_number(self.num_settings, "num_settings", LHVError)
        if not isinstance(self.sampling, str) or self.sampling not in SAMPLINGS:
            raise LHVError.bad_argument("sampling", expected="'lattice' or 'uniform'", got=repr(self.sampling))
        whole_number(self.num_evaluated, "num_evaluated", LHVError, minimum=2)


@dataclass(frozen=True)
class TermSampling:
    """Options for listed correlators of many parties: which ones a model is fitted to, and how many in each step.

    Raises:
        LHVError: If a field is out of range.

    Examples:
        All pairs of 10 parties have the correlator 1/4. A model that is fitted to nine of ten pairs does not predict
        the others:

        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario, find_local_model
        >>> from qiskit_lhv.optimize import TermSampling
        >>> from qiskit_lhv.targets import TermValues
        >>> rows = np.full((45, 10), -1)
        >>> for row, pair in zip(rows, zip(*np.triu_indices(10, 1), strict=True), strict=True):
        ...     row[list(pair)] = 0
        >>> pairs = TermValues(BellScenario([1] * 10, 2), rows, np.full(45, 0.25))
        >>> descent = GradientDescent(num_steps=200)
        >>> result = find_local_model(pairs, num_hidden=16, optimizer=descent, terms=TermSampling(held_out=0.1), seed=1)
        >>> fit = result.term_fit
        >>> print(fit.held_out.sum(), result.loss < 1e-6, fit.loss_held_out > 1e-3)
        4 True True
    """

    held_out: float = 0.1
    """Share of the terms, chosen at random by the seed, that the search does not see: they show whether the model
    predicts terms that it was not fitted to. With 0, a model is fitted to all terms, where the question is whether
    there is one at all."""
    batch_size: int = 1024
    """Number of terms that a step compares: all of them if there are no more, else as many drawn anew for each step."""

    def __post_init__(self) -> None:
        if probability(self.held_out, "held_out", LHVError) == 1:
            raise LHVError.bad_argument("held_out", expected="a share below 1", got="1")
        whole_number(self.batch_size, "batch_size", LHVError)
