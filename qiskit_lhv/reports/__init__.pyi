from .connected_regions import ConnectedRegion as ConnectedRegion
from .correlator_tables import CorrelatorTable as CorrelatorTable
from .devices import DeviceReport as DeviceReport
from .figure_names import Figure as Figure
from .locality import LocalityReport as LocalityReport
from .questions import Question as Question
