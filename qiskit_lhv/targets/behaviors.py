"""Behaviors: the conditional probabilities p(a|x) of a Bell scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import frozen, generator, probability, real_array
from ..exceptions import ScenarioError
from . import coordinates
from .efficiency import check_assignment, check_efficiencies, table_with_efficiency
from .operator_basis import correlations_of_state, probabilities
from .outcome_maps import OutcomeMap, OutcomeNames
from .scenario import BellScenario, scenario_of_array
from .setting_names import SettingNames, check_setting_names

if TYPE_CHECKING:
    from ..quantum.qubit_layouts import PhysicalQubits
    from .counts import BellCounts

__all__ = ["Behavior"]

_ATOL = 1e-9
# Numbers rounded to 8 decimals: sums may be off by this, or by this much of ten numbers for every outcome.
_ROUNDED = 1e-7


@dataclass(frozen=True, eq=False, repr=False)
class Behavior(Record):
    """The probabilities p(a|x) of all outcomes for all settings.

    A behavior may be signaling, as frequencies of finite counts always are a little.

    Args:
        array: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, all setting axes, then all outcome axes:
            ``array[x_1, ..., x_N, a_1, ..., a_N]`` = p(a_1 ... a_N | x_1 ... x_N). Entries may be
            below 0 by rounding of at most 1e-9, and are then set to 0. Sums may be off as those of numbers rounded to
            8 decimals are; beyond 1e-9 they are divided out.
        scenario: The scenario, for settings with different numbers of outcomes: the array is padded with zeros where a
            setting has fewer than the party's largest one. Default: all settings of a party have as many.
        setting_names: The name of each setting of each party, for reports and pictures.

    Raises:
        ScenarioError: If the shape is not of this form, an entry is negative or not finite, the
            outcomes of some settings do not sum to 1 within 1e-7 (within 1e-8 for each of them, if these are more than
            ten), or an outcome that a setting does not have is not 0.

    References:
        N. Brunner et al., Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849, which the words "behavior" and
        "no-signaling" follow.

    Examples:
        The correlations of a singlet for the settings of CHSH, and what white noise leaves of them:

        >>> from qiskit_lhv.quantum import werner_state
        >>> singlet = Behavior.from_state(werner_state(1), "chsh")
        >>> singlet.to_correlators()[1:, 1:].round(4).tolist()
        [[-0.7071, -0.7071], [-0.7071, 0.7071]]
        >>> singlet.mix(visibility=0.5).to_correlators()[1:, 1:].round(4).tolist()
        [[-0.3536, -0.3536], [-0.3536, 0.3536]]

        A party whose outcome copies its setting, beside one that tosses a fair coin:

        >>> import numpy as np
        >>> copy = np.eye(2)
        >>> coin = np.full((1, 2), 0.5)
        >>> Behavior(np.einsum("xa,yb->xyab", copy, coin)).scenario.num_settings
        (2, 1)

        A party whose second setting has one outcome only:

        >>> Behavior([[0.5, 0.5], [1, 0]], BellScenario(2, [[2, 1]])).scenario.num_cells
        3
    """

    array: FloatArray
    """Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, float64, read-only."""
    scenario: BellScenario = None  # type: ignore[assignment]  # filled in below
    """The number of settings and outcomes of each party."""
    setting_names: SettingNames | None = field(default=None, compare=False)
    """The name of each setting of each party; ``None`` if they have no names. Behaviors compare without them."""

    def __post_init__(self) -> None:
        array = real_array(
            self.array,
            "array",
            ScenarioError,
            remedy="Of a state: Behavior.from_state(state, settings); of counts: BellCounts.from_counts(counts).",
        )
        scenario = scenario_of_array(array, self.scenario, "array", ScenarioError)
        if array.min() < -_ATOL:
            position = tuple(int(i) for i in np.unravel_index(np.argmin(array), array.shape))
            raise ScenarioError.bad_argument(
                "array", expected="probabilities", got=f"{array[position]} at index {position}"
            )
        with np.errstate(over="ignore"):
            totals = array.sum(axis=scenario.outcome_axes)
        worst = np.unravel_index(np.argmax(np.abs(totals - 1)), totals.shape)
        outcomes = math.prod(scenario.max_outcomes)
        if abs(totals[worst] - 1) > _ROUNDED * max(1.0, outcomes / 10):
            raise ScenarioError.bad_argument(
                "array",
                expected="outcomes that sum to 1 for every setting combination",
                got=f"a sum of {totals[worst]} for settings {tuple(int(i) for i in worst)}",
                remedy=(
                    "Normalize it; counts go to BellCounts. Numbers with errors: divide each setting's by their sum, "
                    "and tell their accuracy, analyze(behavior, tolerance=...)."
                ),
            )
        array = np.maximum(array, 0)
        if abs(totals[worst] - 1) > _ATOL:
            array = array / array.sum(axis=scenario.outcome_axes, keepdims=True)
        object.__setattr__(self, "array", frozen(array))
        object.__setattr__(self, "scenario", scenario)
        object.__setattr__(self, "setting_names", check_setting_names(self.setting_names, scenario, ScenarioError))

    def __repr__(self) -> str:
        return f"Behavior({self.scenario})"

    # Ways to make one

    @classmethod
    def from_state(
        cls, state: Any, settings: Sequence[Sequence[Any]] | str, parties: Sequence[Any] | PhysicalQubits | None = None
    ) -> Behavior:
        """The behavior of a quantum state under chosen measurements.

        Args:
            state: ``DensityMatrix``, ``Statevector``, ``StabilizerState``, ``Clifford`` (applied to ``|0...0>``), or
                ``QuantumCircuit`` without measurements.
            settings: One sequence of measurements per party (anything that ``measurement`` takes), or
                a name: ``"chsh"``, ``"mermin"``.
            parties: The qubit, or the sequence of qubits, of each party, by number or, for circuits, as ``Qubit`` or
                ``QuantumRegister``; default: party k is qubit k. Of a circuit with a layout these are the qubits of the
                circuit that it was transpiled from; ``PhysicalQubits`` names its own.

        Raises:
            MeasurementError: If a measurement, the state or a party cannot be used.
        """
        return cls(*probabilities(correlations_of_state(state, parties), settings))

    @classmethod
    def white_noise(cls, scenario: BellScenario) -> Behavior:
        """The behavior whose outcomes are uniform, setting by setting, and independent of everything else.

        Args:
            scenario: The number of settings and outcomes of each party.
        """
        return cls(scenario.white_noise_table, scenario)

    @classmethod
    def from_correlators(cls, correlators: ArrayLike, *, marginals: bool = True) -> Behavior:
        """The two-outcome behavior with given expectation values.

        They count as exact. Measured values have errors, which a verdict must know of: ``analyze(behavior,
        tolerance=...)`` takes the largest error of a probability. With two outcomes per party, probabilities are means
        of ``2**N`` correlators (marginals included), so none is further off than the correlators are.

        Args:
            correlators: With ``marginals``, shape ``(m_1 + 1, ..., m_N + 1)``, where index 0 of an
                axis means that the party does not take part (so entry ``[0, ..., 0]`` is 1);
                without, shape ``(m_1, ..., m_N)``: full correlators, all others zero.
            marginals: Whether the array holds the correlators of fewer than all parties.

        Raises:
            ScenarioError: If the correlators belong to no behavior (within 1e-7).
        """
        array = real_array(correlators, "correlators", ScenarioError)
        if not marginals:
            padded = np.zeros([m + 1 for m in array.shape])
            padded[(slice(1, None),) * array.ndim] = array
            padded[(0,) * array.ndim] = 1
            array = padded
        if array.ndim == 0 or min(array.shape) < 2 or abs(array[(0,) * array.ndim] - 1) > _ATOL:
            raise ScenarioError.bad_argument(
                "correlators",
                expected="shape (m_1 + 1, ..., m_N + 1) with entry [0, ..., 0] equal to 1",
                got=f"shape {array.shape}" if array.ndim == 0 else f"{array.ravel()[0]} there",
                remedy="Pass marginals=False for full correlators only.",
            )
        scenario = BellScenario(tuple(m - 1 for m in array.shape), (2,) * array.ndim)
        maps = coordinates.full_table_from_correlator_matrices(scenario)
        return cls._from_table(coordinates.apply_per_party(array, maps), scenario, "correlators")

    @classmethod
    def from_collins_gisin(cls, table: ArrayLike, scenario: BellScenario) -> Behavior:
        """The no-signaling behavior with given Collins-Gisin table.

        Args:
            table: Shape ``(m_1 (d_1 - 1) + 1, ...)``; see :meth:`to_collins_gisin`.
            scenario: The scenario.

        Raises:
            ScenarioError: If the shape does not fit or the table belongs to no behavior.
        """
        array = real_array(table, "table", ScenarioError)
        maps = coordinates.full_table_from_collins_gisin_matrices(scenario)
        expected = tuple(matrix.shape[1] for matrix in maps)
        if array.shape != expected:
            raise ScenarioError.bad_argument("table", expected=f"shape {expected}", got=f"shape {array.shape}")
        return cls._from_table(coordinates.apply_per_party(array, maps), scenario, "table")

    @classmethod
    def _from_table(cls, tensor: FloatArray, scenario: BellScenario, argument: str) -> Behavior:
        cells = coordinates.from_party_axes(tensor, scenario)
        if -_ROUNDED <= cells.min() < -_ATOL:
            # Rounded correlators of outcomes that never happen.
            cells = np.maximum(cells, 0)
            cells = cells / cells.sum(axis=scenario.outcome_axes, keepdims=True)
        try:
            return cls(cells, scenario)
        except ScenarioError as exc:
            raise ScenarioError.bad_argument(
                argument, expected="numbers that belong to probabilities", got=f"an impossible table ({exc})"
            ) from exc

    # What can be asked of one

    def mix(self, noise: Behavior | None = None, visibility: float = 1.0) -> Behavior:
        """The mixture ``visibility * self + (1 - visibility) * noise``.

        Args:
            noise: A behavior of the same scenario; default: white noise.
            visibility: Weight of this behavior, from 0 to 1.

        Raises:
            ScenarioError: If the scenarios differ or the visibility is not in [0, 1].
        """
        visibility = probability(visibility, "visibility", ScenarioError)
        noise = Behavior.white_noise(self.scenario) if noise is None else noise
        self.require_scenario(noise.scenario, "noise")
        return Behavior(visibility * self.array + (1 - visibility) * noise.array, self.scenario)

    def with_efficiency(
        self, efficiency: float | Sequence[float], assign: int | Sequence[int | None] | None = None
    ) -> Behavior:
        """The behavior that parties with inefficient detectors see.

        Each party's outcome is registered with the probability of its efficiency, independently of settings,
        outcomes and the other parties. Otherwise there is no click.

        Args:
            efficiency: Detection efficiency of all parties, or one per party, from 0 to 1.
            assign: The outcome that stands for "no click", or one per party; ``None``: an additional outcome of
                every setting, its last.

        Raises:
            ScenarioError: If an efficiency is no probability, ``assign`` is no outcome, or the number of
                entries is not that of the parties.

        Examples:
            >>> deterministic = Behavior([[1.0, 0.0]])
            >>> deterministic.with_efficiency(0.75).array
            array([[0.75, 0.  , 0.25]])
            >>> deterministic.with_efficiency(0.75, assign=1).array
            array([[0.75, 0.25]])
        """
        efficiencies = check_efficiencies(efficiency, self.scenario.num_parties)
        assignment = check_assignment(assign, self.scenario)
        return Behavior(*table_with_efficiency(self.array, self.scenario, efficiencies, assignment))

    def coarse_grain(self, outcomes: OutcomeNames) -> Behavior:
        """The behavior of parties who do not tell some of their outcomes apart.

        Args:
            outcomes: For ``(k, x)``, setting x of party k, or for k, all settings of party k: the new number of each
                outcome. Outcomes with the same number are merged; settings that are not named stay as they are.

        Raises:
            ScenarioError: If a setting is out of range or its numbers do not fit.

        Examples:
            >>> three = Behavior([[0.5, 0.25, 0.25], [0.5, 0.125, 0.375]])
            >>> two = three.coarse_grain({(0, 1): [0, 1, 1]})
            >>> two.scenario.num_outcomes, two.array.tolist()
            (((3, 2),), [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])
        """
        change = OutcomeMap.merging(self.scenario, outcomes, ScenarioError)
        return Behavior(change.merge(self.array), change.coarse, self.setting_names)

    def lift_outcomes(self, outcomes: OutcomeNames) -> Behavior:
        """The behavior with more outcomes, of which some never happen.

        :meth:`coarse_grain` with the same map undoes it.

        Args:
            outcomes: For ``(k, x)``, setting x of party k, or for k, all settings of party k: for each outcome that
                it is to have, the present outcome that it counts as. The first that counts as one gets its probability.

        Raises:
            ScenarioError: If a setting is out of range or its numbers do not fit.

        Examples:
            >>> Behavior([[0.25, 0.75]]).lift_outcomes({0: [0, 0, 1]}).array.tolist()
            [[0.25, 0.0, 0.75]]
        """
        change = OutcomeMap.splitting(self.scenario, outcomes, ScenarioError)
        return Behavior(change.embed(self.array), change.fine, self.setting_names)

    def sample(self, shots: Any, seed: int | None = None) -> BellCounts:
        """Draws counts in blocks, as an experiment with this behavior would give.

        Args:
            shots: Shots of each setting combination: a number, or an array of shape ``(m_1, ..., m_N)``, with zeros
                for those that are not to be measured.
            seed: Seed, or ``None``.

        Raises:
            CountsError: If a shot number is not a whole number, or a setting of a party has no shots.
        """
        from .counts import BellCounts
        from .designs import check_shots

        numbers = check_shots(shots, self.scenario.num_settings, some=True).ravel()
        cells = self.array.reshape(self.scenario.num_setting_combinations, -1)
        drawn = generator(seed).multinomial(numbers, cells / cells.sum(axis=1, keepdims=True))
        return BellCounts(drawn.reshape(self.scenario.shape), scenario=self.scenario, setting_names=self.setting_names)

    def to_correlators(self, atol: float = _ATOL) -> FloatArray:
        """Expectation values of products of the outcomes' signs, marginals included.

        Args:
            atol: Largest signaling that is taken for rounding.

        Returns:
            Shape ``(m_1 + 1, ..., m_N + 1)``; index 0 of an axis: the party does not take part.
            Outcome 0 counts +1 and outcome 1 counts -1.

        Raises:
            ScenarioError: If a setting has more or less than two outcomes, or the behavior is signaling, so
                that marginals have no meaning.
        """
        if not self.scenario.is_two_outcome:
            raise ScenarioError.bad_argument(
                "behavior",
                expected="two outcomes per party",
                got=f"{self.scenario.short_num_outcomes}",
                remedy="Use to_collins_gisin() for more outcomes.",
            )
        return self._reduced(coordinates.correlator_matrices(self.scenario), atol)

    def to_collins_gisin(self, atol: float = _ATOL) -> FloatArray:
        """The table without redundancy: probabilities of all outcomes but each party's last.

        Args:
            atol: Largest signaling that is taken for rounding.

        Returns:
            Shape ``(m_1 (d_1 - 1) + 1, ...)``. Index 0 of an axis: the party does not take part;
            index ``1 + x (d - 1) + a``: outcome a of setting x, for a below d - 1. Settings with different numbers
            of outcomes follow one another in the same way, each with all its outcomes but the last.

        Raises:
            ScenarioError: If the behavior is signaling.
        """
        return self._reduced(coordinates.collins_gisin_matrices(self.scenario), atol)

    def _reduced(self, maps: list[FloatArray], atol: float) -> FloatArray:
        self.require_no_signaling(atol)
        return frozen(coordinates.apply_per_party(coordinates.to_party_axes(self.array, self.scenario), maps))

    def max_signaling(self) -> float:
        """The largest change of any other parties' joint probability that one party's setting causes."""
        n = self.scenario.num_parties
        if n == 1:
            return 0.0
        marginals = (self.array.sum(axis=n + k) for k in range(n))
        return float(max(np.ptp(marginal, axis=k).max() for k, marginal in enumerate(marginals)))

    def is_no_signaling(self, atol: float = _ATOL) -> bool:
        """Whether no party's setting changes the other parties' probabilities by more than ``atol``.

        Args:
            atol: Largest change of a probability that counts as rounding.
        """
        return self.max_signaling() <= atol

    def require_no_signaling(self, atol: float = _ATOL, argument: str = "behavior") -> None:
        """Raises an error unless the behavior is no-signaling within ``atol``.

        Args:
            atol: Largest change of a probability that counts as rounding.
            argument: Name of the argument that the behavior is, for the message.

        Raises:
            ScenarioError: If another party's setting changes a probability by more.
        """
        signaling = self.max_signaling()
        if signaling > atol:
            raise ScenarioError.bad_argument(
                argument,
                expected=f"a no-signaling behavior (within {atol:g})",
                got=f"marginals that move by {signaling:.3g} with another party's setting",
                remedy="project_to_no_signaling(behavior) gives the nearest one; counts go to analyze().",
            )

    def require_scenario(self, scenario: BellScenario, argument: str) -> None:
        """Raises an error unless this behavior has a given scenario.

        Args:
            scenario: The scenario that it is to have.
            argument: Name of the argument that the scenario belongs to, for the message.

        Raises:
            ScenarioError: If its scenario is another one.
        """
        if scenario != self.scenario:
            raise ScenarioError.bad_argument(argument, expected=str(self.scenario), got=str(scenario))
