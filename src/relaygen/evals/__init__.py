"""Evaluation: policies on the same problems, logged result by result, with statistics and a report.

tasks       where samples come from: reasoning-gym, benchmark files, the hub
scorers     what judges answers; what may hang or crash does so in a process of its own
runner      generates and scores, all policies on one problem before the next
log         append-only, one line per result; `reading` reads it back, `header` says what was run
rows        one line of numbers per result; `metrics` and `paired` make summaries of them
run         a log, read once; `tables`, `report` (`charts`, `browse`) and `compare` show it
bench       a closed-loop load on a policy or an endpoint
"""
