from .evaluation import Evaluation as Evaluation
from .evaluation import evaluate_model as evaluate_model
from .search import LocalModelResult as LocalModelResult
from .search import find_local_model as find_local_model
from .search import find_local_models as find_local_models
from .visibility_sweep import VisibilitySweep as VisibilitySweep
from .visibility_sweep import sweep_visibility as sweep_visibility
