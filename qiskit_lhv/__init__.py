"""qiskit_lhv: do these quantum correlations admit a local hidden-variable model?

The public names load when they are first used, so importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .analysis import analyze
    from .behavior_evidence import BehaviorLocality, BehaviorViolation
    from .behavior_report import BehaviorQuestion
    from .counts_rule import CountsRule
    from .critical_visibilities import CriticalVisibility, critical_visibility
    from .datasets import BundledCounts, bundled_counts, load_bundled_counts, read_counts
    from .device_report import DeviceReport
    from .estimate_report import EstimateQuestion
    from .estimated_state import EstimatedLocality, EstimatedViolation
    from .exceptions import CertificateError, CountsError, LHVError, MeasurementError, ScenarioError, SolverError
    from .models.deterministic import DeterministicModel
    from .models.ensemble import ResponseModel
    from .models.features import OddMonomials, PlanarHarmonics, SphericalHarmonics
    from .models.responses import DirectionResponse, FunctionResponse, TableResponse
    from .optimize.evaluation import Evaluation, evaluate_model
    from .optimize.search import LocalModelResult, find_local_model, find_local_models
    from .optimize.visibility import VisibilitySweep, sweep_visibility
    from .polytope.all_projective import certify_all_projective
    from .polytope.automorphisms import find_symmetry
    from .polytope.bounds import LocalBound, local_bound
    from .polytope.compatible_noise import CompatibilityCertificate, prove_compatible
    from .polytope.correlator_settings import wwzb_settings
    from .polytope.critical_radius import HiddenStateCertificate, find_hidden_states
    from .polytope.detection import DetectionThreshold, detection_threshold
    from .polytope.extended_models import ExtensionCertificate, extend_local_models, werner_certificate
    from .polytope.facets import FacetList, enumerate_facets
    from .polytope.families import cglmp, chained, chsh, elegant, i3322, mermin
    from .polytope.full_correlators import FullCorrelatorBound, wwzb
    from .polytope.horodecki import HorodeckiCriterion, horodecki_chsh, horodecki_settings
    from .polytope.inequalities import BellExpression, BellInequality
    from .polytope.local_weights import LocalWeight, local_weight
    from .polytope.mixed_models import MixtureCertificate, mix_local_models
    from .polytope.no_signaling_bounds import NoSignalingBound, no_signaling_bound
    from .polytope.optimized_settings import optimize_settings
    from .polytope.projective_certificate import AllProjectiveCertificate
    from .polytope.quantum_bounds import QuantumBound, quantum_bound
    from .polytope.relabelings import are_equivalent
    from .polytope.separability import SeparabilityCertificate, prove_separable
    from .polytope.settings_record import OptimizedSettings
    from .polytope.symmetrized_model import SymmetrizedModel
    from .polytope.symmetry import Relabeling, Symmetry
    from .polytope.threshold_results import Threshold
    from .polytope.thresholds import nonlocality_threshold
    from .polytope.turned_settings import werner_settings
    from .polytope.unsteerable_states import UnsteerableCertificate, prove_unsteerable
    from .polytope.werner import WernerInequality, werner_inequality
    from .quantum.chain_states import evolve, reduced_state, thermal_state
    from .quantum.device_experiment import DeviceExperiment
    from .quantum.device_groups import coupled_groups
    from .quantum.direction_sets import (
        icosahedral_directions,
        icosahedral_sizes,
        octahedral_directions,
        octahedral_sizes,
        planar_directions,
        platonic_directions,
        random_directions,
    )
    from .quantum.experiment import BellExperiment
    from .quantum.ground_states import GroundState, ground_state
    from .quantum.layouts import PhysicalQubits
    from .quantum.measurements import Measurement, measurement
    from .quantum.polyhedra import inradius
    from .quantum.schedules import SettingSchedule
    from .quantum.spin_chains import nearest_neighbor_chain, random_chain, xxz_chain, xyz_chain
    from .quantum.states import (
        bell_diagonal_state,
        ghz_state,
        graph_state,
        isotropic_state,
        mix_with_noise,
        random_state,
        w_state,
        werner_state,
    )
    from .report import LocalityReport
    from .state_question import StateQuestion
    from .statistics.allocation import Allocation, optimal_shares
    from .statistics.bell_estimates import BellValues, bell_values
    from .statistics.combined_evidence import CombinedEValue, averaged_e_values, combine_e_values
    from .statistics.combined_tests import CombinedTest, combined_test
    from .statistics.confidence import LocalRegion, local_region
    from .statistics.drift import DriftTest, drift_test
    from .statistics.estimates import LocalWeightInterval, ThresholdEstimate, estimate_threshold, local_weight_interval
    from .statistics.evidence import EValue, ratio_e_value, ratio_e_values
    from .statistics.evidence_rates import EvidenceRate, evidence_rate
    from .statistics.false_discovery import benjamini_yekutieli, e_bh
    from .statistics.games import GameTest, game_test
    from .statistics.hidden_signaling import SignalingAllowance, signaling_allowance
    from .statistics.likelihood import LocalFit, fit_local_model
    from .statistics.model_comparison import ModelComparison, compare_models
    from .statistics.no_signaling import SignalingTest, no_signaling_test
    from .statistics.planning import ShotPlan, shots_needed, simulated_log10_p
    from .statistics.same_state import SameStateTest
    from .statistics.setting_choice import SettingsTest, settings_test
    from .statistics.standing import StandingTest
    from .targets.behaviors import Behavior
    from .targets.correlations import CorrelationTensor
    from .targets.counts import BellCounts
    from .targets.expectation_values import (
        estimate_from_estimator,
        estimate_from_expectations,
        pauli_labels,
        pauli_observables,
    )
    from .targets.projections import divergence, project_to_no_signaling
    from .targets.scenario import BellScenario
    from .targets.tensor_estimates import TensorEstimate, estimate_tensor
    from .targets.trials import BellTrials
    from .verdict import Verdict
    from .verification import Verification

_HOME = {
    "analysis": ("analyze",),
    "behavior_evidence": ("BehaviorLocality", "BehaviorViolation"),
    "behavior_report": ("BehaviorQuestion",),
    "counts_rule": ("CountsRule",),
    "critical_visibilities": ("CriticalVisibility", "critical_visibility"),
    "datasets": ("BundledCounts", "bundled_counts", "load_bundled_counts", "read_counts"),
    "device_report": ("DeviceReport",),
    "estimate_report": ("EstimateQuestion",),
    "estimated_state": ("EstimatedLocality", "EstimatedViolation"),
    "exceptions": (
        "CertificateError",
        "CountsError",
        "LHVError",
        "MeasurementError",
        "ScenarioError",
        "SolverError",
    ),
    "models.deterministic": ("DeterministicModel",),
    "models.ensemble": ("ResponseModel",),
    "models.features": ("OddMonomials", "PlanarHarmonics", "SphericalHarmonics"),
    "models.responses": ("DirectionResponse", "FunctionResponse", "TableResponse"),
    "optimize.evaluation": ("Evaluation", "evaluate_model"),
    "optimize.search": ("LocalModelResult", "find_local_model", "find_local_models"),
    "optimize.visibility": ("VisibilitySweep", "sweep_visibility"),
    "polytope.bounds": ("LocalBound", "local_bound"),
    "polytope.correlator_settings": ("wwzb_settings",),
    "polytope.detection": ("DetectionThreshold", "detection_threshold"),
    "polytope.compatible_noise": ("prove_compatible", "CompatibilityCertificate"),
    "polytope.unsteerable_states": ("prove_unsteerable", "UnsteerableCertificate"),
    "polytope.critical_radius": ("find_hidden_states", "HiddenStateCertificate"),
    "polytope.mixed_models": ("mix_local_models", "MixtureCertificate"),
    "polytope.extended_models": ("ExtensionCertificate", "extend_local_models", "werner_certificate"),
    "polytope.facets": ("FacetList", "enumerate_facets"),
    "polytope.families": ("cglmp", "chained", "chsh", "elegant", "i3322", "mermin"),
    "polytope.full_correlators": ("FullCorrelatorBound", "wwzb"),
    "polytope.horodecki": ("HorodeckiCriterion", "horodecki_chsh", "horodecki_settings"),
    "polytope.inequalities": ("BellExpression", "BellInequality"),
    "polytope.local_weights": ("LocalWeight", "local_weight"),
    "polytope.no_signaling_bounds": ("NoSignalingBound", "no_signaling_bound"),
    "polytope.optimized_settings": ("optimize_settings",),
    "polytope.quantum_bounds": ("QuantumBound", "quantum_bound"),
    "polytope.relabelings": ("are_equivalent",),
    "polytope.all_projective": ("certify_all_projective",),
    "polytope.automorphisms": ("find_symmetry",),
    "polytope.projective_certificate": ("AllProjectiveCertificate",),
    "polytope.separability": ("SeparabilityCertificate", "prove_separable"),
    "polytope.settings_record": ("OptimizedSettings",),
    "polytope.symmetrized_model": ("SymmetrizedModel",),
    "polytope.symmetry": ("Relabeling", "Symmetry"),
    "polytope.threshold_results": ("Threshold",),
    "polytope.thresholds": ("nonlocality_threshold",),
    "quantum.device_experiment": ("DeviceExperiment",),
    "quantum.device_groups": ("coupled_groups",),
    "quantum.direction_sets": (
        "icosahedral_directions",
        "icosahedral_sizes",
        "octahedral_directions",
        "octahedral_sizes",
        "planar_directions",
        "platonic_directions",
        "random_directions",
    ),
    "polytope.werner": ("WernerInequality", "werner_inequality"),
    "polytope.turned_settings": ("werner_settings",),
    "quantum.experiment": ("BellExperiment",),
    "quantum.layouts": ("PhysicalQubits",),
    "quantum.measurements": ("Measurement", "measurement"),
    "quantum.polyhedra": ("inradius",),
    "quantum.schedules": ("SettingSchedule",),
    "quantum.chain_states": ("evolve", "reduced_state", "thermal_state"),
    "quantum.ground_states": ("GroundState", "ground_state"),
    "quantum.spin_chains": ("nearest_neighbor_chain", "random_chain", "xxz_chain", "xyz_chain"),
    "quantum.states": (
        "bell_diagonal_state",
        "ghz_state",
        "graph_state",
        "isotropic_state",
        "mix_with_noise",
        "random_state",
        "w_state",
        "werner_state",
    ),
    "report": ("LocalityReport",),
    "verdict": ("Verdict",),
    "state_question": ("StateQuestion",),
    "statistics.allocation": ("Allocation", "optimal_shares"),
    "statistics.confidence": ("LocalRegion", "local_region"),
    "statistics.bell_estimates": ("BellValues", "bell_values"),
    "statistics.combined_evidence": ("CombinedEValue", "averaged_e_values", "combine_e_values"),
    "statistics.combined_tests": ("CombinedTest", "combined_test"),
    "statistics.same_state": ("SameStateTest",),
    "statistics.drift": ("DriftTest", "drift_test"),
    "statistics.estimates": (
        "LocalWeightInterval",
        "ThresholdEstimate",
        "estimate_threshold",
        "local_weight_interval",
    ),
    "statistics.evidence": ("EValue", "ratio_e_value", "ratio_e_values"),
    "statistics.evidence_rates": ("EvidenceRate", "evidence_rate"),
    "statistics.false_discovery": ("benjamini_yekutieli", "e_bh"),
    "statistics.likelihood": ("LocalFit", "fit_local_model"),
    "statistics.games": ("GameTest", "game_test"),
    "statistics.hidden_signaling": ("SignalingAllowance", "signaling_allowance"),
    "statistics.model_comparison": ("ModelComparison", "compare_models"),
    "statistics.no_signaling": ("SignalingTest", "no_signaling_test"),
    "statistics.planning": ("ShotPlan", "shots_needed", "simulated_log10_p"),
    "statistics.setting_choice": ("SettingsTest", "settings_test"),
    "statistics.standing": ("StandingTest",),
    "targets.behaviors": ("Behavior",),
    "targets.correlations": ("CorrelationTensor",),
    "targets.counts": ("BellCounts",),
    "targets.expectation_values": (
        "estimate_from_estimator",
        "estimate_from_expectations",
        "pauli_labels",
        "pauli_observables",
    ),
    "targets.projections": ("divergence", "project_to_no_signaling"),
    "targets.scenario": ("BellScenario",),
    "targets.tensor_estimates": ("TensorEstimate", "estimate_tensor"),
    "targets.trials": ("BellTrials",),
    "verification": ("Verification",),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "AllProjectiveCertificate",
    "Allocation",
    "Behavior",
    "BehaviorLocality",
    "BehaviorQuestion",
    "BehaviorViolation",
    "BellCounts",
    "BellExperiment",
    "BellExpression",
    "BellInequality",
    "BellScenario",
    "BellTrials",
    "BellValues",
    "BundledCounts",
    "CertificateError",
    "CombinedEValue",
    "CombinedTest",
    "CompatibilityCertificate",
    "CorrelationTensor",
    "CountsError",
    "CountsRule",
    "CriticalVisibility",
    "DetectionThreshold",
    "DeterministicModel",
    "DeviceExperiment",
    "DeviceReport",
    "DirectionResponse",
    "DriftTest",
    "EValue",
    "EstimateQuestion",
    "EstimatedLocality",
    "EstimatedViolation",
    "Evaluation",
    "EvidenceRate",
    "ExtensionCertificate",
    "FacetList",
    "FullCorrelatorBound",
    "FunctionResponse",
    "GameTest",
    "GroundState",
    "HiddenStateCertificate",
    "HorodeckiCriterion",
    "LHVError",
    "LocalBound",
    "LocalFit",
    "LocalModelResult",
    "LocalRegion",
    "LocalWeight",
    "LocalWeightInterval",
    "LocalityReport",
    "Measurement",
    "MeasurementError",
    "MixtureCertificate",
    "ModelComparison",
    "NoSignalingBound",
    "OddMonomials",
    "OptimizedSettings",
    "PhysicalQubits",
    "PlanarHarmonics",
    "QuantumBound",
    "Relabeling",
    "ResponseModel",
    "SameStateTest",
    "ScenarioError",
    "SeparabilityCertificate",
    "SettingSchedule",
    "SettingsTest",
    "ShotPlan",
    "SignalingAllowance",
    "SignalingTest",
    "SolverError",
    "SphericalHarmonics",
    "StandingTest",
    "StateQuestion",
    "SymmetrizedModel",
    "Symmetry",
    "TableResponse",
    "TensorEstimate",
    "Threshold",
    "ThresholdEstimate",
    "UnsteerableCertificate",
    "Verdict",
    "Verification",
    "VisibilitySweep",
    "WernerInequality",
    "analyze",
    "are_equivalent",
    "averaged_e_values",
    "bell_diagonal_state",
    "bell_values",
    "benjamini_yekutieli",
    "bundled_counts",
    "certify_all_projective",
    "cglmp",
    "chained",
    "chsh",
    "combine_e_values",
    "combined_test",
    "compare_models",
    "coupled_groups",
    "critical_visibility",
    "detection_threshold",
    "divergence",
    "drift_test",
    "e_bh",
    "elegant",
    "enumerate_facets",
    "estimate_from_estimator",
    "estimate_from_expectations",
    "estimate_tensor",
    "estimate_threshold",
    "evaluate_model",
    "evidence_rate",
    "evolve",
    "extend_local_models",
    "find_hidden_states",
    "find_local_model",
    "find_local_models",
    "find_symmetry",
    "fit_local_model",
    "game_test",
    "ghz_state",
    "graph_state",
    "ground_state",
    "horodecki_chsh",
    "horodecki_settings",
    "i3322",
    "icosahedral_directions",
    "icosahedral_sizes",
    "inradius",
    "isotropic_state",
    "load_bundled_counts",
    "local_bound",
    "local_region",
    "local_weight",
    "local_weight_interval",
    "measurement",
    "mermin",
    "mix_local_models",
    "mix_with_noise",
    "nearest_neighbor_chain",
    "no_signaling_bound",
    "no_signaling_test",
    "nonlocality_threshold",
    "octahedral_directions",
    "octahedral_sizes",
    "optimal_shares",
    "optimize_settings",
    "pauli_labels",
    "pauli_observables",
    "planar_directions",
    "platonic_directions",
    "project_to_no_signaling",
    "prove_compatible",
    "prove_separable",
    "prove_unsteerable",
    "quantum_bound",
    "random_chain",
    "random_directions",
    "random_state",
    "ratio_e_value",
    "ratio_e_values",
    "read_counts",
    "reduced_state",
    "settings_test",
    "shots_needed",
    "signaling_allowance",
    "simulated_log10_p",
    "sweep_visibility",
    "thermal_state",
    "w_state",
    "werner_certificate",
    "werner_inequality",
    "werner_settings",
    "werner_state",
    "wwzb",
    "wwzb_settings",
    "xxz_chain",
    "xyz_chain",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    elif name == "__version__":
        from importlib.metadata import version

        value = version("qiskit-lhv")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
