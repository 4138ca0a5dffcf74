from .results import FailedTask as FailedTask
from .results import StoredValue as StoredValue
from .results import UnfinishedTask as UnfinishedTask
from .stores import load_sweep as load_sweep
from .sweeping import sweep as sweep
