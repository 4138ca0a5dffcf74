from .devices import DeviceReport as DeviceReport
from .figure_names import Figure as Figure
from .locality import LocalityReport as LocalityReport
from .questions import Question as Question
