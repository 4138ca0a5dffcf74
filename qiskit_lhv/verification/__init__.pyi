from .result import Verification as Verification
