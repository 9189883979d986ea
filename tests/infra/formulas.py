"""A tiny evaluator of the alarms' expressions: SUM of a list or of all metrics, IF, arithmetic.

CloudWatch User Guide, "Using math expressions with CloudWatch metrics": SUM of a list has a value
where any of its metrics has one.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

MAXIMUM_LENGTH = 1024
"""Of an expression: CloudWatch API reference, "MetricDataQuery"."""

Value = float | None


def evaluate(expression: str, values: Mapping[str, Value]) -> Value:
    """What an expression comes to where the metrics have these values; None is no data point."""
    return _value(ast.parse(expression, mode="eval").body, values)


def _value(node: ast.expr, values: Mapping[str, Value]) -> Value:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.List(elts=elements)]):
            return _sum([_value(one, values) for one in elements])
        case ast.Call(func=ast.Name(id="SUM"), args=[ast.Call(func=ast.Name(id="METRICS"))]):
            return _sum(list(values.values()))
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
            holds = _value(condition, values)
            return None if holds is None else _value(then if holds else otherwise, values)
        case ast.BinOp(left=left, op=operator, right=right):
            return _both(left, right, operator, values)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _both(left, right, operator, values)
    raise ValueError(f"not known here: {ast.unparse(node)}")


def _both(left: ast.expr, right: ast.expr, operator: ast.AST, values: Mapping[str, Value]) -> Value:
    one, other = _value(left, values), _value(right, values)
    if one is None or other is None:
        return None
    match operator:
        case ast.Mult():
            return one * other
        case ast.Div():
            return one / other if other else None
        case ast.GtE():
            return float(one >= other)
        case ast.Gt():
            return float(one > other)
    raise ValueError(f"not known here: {operator}")


def _sum(values: Sequence[Value]) -> Value:
    known = [one for one in values if one is not None]
    return sum(known) if known else None
