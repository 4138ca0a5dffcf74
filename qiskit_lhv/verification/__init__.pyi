from .result import Verification as Verification
from .result import VerificationStatus as VerificationStatus
from .verdict import Verdict as Verdict
