"""The state that an alarm takes from the data points of its metric.

Pure: it knows neither MiniStack nor clocks.

AWS: CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing
data":

- CloudWatch retrieves more periods than EvaluationPeriods. Where some of them have no point but
  enough others have, the most recent points are evaluated, also from farther back. The page's
  tables have an evaluation range of two more periods; so has this module.
- Where there are fewer points than EvaluationPeriods, TreatMissingData says how to fill the gap,
  "as few times as possible". Without any point the state is INSUFFICIENT_DATA (missing), stays
  (ignore), is ALARM (breaching) or OK (notBreaching).
- With missing and ignore, points that are all breaching but too few raise the alarm (missing) or
  keep the state (ignore), if the oldest of them is at least as old as DatapointsToAlarm
  ("Avoiding premature transitions to alarm state"). If it is not, the state stays; the page does
  not say so in so many words.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

EXTRA_PERIODS = 2
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def state_of(
    breaches: Sequence[bool | None],
    *,
    evaluation_periods: int,
    datapoints_to_alarm: int,
    treat_missing_data: str,
    current: str,
) -> str:
    """Return ALARM, OK or INSUFFICIENT_DATA.

    Args:
        breaches: Of every period in the evaluation range, newest first, whether its point breaches
            the threshold; `None` if it has no point.
        evaluation_periods: How many points decide.
        datapoints_to_alarm: How many of them have to breach.
        treat_missing_data: One of `TREATMENTS`.
        current: The state so far.
    """
    complete = all(one is not None for one in breaches[:evaluation_periods])
    ages = [age for age, one in enumerate(breaches, 1) if one is not None]
    ages = ages[:evaluation_periods]
    if not ages:
        return _without_data(treat_missing_data, current)
    breaching = sum(1 for age in ages if breaches[age - 1])
    missing = 0 if complete else evaluation_periods - len(ages)
    if treat_missing_data == "breaching":
        breaching, missing = breaching + missing, 0
    if breaching >= datapoints_to_alarm:
        return "ALARM"
    if not missing or treat_missing_data == "notBreaching" or breaching < len(ages):
        return "OK"
    if treat_missing_data == "missing" and ages[-1] >= datapoints_to_alarm:
        return "ALARM"
    return current


def _without_data(treat_missing_data: str, current: str) -> str:
    states = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA"}
    return states.get(treat_missing_data, current)
