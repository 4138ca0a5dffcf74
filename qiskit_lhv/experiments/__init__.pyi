from .bell_experiment import BellExperiment as BellExperiment
from .device_experiment import DeviceExperiment as DeviceExperiment
from .device_groups import coupled_groups as coupled_groups
from .schedules import SettingSchedule as SettingSchedule
from .sweeps import BellSweep as BellSweep
