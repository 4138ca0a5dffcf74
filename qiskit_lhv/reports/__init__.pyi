from .counts_rule import CountsRule as CountsRule
from .devices import DeviceReport as DeviceReport
from .locality import LocalityReport as LocalityReport
from .verdict import Verdict as Verdict
