"""Sweeps over visibilities, which show up to where the search finds local models of a noisy state."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from .._support.deadlines import Deadline
from .._support.files import parse_json, writable_folder, write_whole
from .._support.records import Record, encode
from .._support.types import FloatArray
from .._support.validation import frozen, generator, instance, real_array, seed_or_fresh, shown, whole_number
from ..exceptions import CertificateError, LHVError, ScenarioError
from ..measurements.named_sets import measurement_sets
from ..models.function_responses import EffectFunctionResponse, FunctionResponse
from ..models.responses import Response
from ..quantum.qubit_layouts import PhysicalQubits
from ..targets.correlations import CorrelationTensor
from .evaluation import Evaluation
from .optimizers import rule_identity
from .options import GradientDescent, SettingsGrid
from .search import LocalModelResult, find_local_model
from .state_problem import searched_tensor
from .training import SearchStatus
from .tree_checkpoints import fingerprint

__all__ = ["VisibilitySweep", "checked_options", "sweep_visibility"]


# A loss beyond this multiple of the floor has left it; one beyond the second is far from it.
_LEFT_FLOOR, _FAR_FROM_FLOOR = 3.0, 10.0
# Losses below this share of the largest one may still be what the steps, not the states, allow.
_CLEAR_SHARE = 0.01
_NUM_STEPS, _NUM_EVALUATED = 1000, 10_000
_DIRECTIONS = ("up", "down")


@dataclass(frozen=True, eq=False, repr=False)
class VisibilitySweep(Record):
    """Losses of the best local models found along a line of noisy states, as :func:`sweep_visibility` returns them.

    Raises:
        LHVError: If the direction is neither ``"up"`` nor ``"down"``.

    References:
        arXiv:2407.04673 (losses against visibilities, up and down).

    Examples:
        A quick sweep of Werner states with Bell's response function; estimates need more hidden variables and steps.

        >>> from qiskit_lhv.optimize import GradientDescent, SettingsGrid, sweep_visibility
        >>> from qiskit_lhv.quantum import werner_state
        >>> options = {"optimizer": GradientDescent(num_steps=50), "grid": SettingsGrid(num_settings=64)}
        >>> visibilities = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        >>> sweep = sweep_visibility(werner_state(1), visibilities, response=1, num_hidden=256, seed=1, **options)
        >>> (sweep.losses[::2] < 1e-4).tolist()
        [True, True, False, False]
        >>> 0.5 < sweep.extrapolated_visibility() < 0.7
        True
    """

    visibilities: FloatArray
    """Weights v of the state, ascending; the rest is noise."""
    evaluations: tuple[Evaluation, ...]
    """Losses on fresh random settings at each visibility."""
    direction: str = "up"
    """``"up"``: each visibility started from the model of the next lower one; ``"down"``: of the next higher one."""

    def __post_init__(self) -> None:
        if not isinstance(self.direction, str) or self.direction not in _DIRECTIONS:
            raise LHVError.bad_argument("direction", expected=f"one of {_DIRECTIONS}", got=shown(self.direction))
        object.__setattr__(self, "visibilities", frozen(np.asarray(self.visibilities, dtype=float)))
        object.__setattr__(self, "evaluations", tuple(self.evaluations))

    @property
    def losses(self) -> FloatArray:
        """Kullback-Leibler divergence at each visibility, in nats per trial."""
        return np.array([evaluation.kl_divergence for evaluation in self.evaluations])

    @property
    def floor(self) -> float:
        """Lowest loss of the sweep, which the size of the ensemble and the number of steps limit."""
        return float(self.losses.min())

    def floor_visibility(self, factor: float = _LEFT_FLOOR) -> float | None:
        """Estimates the critical visibility as the point where the loss rises above its floor.

        Args:
            factor: The loss counts as above the floor if it is larger than the floor by this factor.

        Returns:
            The visibility, on the line between two points in the logarithm of the loss; ``None`` if the sweep
            ends on the floor or begins beyond it.
        """
        losses = self.losses
        beyond = losses > factor * self.floor
        if not beyond[-1] or beyond[0]:
            return None
        last = int(np.flatnonzero(~beyond)[-1])
        below, above = np.log(losses[last : last + 2])
        share = (np.log(factor * self.floor) - below) / (above - below)
        step = self.visibilities[last + 1] - self.visibilities[last]
        return float(self.visibilities[last] + share * step)

    def extrapolated_visibility(self, low: float | None = None, high: float | None = None) -> float | None:
        """Estimates the critical visibility as the point where the fitted square root of the loss reaches zero.

        Beyond the critical visibility, the distance to the local set grows in proportion at first, then faster, and the
        divergence with its square.

        Args:
            low: Lowest visibility of the fit; default: the first from which on losses exceed ten times the floor
                and a hundredth of the largest one.
            high: Highest visibility of the fit; default: the last.

        Returns:
            The zero of the fitted curve, or ``None`` with fewer than three points. See :meth:`curve`.
        """
        curve = self.curve(low, high)
        return None if curve is None else curve[0]

    def curve(self, low: float | None = None, high: float | None = None) -> tuple[float, float, float] | None:
        """Returns zero, slope and curvature of the curve that is fitted to the square root of the loss.

        The curve is ``slope * (v - zero) + curvature * (v - zero) ** 2``, fitted by least squares. It is a line,
        with curvature 0, where there are three points only, or where no parabola that bends upwards and reaches zero
        below them fits.

        Args:
            low: Lowest visibility of the fit; see :meth:`extrapolated_visibility`.
            high: Highest visibility of the fit.
        """
        v, losses = self.visibilities, self.losses
        if low is None:
            near = np.flatnonzero(losses <= max(_FAR_FROM_FLOOR * self.floor, _CLEAR_SHARE * losses.max()))
            low = v[near[-1] + 1] if near[-1] + 1 < len(v) else np.inf
        used = (v >= low - 1e-9) & (v <= (np.inf if high is None else high) + 1e-9)
        if used.sum() < 3:
            return None
        roots = np.sqrt(losses[used])
        if used.sum() > 3:
            square, linear, constant = np.polyfit(v[used], roots, 2)
            discriminant = linear**2 - 4 * square * constant
            if square > 0 and discriminant > 0:
                zero = (-linear + np.sqrt(discriminant)) / (2 * square)
                if zero < v[used][0]:
                    return float(zero), float(np.sqrt(discriminant)), float(square)
        slope, offset = np.polyfit(v[used], roots, 1)
        return float(-offset / slope), float(slope), 0.0

    def __str__(self) -> str:
        texts = [
            f"{name} {'none' if value is None else format(value, '.4f')}"
            for name, value in (
                ("the loss leaves its floor at v =", self.floor_visibility()),
                ("its square root extrapolates to zero at v =", self.extrapolated_visibility()),
            )
        ]
        swept = "" if self.direction == "up" else ", swept downwards"
        return f"{len(self.visibilities)} visibilities{swept}, floor {self.floor:.2g}: {'; '.join(texts)}"


def checked_options(optimizer: Any, grid: Any, first_steps: Any) -> tuple[GradientDescent, SettingsGrid, int | None]:
    """Returns the options of a sweep, with the defaults of those that are ``None``.

    Args:
        optimizer: How the descent goes.
        grid: The settings of training and evaluation.
        first_steps: Number of steps at the first visibility.

    Raises:
        LHVError: If one is of another kind or out of range, or the descent has more starts than one random one.
    """
    optimizer = instance(GradientDescent() if optimizer is None else optimizer, GradientDescent, "optimizer", LHVError)
    grid = instance(
        SettingsGrid(num_evaluated=_NUM_EVALUATED) if grid is None else grid, SettingsGrid, "grid", LHVError
    )
    if optimizer.start != 1:
        raise LHVError.bad_argument("start", expected="one random start in a sweep", got=shown(optimizer.start))
    if first_steps is not None:
        first_steps = whole_number(first_steps, "first_steps", LHVError)
    return optimizer, grid, first_steps


def sweep_visibility(
    state: Any,
    visibilities: Sequence[float] | FloatArray,
    *,
    noise: Any = None,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    measurements: Any = "projective",
    first_steps: int | None = None,
    time_limit: float | None = None,
    seed: int | None = None,
    folder: str | os.PathLike[str] | None = None,
    **options: Any,
) -> VisibilitySweep:
    """Searches for local models of a state mixed with noise, each visibility starting from the model before.

    Upwards, from where models fit, is the way to a critical visibility. Downwards, the first model belongs to a state
    that has none, and the others may keep what was good there: where the losses of both ways differ, the descent gets
    stuck, and the higher one says nothing about the state.

    The losses give two estimates of the critical visibility: the point where they rise above their floor, and the
    extrapolation of their square root to zero. Neither is a proof: a model that fits to 1e-7 suggests, but does not
    prove, that some model fits exactly.

    Args:
        state: A state of parties of any dimensions; see :func:`find_local_model`.
        visibilities: Weights of the state in [0, 1]: ascending, from where models fit to where none is found; or
            descending.
        noise: State of the same dimensions to mix with; default: white noise.
        parties: The qubits of each party; default: party k is subsystem k.
        measurements: See :func:`find_local_model`.
        first_steps: Gradient steps at the first visibility, which starts at random; default: twice as many as at
            the others.
        time_limit: No new visibility is begun after this many seconds. Default: no limit; a visibility takes some
            seconds on two cores for two qubits.
        seed: Seed of everything random.
        folder: Where to keep the results, ``point_0000.npz`` and so on, to be read by
            ``LocalModelResult.load``, and the state of the run. The same call goes on from there. Needs a seed.
        **options: Other options of :func:`find_local_model`: ``response``, ``num_hidden``, ``optimizer`` (by default
            1000 steps), ``grid`` (by default evaluated on 10,000 fresh settings) and ``progress``.

    Returns:
        The losses, and what they say about the critical visibility; also those of a sweep downwards are listed by
        ascending visibilities.

    Raises:
        ScenarioError: If the visibilities are neither ascending nor descending in [0, 1], or as
            :func:`find_local_model` does.
        CertificateError: If the folder holds another sweep; the folder is not changed.
        LHVError: As :func:`find_local_model` does.

    References:
        arXiv:2407.04673 (sweeps of the visibility, up and down).

    Examples:
        A quick sweep of Werner states with Bell's response function; estimates need more hidden variables and steps.

        >>> from qiskit_lhv.optimize import GradientDescent, SettingsGrid, sweep_visibility
        >>> from qiskit_lhv.quantum import werner_state
        >>> options = {"optimizer": GradientDescent(num_steps=50), "grid": SettingsGrid(num_settings=64)}
        >>> visibilities = [0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
        >>> sweep = sweep_visibility(werner_state(1), visibilities, response=1, num_hidden=256, seed=1, **options)
        >>> for visibility, loss in zip(sweep.visibilities[::2], sweep.losses[::2], strict=True):
        ...     print(f"v = {visibility:.1f}: loss {'below' if loss < 1e-4 else 'above'} 1e-4")
        v = 0.3: loss below 1e-4
        v = 0.5: loss below 1e-4
        v = 0.7: loss above 1e-4
        v = 0.9: loss above 1e-4
    """
    deadline = Deadline(time_limit)
    tensor = searched_tensor(state, parties, "state")
    white = noise is None
    mixed_in = CorrelationTensor.white_noise(tensor.dimensions) if white else searched_tensor(noise, parties, "noise")
    noise_tensor = mixed_in.array
    if noise_tensor.shape != tensor.array.shape:
        raise ScenarioError.bad_argument(
            "noise", expected=f"a state of dimensions {tensor.dimensions}", got=f"dimensions {mixed_in.dimensions}"
        )
    line = real_array(visibilities, "visibilities", ScenarioError, ndim=1)
    downwards = len(line) > 1 and bool(line[0] > line[-1])
    ascending = line[::-1] if downwards else line
    if not len(line) or ascending[0] < 0 or ascending[-1] > 1 or np.any(np.diff(ascending) <= 0):
        raise ScenarioError.bad_argument(
            "visibilities", expected="ascending or descending numbers from 0 to 1", got=f"{line.tolist()}"
        )
    optimizer, grid, first_steps = checked_options(
        options.pop("optimizer", None), options.pop("grid", None), first_steps
    )
    if "checkpoint" in options:
        raise LHVError.bad_argument("checkpoint", expected="none in a sweep", got=repr(options["checkpoint"]))
    generator(seed)
    if folder is not None and seed is None:
        raise LHVError.bad_argument("seed", expected="a seed where there is a folder", got="None")
    if folder is not None and isinstance(options.get("response"), FunctionResponse | EffectFunctionResponse):
        raise LHVError.bad_argument(
            "folder",
            expected="None with a response function of your own",
            got=repr(folder),
            remedy="No file can hold it.",
        )
    if optimizer.symmetry is not None:
        # The symmetry of the whole line, so that each ensemble consists of orbits of the same group.
        others = () if isinstance(optimizer.symmetry, str) else tuple(optimizer.symmetry)
        optimizer = replace(optimizer, symmetry=(tensor, CorrelationTensor(noise_tensor), *others))
    first_seed = seed_or_fresh(seed)
    num_steps = int(optimizer.num_steps or _NUM_STEPS)
    steps = [2 * num_steps if first_steps is None else first_steps, *[num_steps] * (len(line) - 1)]
    path = None
    if folder is not None:
        sets = measurement_sets(measurements, tensor.dimensions)
        run = fingerprint(
            tensor=tensor.array,
            noise=noise_tensor,
            visibilities=line,
            steps=steps,
            seed=first_seed,
            optimizer=optimizer,
            **({} if optimizer.update_rule is None else {"update_rule": rule_identity(optimizer.update_rule)}),
            grid=grid,
            **{f"measurements_{k}": repr(encode(party_set)) for k, party_set in enumerate(sets)},
            **{name: _text(value) for name, value in options.items() if name != "progress"},
        )
        path = _open_folder(folder, run)

    evaluations: list[Evaluation] = []
    model = None
    for i, visibility in enumerate(line):
        if i and deadline.over:
            break
        target = CorrelationTensor(visibility * tensor.array + (1 - visibility) * noise_tensor)
        kept = None if path is None else path / f"point_{i:04d}.npz"
        if kept is not None and kept.exists():
            result = LocalModelResult.load(kept)
        else:
            running = None if path is None else path / f"running_{i:04d}.npz"
            result = find_local_model(
                target,
                measurements=measurements,
                optimizer=replace(optimizer, num_steps=steps[i], start=1 if model is None else model),
                grid=grid,
                seed=first_seed + i,
                checkpoint=running,
                **options,
            )
            if result.status is SearchStatus.INTERRUPTED:
                if not evaluations:
                    raise KeyboardInterrupt
                break
            if kept is not None and running is not None:
                result.save(kept)
                running.unlink(missing_ok=True)
        model = result.model
        assert result.evaluation is not None
        evaluations.append(result.evaluation)
    done = line[: len(evaluations)]
    if downwards:
        return VisibilitySweep(done[::-1], tuple(evaluations[::-1]), "down")
    return VisibilitySweep(done, tuple(evaluations))


def _text(value: Any) -> str:
    return value.identity() if isinstance(value, Response) else repr(value)


def _open_folder(folder: str | os.PathLike[str], run: str) -> Path:
    """Returns the folder of a sweep, created if necessary; raises if it holds another sweep."""
    path = writable_folder(folder, "folder")
    mark = path / "sweep.json"
    if not mark.exists():
        content = json.dumps({"run": run}).encode()

        def write(stream: IO[bytes]) -> None:
            stream.write(content)

        write_whole(mark, write)
    try:
        same = parse_json(mark.read_text(encoding="utf-8"))["run"] == run
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise CertificateError.bad_argument(
            "folder",
            expected="a new folder, or one of this very sweep",
            got=f"another sweep in {path.name}",
            remedy="Nothing was changed: pass another folder.",
        )
    return path
