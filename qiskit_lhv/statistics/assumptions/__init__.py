"""Tests of what a p-value rests on: settings as declared, a stable device, one state.

- ``setting_choice``: the test of the settings, made of ``setting_numbers``, ``setting_order`` and ``repeated_settings``
- ``predictability``: how well random settings can be predicted, and what that allows a local model
- ``drift``: whether the device changed while the data were taken
- ``same_state``: whether every measurement basis measures the same state
"""
