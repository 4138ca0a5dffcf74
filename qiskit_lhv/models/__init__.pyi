from .deterministic import DeterministicModel as DeterministicModel
from .ensemble import ResponseModel as ResponseModel
from .features import OddMonomials as OddMonomials
from .features import PlanarHarmonics as PlanarHarmonics
from .features import SphericalHarmonics as SphericalHarmonics
from .responses import DirectionResponse as DirectionResponse
from .responses import FunctionResponse as FunctionResponse
from .responses import TableResponse as TableResponse
