"""What every room uses, from the ground up.

- ``types``, ``words``, ``rounding``, ``threads``, ``deprecations``: small helpers
- ``validation``: checks of arguments; ``memory``: whether something fits into memory
- ``deadlines``: the one clock, and what ``time_limit`` means; ``progress``: the progress bar
- ``files``, ``checkpoints``: files that are written completely or not at all
- ``records``, with ``record_types``, ``read_only`` and ``old_records``: the base of all results, saved and loaded
- ``highs``: linear programs
"""
