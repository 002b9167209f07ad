"""Calibration: finds a pair's switch cues from the pair's own probabilities.

large writes traces, small reads them with teacher forcing, and the segments after each candidate cue are compared with
everything else. `calibrate` does all of it; docs/calibration.md says how the numbers are made.
"""

from relaygen.calibration.run import Calibration, Progress, Settings, calibrate
from relaygen.calibration.select import Rule
from relaygen.calibration.sites import Switching

__all__ = ["Calibration", "Progress", "Rule", "Settings", "Switching", "calibrate"]
