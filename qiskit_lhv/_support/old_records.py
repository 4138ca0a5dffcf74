"""What saved files of earlier versions say, in the words of this one."""

from __future__ import annotations

from typing import Any

__all__ = ["CLASSES_RENAMED", "ROOMS_OF_VERSION_1", "address_of_version_1", "fields_of_version_1"]

# In files of schema version 1 a class goes by its bare name.
ROOMS_OF_VERSION_1 = {
    "analysis": (
        "BehaviorLocality",
        "BehaviorQuestion",
        "BehaviorViolation",
        "CriticalVisibility",
        "EstimateQuestion",
        "EstimatedLocality",
        "EstimatedViolation",
        "StateQuestion",
    ),
    "experiments": ("SettingSchedule",),
    "measurements": (
        "AllProjective",
        "ListedProjective",
        "PlanarProjective",
    ),
    "models": (
        "DeterministicModel",
        "DirectionResponse",
        "FunctionResponse",
        "OddMonomials",
        "PlanarHarmonics",
        "ResponseModel",
        "SphericalHarmonics",
        "TableResponse",
    ),
    "optimize": (
        "Evaluation",
        "LocalModelResult",
        "VisibilitySweep",
    ),
    "polytope": (
        "BellExpression",
        "BellInequality",
        "DetectionThreshold",
        "FacetList",
        "FullCorrelatorBound",
        "LocalBound",
        "LocalWeight",
        "NoSignalingBound",
        "QuantumBound",
        "Relabeling",
        "SymmetrizedModel",
        "Symmetry",
        "Threshold",
        "WernerInequality",
    ),
    "projective": (
        "AllProjectiveCertificate",
        "CompatibilityCertificate",
        "ExtensionCertificate",
        "HiddenStateCertificate",
        "HorodeckiCriterion",
        "MixtureCertificate",
        "OptimizedSettings",
        "SeparabilityCertificate",
        "UnsteerableCertificate",
    ),
    "reports": (
        "CountsRule",
        "DeviceReport",
        "LocalityReport",
    ),
    "spin_chains": ("GroundState",),
    "statistics": (
        "Allocation",
        "BellValues",
        "CombinedEValue",
        "CombinedTest",
        "DriftTest",
        "EValue",
        "EvidenceRate",
        "GameTest",
        "LocalFit",
        "LocalRegion",
        "LocalWeightInterval",
        "MarginalComparison",
        "ModelComparison",
        "ModelStep",
        "SameStateTest",
        "SettingsTest",
        "ShotPlan",
        "SignalingAllowance",
        "SignalingTest",
        "StandingTest",
        "ThresholdEstimate",
    ),
    "targets": (
        "Behavior",
        "BellCounts",
        "BellScenario",
        "BellTrials",
        "CorrelationTensor",
        "TensorEstimate",
    ),
    "verification": ("Verification",),
}


CLASSES_RENAMED = {
    "DirectionList": "ListedProjective",
    "Plane": "PlanarProjective",
    "Sphere": "AllProjective",
}


def fields_of_version_1(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a class that a file of schema version 1 names, by their present names and values.

    Args:
        name: The class.
        fields: The fields as they stand in the file.
    """
    if name == "AllProjectiveCertificate" and "plane" in fields:
        fields = {**fields, "measurements": fields["plane"] or "projective"}
        del fields["plane"]
    return fields


def address_of_version_1(name: str) -> str:
    """The address of a class that a file of schema version 1 names.

    Raises:
        ValueError: If there was none of this name.
    """
    name = CLASSES_RENAMED.get(name, name)
    for room, names in ROOMS_OF_VERSION_1.items():
        if name in names:
            return f"qiskit_lhv.{room}.{name}"
    raise ValueError(f"unknown class {name!r}")
