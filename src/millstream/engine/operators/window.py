"""A windowed GROUP BY: which operator runs it."""

from __future__ import annotations

from millstream.engine.operator import Lowering, Operator, lowers
from millstream.plan.nodes import WindowAggregate
from millstream.plan.windows import Session


@lowers(WindowAggregate)
def _(node: WindowAggregate, lowering: Lowering) -> Operator:
    if node.emit is not None and isinstance(node.window, Session):
        from millstream.engine.operators.emit_session import EmitSession

        return EmitSession(node, lowering)
    if node.emit is not None:
        from millstream.engine.operators.emit_window import EmitWindow

        return EmitWindow(node, lowering)
    if isinstance(node.window, Session):
        from millstream.engine.operators.session_window import SessionWindow

        return SessionWindow(node, lowering)
    from millstream.engine.operators.fixed_window import FixedWindow

    return FixedWindow(node, lowering)
